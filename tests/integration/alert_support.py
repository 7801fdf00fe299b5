"""What the tests of alerts share: a receiver, a service that goes bad on demand, a load."""

import http.server
import json
import socket
import threading

from harness import PYTHON, Process, accepts, free_port, wait_for

# Seconds instead of minutes; everything else as it is by default.
RULES = """
  rules:
    http_5xx: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    http_errors: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    http_queueing: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    node_cpu: {enabled: false}
    node_memory: {enabled: false}
    node_disk: {enabled: false}
"""


class Hook:
    """Receives webhooks; answer: a status, or None to hang until the test is over."""

    def __init__(self, test, answer=200):
        hook = self
        self.received, self.answer, self.over = [], answer, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.answer is None:
                    hook.over.wait(60)
                    return
                if hook.answer == 200:
                    hook.received.append(json.loads(body))
                self.send_response(hook.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(self.close)

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def alerts(self, rule, state, **labels):
        return [
            alert
            for notice in list(self.received)
            for alert in notice["alerts"]
            if alert["rule"] == rule
            and alert["state"] == state
            and all(alert["labels"].get(name) == value for name, value in labels.items())
        ]


class Service:
    """In a process of its own: /ok answers 200, /shaky what it was told last."""

    SOURCE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    def do_GET(self):
        if self.path.startswith("/set/"):
            Handler.status = int(self.path[5:])
        self.send_response(Handler.status if self.path == "/shaky" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

    def __init__(self, test):
        self.port = free_port()
        self.process = test.start(Process([PYTHON, "-c", self.SOURCE, str(self.port)]))
        wait_for(lambda: accepts(self.port), "the service listens")

    def get(self, path):
        get(self.port, path)


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(4096):
            pass


class Load:
    """Requests, one after the other, about per_s a second, until stop()."""

    def __init__(self, test, port, path, per_s):
        self.over = threading.Event()

        def run():
            while not self.over.wait(1 / per_s):
                try:
                    get(port, path)
                except OSError:
                    pass

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def stop(self):
        self.over.set()
        self.thread.join(35)
