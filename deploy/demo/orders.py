#!/usr/bin/env python3
"""The demo's shop: orders.py PORT STOCK_PORT. Two workers, each serving one request at a time, as many a small service
does: whoever comes while both are busy waits in the socket's queue, which no middleware sees.

The header X-Demo says what goes wrong: `errors` (payments fail), `slow-stock` (passed on to the stock service)."""

import http.client
import http.server
import logging
import os
import random
import signal
import sys
import time

WORKERS = 2
log = logging.getLogger("orders")


class Orders(http.server.BaseHTTPRequestHandler):
    def stock(self, item):
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=5)
        try:
            connection.request("GET", f"/items/{item}", headers={"X-Demo": self.headers.get("X-Demo", "")})
            return connection.getresponse().read()
        finally:
            connection.close()

    def status(self):
        if self.path.startswith("/orders/"):
            self.stock(random.randrange(1, 500))
            time.sleep(random.uniform(0.001, 0.003))
        elif self.path == "/search":
            sum(i * i for i in range(60_000))
        elif self.path == "/report":
            log.info("report started")
            until = time.monotonic() + random.uniform(0.7, 0.9)
            while time.monotonic() < until:
                sum(i * i for i in range(10_000))
                time.sleep(0.005)
        elif self.path == "/checkout":
            self.stock(random.randrange(1, 500))
            time.sleep(0.004)
            if self.headers.get("X-Demo") == "errors" and random.random() < 0.4:
                log.error("payment refused: the bank did not answer")
                return 503
        else:
            return 404
        return 200

    def do_GET(self):
        status = self.status()
        body = f'{{"status": {status}}}\n'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def main():
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    http.server.HTTPServer.request_queue_size = 128
    server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Orders)
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            server.serve_forever()
        workers.append(pid)

    def stop(*_):
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    for worker in workers:
        os.waitpid(worker, 0)


if __name__ == "__main__":
    main()
