#!/usr/bin/env python3
"""The demo's service: shop.py PORT. Orders are quick, search burns CPU, reports wait, payments fail at times."""

import http.server
import random
import sys
import time


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = 200
        if self.path.startswith("/orders/"):
            time.sleep(random.uniform(0.001, 0.004))
        elif self.path == "/search":
            sum(i * i for i in range(60_000))
        elif self.path == "/report":
            time.sleep(random.uniform(0.15, 0.3))
        elif self.path == "/pay":
            time.sleep(0.005)
            status = 503 if random.random() < 0.2 else 200
        else:
            status = 404
        body = f'{{"path": "{self.path}", "status": {status}}}\n'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
