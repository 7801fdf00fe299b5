// An HTTPS server and client on Go's crypto/tls.
//
//	go_https serve PORT CERTIFICATE KEY   counts what it answered; GET /truth tells, without counting itself
//	go_https fetch URL COUNT              one request after the other, on kept connections; prints "status bytes" lines
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

var (
	lock   sync.Mutex
	counts = map[string]int{}
)

func answer(w http.ResponseWriter, r *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	if r.URL.Path == "/truth" {
		json.NewEncoder(w).Encode(counts)
		return
	}
	received, _ := io.Copy(io.Discard, r.Body)
	status := 200
	if r.URL.Path == "/missing" {
		status = 404
	}
	counts[fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, status)]++
	body := fmt.Sprintf("received %d", received)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	http1 := map[string]func(*http.Server, *tls.Conn, http.Handler){} // not nil: HTTP/2 is off
	if os.Args[1] == "serve" {
		server := http.Server{Addr: "127.0.0.1:" + os.Args[2], Handler: http.HandlerFunc(answer), TLSNextProto: http1}
		check(server.ListenAndServeTLS(os.Args[3], os.Args[4]))
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	for i := 0; i < count; i++ {
		response, err := client.Get(os.Args[2])
		check(err)
		bytes, err := io.Copy(io.Discard, response.Body)
		check(err)
		response.Body.Close()
		fmt.Println(response.StatusCode, bytes)
	}
}
