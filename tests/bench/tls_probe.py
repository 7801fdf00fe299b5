#!/usr/bin/env python3
"""What a TLS probe's hit costs: tls_probe.py [ROUNDS] [EXCHANGES].

tls_exchange passes requests and answers over a TLS connection, with four calls of OpenSSL each, and the same records
past OpenSSL. What sonde adds to the former beyond what it adds to the latter is the work of its probes, two hits a call
(entry and return). Each round runs it with sonde and without, in changing order, several times each; what counts is the
quickest run, because other load can only add to it. Prints ns per hit. A benchmark, not a test: it asserts nothing."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from watchers import PROGRAMS, Agent  # before the harness, which it finds
from harness import wait_for

RUNS = 5
HITS = 8  # of an exchange


class Exchanges:
    def __init__(self, directory):
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=shop.test", "-keyout", str(key), "-out", str(certificate)],
                       check=True, capture_output=True)
        self.child = subprocess.Popen([PROGRAMS / "tls_exchange", certificate, key], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def run(self, count):
        """CPU ns of an exchange through OpenSSL, and of one past it."""
        self.child.stdin.write(f"run {count}\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def quickest(self, count):
        return [min(column) for column in zip(*(self.run(count) for _ in range(RUNS)))]

    def stop(self):
        self.child.stdin.close()
        self.child.wait(10)


def with_sonde(exchanges, count):
    with Agent() as sonde:
        def sees_them():
            exchanges.run(100)
            return "tls_exchange" in sonde.metrics()
        wait_for(sees_them, "sonde sees inside TLS")
        return exchanges.quickest(count)


def measure(rounds, count=20_000, tell=print):
    """Values by series, one of each per round."""
    series = {"hit_ns": [], "call_us_off": [], "exchange_ratio": []}
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as place:
        exchanges = Exchanges(pathlib.Path(place))
        try:
            tell("round  exchange through OpenSSL: off        on      past it: off       on     a hit")
            for number in range(rounds):
                off = None if number % 2 else exchanges.quickest(count)
                on = with_sonde(exchanges, count)
                off = off or exchanges.quickest(count)
                hit_ns = ((on[0] - off[0]) - (on[1] - off[1])) / HITS
                for name, value in (("hit_ns", hit_ns), ("call_us_off", (off[0] - off[1]) / 4e3),
                                    ("exchange_ratio", on[0] / off[0])):
                    series[name].append(value)
                tell(f"{number + 1:5} {off[0] / 1e3:29.2f} µs {on[0] / 1e3:8.2f} {off[1] / 1e3:16.2f} {on[1] / 1e3:8.2f} "
                     f"{hit_ns:7.0f} ns")
        finally:
            exchanges.stop()
    return series


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    hits = measure(rounds, count, tell=lambda line: print(line, flush=True))["hit_ns"]
    print(f"median {statistics.median(hits):.0f} ns per hit ({min(hits):.0f} to {max(hits):.0f})")


if __name__ == "__main__":
    main()
