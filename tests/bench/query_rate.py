#!/usr/bin/env python3
"""How fast `sonde query` goes through compressed events files, and in how much memory: query_rate.py [GB] [DIRECTORY].

Makes 1 GB and GB (10) of decompressed lines, in .zst files of 0.25 GB below DIRECTORY (a temporary one), which it takes
away again; then asks of both what people ask, and prints per question the rate over decompressed bytes, lines a second and
the peak of the resident memory at both sizes. A benchmark, not a test: it asserts nothing but that each question is
answered from all of the lines."""

import json
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import SONDE  # noqa: E402

GB = 1_000_000_000
FILE_BYTES = GB // 4
BLOCK_LINES = 5_000
QUESTIONS = {
    "by status": ["--status", "5xx", "--limit", "0"],
    "slowest 20": ["--slowest", "20"],
    "group by route": ["--group-by", "service,route"],
    "by text": ["--text", "trace-7f3a", "--limit", "0"],
    "slow ones of one route": ["--route", "/orders/{id}", "--duration", ">50ms", "--limit", "0"],
}


def line(number):
    random_ = random.Random(number)
    route = random_.choice(("/orders/{id}", "/orders", "/cart/{id}/items", "/login", "/static/{file}", "/search"))
    status = random_.choices((200, 304, 404, 503), (90, 5, 4, 1))[0]
    duration = int(random_.lognormvariate(15, 1.2))
    cpu = duration // 3
    trace = f"{random_.getrandbits(128):032x}"
    at = f"2026-01-02T{number % 24:02}:{number // 24 % 60:02}:{number % 60:02}.{random_.randrange(10**9):09}Z"
    out = {
        "type": "transaction", "time": at, "side": "server", "service": random_.choice(("shop", "auth", "web")),
        "method": "GET", "route": route, "path": route.replace("{id}", str(random_.randrange(10**6))), "status": status,
        "outcome": "error" if status == 503 else "ok", "protocol": "http/1.1", "tls": False, "duration_ns": duration,
        "phases": {"queue_ns": 21000, "upload_ns": 0, "cpu_ns": cpu, "runqueue_ns": 12000, "blocked_ns": duration - cpu,
                   "transfer_ns": 80000},
        "request_bytes": 312, "response_bytes": random_.randrange(200, 90_000), "host": "shop.local",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "client_ip": f"203.0.113.{random_.randrange(256)}", "server": {"address": "10.0.0.5", "port": 8080},
        "client": {"address": "10.0.0.7", "port": random_.randrange(32768, 61000)},
        "process": {"pid": 211, "tid": 214, "comm": "gunicorn", "exe": "/usr/bin/python3.11"},
        "trace": {"trace_id": trace, "span_id": trace[:16], "parent_span_id": None,
                  "request_id": "trace-7f3a" if number % 1000 == 0 else trace[:8]},
        "sample_weight": 1, "unobserved": []}
    return json.dumps(out, separators=(",", ":")) + "\n"


def make_files(directory, count):
    """Files of the same lines under names of their own: what is read is read, decompressed and looked through each time."""
    block = "".join(line(number) for number in range(BLOCK_LINES)).encode()
    repeats = max(1, round(FILE_BYTES / len(block)))
    first = directory / "transactions-0000.jsonl.zst"
    # one frame per block: no frame is found again in the window of the one before, which would read faster than life
    frame = subprocess.run(["zstd", "-q", "-3", "-c"], input=block, capture_output=True, check=True).stdout
    with first.open("wb") as out:
        for _ in range(repeats):
            out.write(frame)
    for number in range(1, count):
        (directory / f"transactions-{number:04}.jsonl.zst").write_bytes(first.read_bytes())
    return count * repeats * len(block), count * repeats * BLOCK_LINES, first.stat().st_size * count


def ask(arguments, directory):
    """Seconds, CPU seconds, peak resident MiB, lines of the answer."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with tempfile.TemporaryFile() as answer:
        with subprocess.Popen([SONDE, "query", str(directory), *arguments], stdout=answer) as child:
            peak = 0
            # sampled: ru_maxrss of a child also holds what Python was before exec
            while child.poll() is None:
                status = pathlib.Path(f"/proc/{child.pid}/status")
                found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
                peak = max(peak, int(found[1]) if found else 0)
                time.sleep(0.05)
        seconds = time.monotonic() - started
        if child.returncode != 0:
            raise SystemExit(f"sonde query {' '.join(arguments)} ended with {child.returncode}")
        answer.seek(0)
        lines = sum(1 for _ in answer)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, peak / 1024, lines


def main():
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    parent = sys.argv[2] if len(sys.argv) > 2 else None
    sizes = (1.0, gigabytes)
    peaks = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="sonde-query-", dir=parent) as name:
            directory = pathlib.Path(name)
            size_bytes, lines, on_disk = make_files(directory, max(1, round(size * GB / FILE_BYTES)))
            print(f"{size_bytes / GB:.2f} GB of lines ({lines:,} lines, {on_disk / GB:.2f} GB on disk)", flush=True)
            for question, arguments in QUESTIONS.items():
                seconds, cpu, peak, answer = ask(arguments, directory)
                peaks.setdefault(question, []).append(peak)
                print(f"  {question:24} {seconds:7.2f} s  {size_bytes / GB / seconds:5.2f} GB/s  "
                      f"{lines / seconds / 1e6:5.2f} M lines/s  {size_bytes / GB / cpu:5.2f} GB per CPU s  "
                      f"{answer:9,} lines of answer", flush=True)
    print(f"peak resident memory, MiB      {sizes[0]:>5g} GB  {sizes[1]:>5g} GB")
    for question, (small, large) in peaks.items():
        print(f"  {question:28} {small:8.1f}  {large:8.1f}")


if __name__ == "__main__":
    main()
