"""Servers that log while they serve. Each takes the truth, which sonde never looks at, from the User-Agent header and
writes it into its lines; where the client sends a trace, the `ids` variants write its id as well."""

from truth.server import Plan, Server, build_once

PYTHON = "/usr/bin/python3"

FLASK = '''
import logging
import random
import sys
import time

import flask

app = flask.Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("shop")


def truth():
    return flask.request.headers["User-Agent"]


def deep(levels):
    if levels == 0:
        raise ValueError("it broke for " + truth())
    deeper(levels)


def deeper(levels):
    deep(levels - 1)  # two functions: Python shortens a repeated frame


@app.get("/work")
def work():
    log.info("begin %s", truth())
    time.sleep(random.random() * 0.004)
    log.info("end %s", truth())
    return "ok\\n"


@app.get("/fail")
def fail():
    log.info("begin %s", truth())
    deep(18)
'''

FASTAPI = '''
import asyncio
import json
import logging
import random
import sys
import time

from fastapi import FastAPI, Request

app = FastAPI()
log = logging.getLogger("shop")
handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
log.addHandler(handler)
log.setLevel(logging.INFO)


def truth(request):
    return request.headers["user-agent"]


@app.get("/work")
async def work(request: Request):
    log.info("begin %s", truth(request))
    await asyncio.sleep(random.random() * 0.004)
    log.info("end %s", truth(request))
    return "ok"


@app.get("/sync")
def blocking(request: Request):
    log.info("begin %s", truth(request))
    time.sleep(random.random() * 0.004)
    log.info("end %s", truth(request))
    return "ok"


@app.get("/ids")
async def ids(request: Request):
    trace = request.headers["traceparent"].split("-")[1]
    for step in ("begin", "end"):
        print(json.dumps({"level": "info", "message": f"{step} {truth(request)}", "trace_id": trace}), flush=True)
        await asyncio.sleep(random.random() * 0.004)
    return "ok"
'''

NODE = '''
const express = require("express");
const app = express();
const pause = () => new Promise((done) => setTimeout(done, Math.random() * 4));
app.get("/work", async (request, response) => {
  console.log(`INFO begin ${request.get("user-agent")}`);
  await pause();
  console.log(`INFO end ${request.get("user-agent")}`);
  response.send("ok\\n");
});
app.get("/ids", async (request, response) => {
  const trace_id = request.get("traceparent").split("-")[1];
  for (const step of ["begin", "end"]) {
    console.log(JSON.stringify({level: "info", msg: `${step} ${request.get("user-agent")}`, trace_id}));
    await pause();
  }
  response.send("ok\\n");
});
app.listen(Number(process.argv[2]), "127.0.0.1");
'''

GO = '''
package main

import (
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"time"
)

func pause() { time.Sleep(time.Duration(rand.Intn(4000)) * time.Microsecond) }

func main() {
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		log.Printf("begin %s", r.UserAgent())
		pause()
		log.Printf("end %s", r.UserAgent())
		fmt.Fprint(w, "ok\\n")
	})
	http.HandleFunc("/ids", func(w http.ResponseWriter, r *http.Request) {
		trace := strings.Split(r.Header.Get("traceparent"), "-")[1]
		for _, step := range []string{"begin", "end"} {
			fmt.Fprintf(os.Stdout, "level=info msg=\\"%s %s\\" trace_id=%s\\n", step, r.UserAgent(), trace)
			pause()
		}
		fmt.Fprint(w, "ok\\n")
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
'''

JAVA = '''
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;

public class LogServer {
    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 128);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/work", exchange -> {
            String truth = exchange.getRequestHeaders().getFirst("User-Agent");
            System.out.println("INFO begin " + truth);
            try {
                Thread.sleep(ThreadLocalRandom.current().nextInt(4));
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
            System.out.println("INFO end " + truth);
            byte[] body = "ok\\n".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
'''


def gunicorn(worker, *arguments):
    def plan(site):
        site.write("log_app.py", FLASK)
        return Plan([PYTHON, "-m", "gunicorn", "log_app:app", "--bind", f"127.0.0.1:{site.port}", "--worker-class",
                     worker, *arguments, "--access-logfile", "-"], log="output")

    return plan


def uvicorn(site):
    site.write("log_app.py", FASTAPI)
    return Plan([PYTHON, "-m", "uvicorn", "log_app:app", "--host", "127.0.0.1", "--port", str(site.port),
                 "--no-use-colors"], log="output")


def node(site):
    return Plan(["node", site.write("log_app.js", NODE), str(site.port)], log="output",
                environment={"NODE_PATH": "/usr/share/nodejs"})  # a node that is not Debian's does not look there


def go(site):
    program = build_once("go_log", {"main.go": GO}, [["go", "build", "-o", "server", "main.go"]]) / "server"
    return Plan([str(program), str(site.port)], log="output")


def java(site):
    classes = build_once("java_log", {"LogServer.java": JAVA}, [["javac", "LogServer.java"]])
    return Plan(["java", "-XX:+UseSerialGC", "-cp", str(classes), "LogServer", str(site.port)], log="output")


def nginx(site):
    configuration = site.write("nginx.conf", f"""
worker_processes 2;
daemon off;
pid {site.path("nginx.pid")};
error_log {site.path("error.log")} info;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {site.path("body")}; proxy_temp_path {site.path("proxy")};
  fastcgi_temp_path {site.path("fastcgi")}; uwsgi_temp_path {site.path("uwsgi")}; scgi_temp_path {site.path("scgi")};
  server {{ listen 127.0.0.1:{site.port}; root {site.www}; }}
}}
""")
    return Plan(["/usr/sbin/nginx", "-p", str(site.directory), "-c", configuration, "-e", site.path("error.log")],
                log="error.log")


FLASK_SYNC = Server("Flask, gunicorn sync", gunicorn("sync", "--workers", "4"))
FLASK_GTHREAD = Server("Flask, gunicorn gthread", gunicorn("gthread", "--workers", "2", "--threads", "8"))
FASTAPI_UVICORN = Server("FastAPI, uvicorn", uvicorn)
NODE_EXPRESS = Server("Node express", node)
GO_HTTP = Server("Go net/http", go)
JAVA_HTTP = Server("Java HttpServer", java)
NGINX = Server("nginx error log", nginx)
