#!/usr/bin/env python3
"""What sonde costs nginx: nginx_overhead.py [ROUNDS] [SECONDS].

Each round runs wrk at saturation twice against the same nginx, once with sonde and once without, in changing order.
Prints CPU per request of nginx's worker and requests per second, each as the ratio on/off within the round, and the
medians. A benchmark, not a test: it asserts nothing but that nothing was lost unseen."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import SONDE, Nginx, Process, fetch, free_port, metric_sum, wait_for  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def worker_of(nginx):
    return int(pathlib.Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()[0])


def saturate(nginx, worker, seconds):
    before = cpu_seconds(worker)
    done = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{nginx.port}/file"],
                          check=True, capture_output=True, text=True).stdout
    requests = int(re.search(r"(\d+) requests in", done)[1])
    return {"cpu_us": (cpu_seconds(worker) - before) / requests * 1e6,
            "rate": float(re.search(r"Requests/sec:\s*([\d.]+)", done)[1])}


def with_sonde(nginx, worker, seconds):
    port = free_port()
    sonde = Process([SONDE, "run", "--listen", f"127.0.0.1:{port}"])
    try:
        def ready():
            try:
                return fetch(f"http://127.0.0.1:{port}/readyz") == "ready\n"
            except OSError:
                return False
        wait_for(ready, "sonde is ready")
        own = cpu_seconds(sonde.pid)
        result = saturate(nginx, worker, seconds)
        result["agent_cpu"] = (cpu_seconds(sonde.pid) - own) / seconds
        result["lost"] = metric_sum(fetch(f"http://127.0.0.1:{port}/metrics"), "sonde_records_lost_total")
        return result
    finally:
        sonde.stop()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    directory = tempfile.mkdtemp(prefix="sonde-bench-")
    nginx = Nginx(directory)
    try:
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        worker = worker_of(nginx)
        saturate(nginx, worker, 1)
        cpu_ratios, rate_ratios = [], []
        print("round  CPU/request off     on  ratio   requests/s off      on  ratio   agent cores  lost")
        for number in range(rounds):
            if number % 2:
                on = with_sonde(nginx, worker, seconds)
                off = saturate(nginx, worker, seconds)
            else:
                off = saturate(nginx, worker, seconds)
                on = with_sonde(nginx, worker, seconds)
            cpu_ratios.append(on["cpu_us"] / off["cpu_us"])
            rate_ratios.append(on["rate"] / off["rate"])
            print(f"{number + 1:5}  {off['cpu_us']:12.2f} µs {on['cpu_us']:6.2f} x{cpu_ratios[-1]:5.3f}   "
                  f"{off['rate']:14.0f} {on['rate']:7.0f} x{rate_ratios[-1]:5.3f}   "
                  f"{on['agent_cpu']:11.2f} {on['lost']:5.0f}", flush=True)
        print(f"median CPU per request x{statistics.median(cpu_ratios):.3f} "
              f"({min(cpu_ratios):.3f} to {max(cpu_ratios):.3f}), "
              f"throughput x{statistics.median(rate_ratios):.3f} ({min(rate_ratios):.3f} to {max(rate_ratios):.3f})")
    finally:
        nginx.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
