"""A server with one thread: one_thread.py PORT TRUTH_FILE.

/sleep waits 30 ms, /cpu burns 20 ms of CPU, anything else answers at once. What each request really took is
written to TRUTH_FILE, a line of JSON each, by the server's own clocks."""

import http.server
import json
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        started, cpu = time.monotonic(), time.thread_time()
        if self.path == "/sleep":
            time.sleep(0.030)
        if self.path == "/cpu":
            while time.thread_time() - cpu < 0.020:
                pass
        used = time.thread_time() - cpu
        truth.write(json.dumps({"path": self.path, "started": started, "cpu_s": used,
                                "service_s": time.monotonic() - started}) + "\n")
        truth.flush()
        body = b"done\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


truth = open(sys.argv[2], "w")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
