#!/usr/bin/env python3
"""What sonde costs nginx: nginx_overhead.py [ROUNDS] [SECONDS] [OPTION OF SONDE RUN...].

One wrk saturates one nginx all the time, each on a core of its own (migrations between them cost more than what is
measured); sonde, which runs where the kernel puts it, is started and stopped in between. A round is a window of SECONDS
with it, held against the mean of the windows without it before and after, which cancels what drifts on a shared machine.
Prints CPU per request of nginx's worker (schedstat, stub_status) and requests per second as ratios on/off, and their
medians and quartiles. A benchmark, not a test: it asserts nothing."""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import SONDE, Nginx, Process, fetch, free_port, metric_sum, wait_for  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
STATUS = "location = /status { stub_status; access_log off; }"


class Load:
    def __init__(self, directory):
        self.nginx = Nginx(directory, STATUS)
        (self.nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        self.worker = int(pathlib.Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split()[0])
        os.sched_setaffinity(self.worker, {CORES[-1]})
        self.wrk = Process(["taskset", "-c", str(CORES[0]), "wrk", "-t1", "-c32", "-d3600s",
                            f"http://127.0.0.1:{self.nginx.port}/file"], stdout=subprocess.DEVNULL)

    def now(self):
        requests = int(fetch(f"http://127.0.0.1:{self.nginx.port}/status").splitlines()[2].split()[2])
        cpu_ns = int(pathlib.Path(f"/proc/{self.worker}/schedstat").read_text().split()[0])
        return requests, cpu_ns, time.monotonic()

    def window(self, seconds):
        """(CPU µs per request, requests per second)"""
        before = self.now()
        time.sleep(seconds)
        after = self.now()
        requests = after[0] - before[0]
        return (after[1] - before[1]) / requests / 1e3, requests / (after[2] - before[2])

    def stop(self):
        self.wrk.stop()
        self.nginx.stop()


def with_sonde(load, seconds, options):
    port = free_port()
    sonde = Process([SONDE, "run", "--listen", f"127.0.0.1:{port}", *options])
    try:
        def ready():
            try:
                return fetch(f"http://127.0.0.1:{port}/readyz") == "ready\n"
            except OSError:
                return False
        wait_for(ready, "sonde is ready")
        own = int(pathlib.Path(f"/proc/{sonde.pid}/schedstat").read_text().split()[0])
        result = load.window(seconds)
        own = int(pathlib.Path(f"/proc/{sonde.pid}/schedstat").read_text().split()[0]) - own
        lost = metric_sum(fetch(f"http://127.0.0.1:{port}/metrics"), "sonde_records_lost_total")
        return result, own / seconds / 1e9, lost
    finally:
        sonde.stop()


def summary(ratios):
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"x{statistics.median(ratios):.3f} (quartiles {low:.3f} {high:.3f})"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    directory = tempfile.mkdtemp(prefix="sonde-bench-")
    load = Load(directory)
    try:
        load.window(1)
        cpu_ratios, rate_ratios = [], []
        print("round  CPU/request off       on   ratio   requests/s off      on   ratio   pipeline cores  lost")
        before = load.window(seconds)
        for number in range(rounds):
            on, own_cores, lost = with_sonde(load, seconds, sys.argv[3:])
            after = load.window(seconds)
            off = [(a + b) / 2 for a, b in zip(before, after)]
            before = after
            cpu_ratios.append(on[0] / off[0])
            rate_ratios.append(on[1] / off[1])
            print(f"{number + 1:5}  {off[0]:12.2f} µs {on[0]:8.2f}  x{cpu_ratios[-1]:5.3f}   "
                  f"{off[1]:14.0f} {on[1]:7.0f}  x{rate_ratios[-1]:5.3f}   {own_cores:14.2f} {lost:5.0f}", flush=True)
        print(f"CPU per request {summary(cpu_ratios)}, throughput {summary(rate_ratios)}")
    finally:
        load.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
