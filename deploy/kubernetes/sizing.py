#!/usr/bin/env python3
"""What an agent costs at a rate of requests: the table of docs/kubernetes.md, on this machine. As root.

    sizing.py [--seconds 20] [--rates 100,1000,5000,10000]

nginx answers 1 KiB; h2load asks over 20 connections, HTTP/1.1, at a rate that it holds. Both sides run here, so each request is
seen twice, as a server's and as a client's: a node that only serves pays about half.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness import Nginx, Sonde, metric_sum  # noqa: E402

CONNECTIONS = 20


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def measure(sonde, nginx, rate, seconds):
    before, lost_before = cpu_seconds(sonde.pid), metric_sum(sonde.metrics(), "sonde_records_lost_total")
    seen_before = metric_sum(sonde.metrics(), "sonde_transactions_total")
    start = time.monotonic()
    if rate:
        subprocess.run(["h2load", "--h1", "-c", str(CONNECTIONS), "-t", "1", f"--rps={rate / CONNECTIONS}", "-D", str(seconds),
                        f"http://127.0.0.1:{nginx.port}/page"], check=True, capture_output=True)
    else:
        time.sleep(seconds)
    passed = time.monotonic() - start
    text = sonde.metrics()
    seen = (metric_sum(text, "sonde_transactions_total") - seen_before) / passed
    lost = metric_sum(text, "sonde_records_lost_total") - lost_before
    cores = (cpu_seconds(sonde.pid) - before) / passed
    print(f"| {rate:,} | {seen:,.0f} | {cores * 1000:.0f}m | {resident_mib(sonde.pid):.0f} MiB | {lost:.0f} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--rates", default="0,100,1000,5000,10000")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-sizing-") as directory:
        nginx = Nginx(directory, "access_log off;")
        (nginx.root / "www" / "page").write_bytes(b"x" * 1024)
        sonde = Sonde(directory)
        try:
            print("| requests/s | transactions/s seen | CPU of the agent | memory | lost |\n| --- | --- | --- | --- | --- |")
            for rate in map(int, given.rates.split(",")):
                measure(sonde, nginx, rate, given.seconds)
        finally:
            sonde.stop()
            nginx.stop()


if __name__ == "__main__":
    main()
