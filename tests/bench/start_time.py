#!/usr/bin/env python3
"""How soon sonde sees: start_time.py [ROUNDS].

nginx is asked every ten milliseconds; sonde is started, and its /metrics are read as fast as they come until they count
a request of nginx. Prints the time from the start of the process until then, and until it answered at all. A benchmark,
not a test: it asserts nothing but that a request is seen."""

import http.client
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time

from watchers import Agent  # before the harness, which it finds
from harness import Nginx

EVERY_S = 0.01


class Asking(threading.Thread):
    """A request every EVERY_S over one connection, which was open before."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.ends = threading.Event()

    def run(self):
        while not self.ends.wait(EVERY_S):
            self.connection.request("GET", "/file")
            self.connection.getresponse().read()
        self.connection.close()

    def stop(self):
        self.ends.set()
        self.join()


def start(port):
    """Seconds until the first transaction is shown, and until there is an answer."""
    served = re.compile(rf'^sonde_transactions_total{{[^}}]*side="server"[^}}]*}} [1-9]', re.M)
    answered_s = None
    started = time.monotonic()
    sonde = Agent()
    try:
        def sees():
            nonlocal answered_s
            try:
                text = sonde.metrics()
            except OSError:
                return False
            answered_s = answered_s or time.monotonic() - started
            return served.search(text) is not None
        while not sees():
            if time.monotonic() - started > 20 or sonde.child.poll() is not None:
                raise AssertionError("sonde saw no request of nginx")
            time.sleep(0.002)
        return time.monotonic() - started, answered_s
    finally:
        sonde.stop()


def measure(rounds, tell=print):
    """Values by series, one of each per round."""
    series = {"seen_s": [], "answered_s": []}
    directory = tempfile.mkdtemp(prefix="sonde-bench-")
    nginx = Nginx(directory)
    asking = Asking(nginx.port)
    try:
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        asking.start()
        for number in range(rounds):
            seen_s, answered_s = start(nginx.port)
            series["seen_s"].append(seen_s)
            series["answered_s"].append(answered_s)
            tell(f"round {number + 1}: first transaction after {seen_s * 1e3:.0f} ms, first answer after "
                 f"{answered_s * 1e3:.0f} ms")
    finally:
        asking.stop()
        nginx.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return series


def main():
    seen = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20, tell=lambda line: print(line, flush=True))["seen_s"]
    print(f"median {statistics.median(seen) * 1e3:.0f} ms ({min(seen) * 1e3:.0f} to {max(seen) * 1e3:.0f})")


if __name__ == "__main__":
    main()
