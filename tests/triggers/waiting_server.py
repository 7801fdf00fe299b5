"""A server with a thread per connection whose handlers wait in a way that their path names: waiting_server.py PORT
DIRECTORY. Each of /lock, /sleep, /disk, /network, /process waits SECONDS, and does little else."""

import http.server
import mmap
import os
import socket
import subprocess
import sys
import threading
import time

SECONDS = 0.8
PAGES = mmap.mmap(-1, 8 << 20)  # aligned, as O_DIRECT wants


def lock():
    held = threading.Lock()
    held.acquire()
    threading.Timer(SECONDS, held.release).start()
    with held:
        pass


def disk():
    """Past the page cache: each write waits for the device, and copies nothing."""
    end = time.monotonic() + SECONDS
    descriptor = os.open(os.path.join(sys.argv[2], "data"), os.O_WRONLY | os.O_CREAT | os.O_DIRECT | os.O_SYNC, 0o600)
    try:
        while time.monotonic() < end:
            os.pwrite(descriptor, PAGES, 0)
    finally:
        os.close(descriptor)


def network():
    mine, others = socket.socketpair()
    with mine, others:
        threading.Timer(SECONDS, lambda: others.send(b"x")).start()
        mine.recv(1)


WAITS = {"/lock": lock, "/disk": disk, "/network": network, "/sleep": lambda: time.sleep(SECONDS),
         "/process": lambda: subprocess.run(["sleep", str(SECONDS)], check=True)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        WAITS[self.path]()
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"done\n")

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
