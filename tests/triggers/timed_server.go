// timed_server.py's twin in Go: timed_server PORT LOG [CERTIFICATE KEY]. Over TLS it speaks HTTP/1.1 and HTTP/2. A
// goroutine per connection reads: nothing waits for another request.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func monotonic() int64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

func main() {
	log, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	var mutex sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := monotonic()
		milliseconds, _ := strconv.Atoi(strings.Split(r.URL.Path, "/")[2])
		time.Sleep(time.Duration(milliseconds) * time.Millisecond)
		w.Header().Set("Content-Length", "6")
		io.WriteString(w, "slept\n")
		w.(http.Flusher).Flush()
		done := monotonic()
		mutex.Lock()
		defer mutex.Unlock()
		fmt.Fprintf(log, "%s %s 200 - %d %d\n", r.Method, r.URL.Path, started, done)
	})
	address := "127.0.0.1:" + os.Args[1]
	if len(os.Args) > 3 {
		panic(http.ListenAndServeTLS(address, os.Args[3], os.Args[4], handler))
	}
	panic(http.ListenAndServe(address, handler))
}
