"""Servers that are compiled first: Go, Java, and the io_uring server of tests/triggers. And Ruby's puma."""

import pathlib

from harness import SONDE
from truth.server import COMMON_LOG, Plan, Server, build_once

GO = '''
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// counts what was answered, as it was handed to net/http
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func main() {
	log, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	var mutex sync.Mutex
	big := strings.Repeat("0123456789abcdef", 100*64)
	answer := func(w http.ResponseWriter, r *http.Request) {
		received, _ := io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/ok":
			fmt.Fprint(w, "ok\\n")
		case "/big":
			io.WriteString(w, big)
			w.(*counted).ResponseWriter.(http.Flusher).Flush()
			io.WriteString(w, big)
		case "/echo":
			fmt.Fprintf(w, "received %d\\n", received)
		default:
			w.WriteHeader(404)
			fmt.Fprint(w, "no\\n")
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{w, 200}
		answer(c, r)
		mutex.Lock()
		fmt.Fprintf(log, "%s %s %d -\\n", r.Method, r.URL.Path, c.status)
		mutex.Unlock()
	})
	address := "127.0.0.1:" + os.Args[1]
	if len(os.Args) > 3 {
		panic(http.ListenAndServeTLS(address, os.Args[3], os.Args[4], handler))
	}
	panic(http.ListenAndServe(address, handler))
}
'''

JAVA = '''
import com.sun.net.httpserver.HttpServer;
import java.io.FileWriter;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class Truth {
    public static void main(String[] arguments) throws Exception {
        FileWriter log = new FileWriter(arguments[1]);
        byte[] big = "0123456789abcdef".repeat(100 * 64).getBytes();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        server.createContext("/", exchange -> {
            int received = exchange.getRequestBody().readAllBytes().length;
            String path = exchange.getRequestURI().getPath(), method = exchange.getRequestMethod();
            boolean large = path.equals("/big"), known = large || path.equals("/ok") || path.equals("/echo");
            int status = known ? 200 : 404;
            byte[] body = (path.equals("/echo") ? "received " + received : known ? "ok" : "no").getBytes();
            synchronized (log) {
                log.write(method + " " + path + " " + status + " -\\n");
                log.flush();
            }
            // 0: a chunked body; -1: none
            exchange.sendResponseHeaders(status, method.equals("HEAD") ? -1 : large ? 0 : body.length);
            if (!method.equals("HEAD")) {
                exchange.getResponseBody().write(large ? big : body);
                if (large) exchange.getResponseBody().write(big);
            }
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
'''

RACK = '''
require "rack"
log = File.open(ENV.fetch("TRUTH_LOG"), "a")
log.sync = true
use Rack::CommonLogger, log
big = "0123456789abcdef" * (100 * 64)
run lambda { |environment|
  body = environment["rack.input"].read || ""
  case environment["PATH_INFO"]
  when "/ok" then [200, {"Content-Length" => "3"}, ["ok\\n"]]
  when "/big" then [200, {}, [big, big].each]
  when "/echo" then [200, {}, ["received #{body.bytesize}\\n"]]
  else [404, {"Content-Length" => "3"}, ["no\\n"]]
  end
}
'''


def go(site):
    built = build_once("go", {"main.go": GO}, [["go", "build", "-o", "truth-server", "main.go"]])
    tls = [str(site.certificate), str(site.key)] if site.tls else []
    return Plan([str(built / "truth-server"), str(site.port), site.path("access.log"), *tls])


def java(site):
    built = build_once("java", {"Truth.java": JAVA}, [["javac", "Truth.java"]])
    return Plan(["java", "-cp", str(built), "Truth", str(site.port), site.path("access.log")])


def puma(site):
    bind = f"tcp://127.0.0.1:{site.port}"
    if site.tls:
        bind = f"ssl://127.0.0.1:{site.port}?cert={site.certificate}&key={site.key}"
    return Plan(["/usr/bin/puma", "--bind", bind, "--threads", "4:4", "--environment", "production",
                 site.write("config.ru", RACK)], pattern=COMMON_LOG, environment={"TRUTH_LOG": site.path("access.log")})


def uring(mode):
    program = pathlib.Path(SONDE).parent / "tests" / "uring_server"
    return lambda site: Plan([str(program), str(site.port), site.path("access.log"), mode])


SERVERS = (
    Server("Go net/http", go, tls=True),
    Server("Java HttpServer", java),
    Server("puma", puma, tls=True),
    *(Server(f"io_uring {mode}", uring(mode)) for mode in ("default", "defer", "async", "sqpoll")),
)
