#!/usr/bin/env python3
"""The way of a log file through sonde and through rsyslog's mmjsonparse: log_vs_rsyslog.py [LINES] [ROUNDS].

Both follow the same file of JSON lines (300 to 400 bytes, as structured loggers write them), parse each line and write
JSON lines to a file on the same file system; sonde besides detects the format, redacts, looks for the request, counts and keeps
lines for its API. Each round runs both, in changing order. CPU time is that of the whole process from the moment the file
appears until the last line is written. Prints lines per second of wall time and of CPU time, and the ratio.
A benchmark, not a test: it asserts nothing but that all lines arrive. Needs the package rsyslog."""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import Sonde, metric_sum, wait_for  # noqa: E402

RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
template(name="out" type="list") {{ property(name="$!all-json-plain") constant(value="\\n") }}
input(type="imfile" file="{source}" tag="app:" ruleset="lines" readMode="0")
ruleset(name="lines" queue.type="LinkedList" queue.size="100000") {{
  action(type="mmjsonparse" cookie="")
  action(type="omfile" file="{out}" template="out" asyncWriting="on" flushOnTXEnd="off" ioBufferSize="256k")
}}
"""


def write_lines(path, count):
    random.seed(7)
    with open(path, "w") as file:
        for i in range(count):
            file.write(json.dumps({
                "timestamp": "2026-01-02T03:04:05.678Z", "level": random.choice(["info", "info", "info", "warn", "error"]),
                "logger": "shop.orders", "msg": f"order {i} of customer {random.randrange(10**6)} was paid after "
                f"{random.randrange(900)} ms", "http": {"method": "POST", "path": f"/orders/{i}", "status": 200},
                "user_id": random.randrange(10**6), "region": "eu-central-1", "version": "1.14.2",
                "host": "shop-7f9c4d5b6-x2x8q", "duration_ms": random.random() * 100}) + "\n")


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(pid, begin, finished):
    """Seconds of wall and CPU time from begin() until finished() is true."""
    before, started = cpu_s(pid), time.monotonic()
    begin()
    while not finished():
        time.sleep(0.05)
        if time.monotonic() - started > 600:
            raise SystemExit("not all lines arrived within ten minutes")
    return time.monotonic() - started, cpu_s(pid) - before


def run_sonde(folder, lines, count):
    config = folder / "sonde.yaml"
    config.write_text(f"logs:\n  from_beginning: true\n  files:\n    - pattern: {folder}/in/*.log\n")
    sonde = Sonde(folder, "--config", str(config))
    try:
        wait_for(lambda: "sonde_tail_files" in sonde.metrics(), "sonde follows files")
        def finished():
            text = sonde.metrics()
            done = metric_sum(text, "sonde_log_lines_joined_total") >= count
            return done and metric_sum(text, "sonde_sink_records_total", sink="file_logs") >= count
        result = measured(sonde.pid, lambda: lines.rename(folder / "in" / "app.log"), finished)
        dropped = metric_sum(sonde.metrics(), "sonde_queue_dropped_total")
        sonde.stop()
    finally:
        sonde.stop()
        (folder / "in" / "app.log").rename(lines)
    if dropped:
        raise SystemExit(f"sonde dropped {dropped} lines")
    (sonde.events / "logs.jsonl").unlink()
    return result


def run_rsyslog(folder, lines, count):
    config, out = folder / "rsyslog.conf", folder / "out.json"
    config.write_text(RSYSLOG.format(folder=folder, source=folder / "in" / "app.log", out=out))
    for state in folder.glob("imfile-state*"):
        state.unlink()
    child = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(folder / "rsyslog.pid")],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        def finished():
            if not out.exists():
                return False
            done = subprocess.run(["wc", "-l", str(out)], capture_output=True, text=True, check=True)
            return int(done.stdout.split()[0]) >= count
        return measured(child.pid, lambda: lines.rename(folder / "in" / "app.log"), finished)
    finally:
        child.terminate()
        child.wait(20)
        (folder / "in" / "app.log").rename(lines)
        out.unlink(missing_ok=True)


def measure(count, rounds, tell=print):
    """Values by series, one of each per round."""
    ways = {"sonde": run_sonde, "rsyslog": run_rsyslog}
    series = {}
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as name:
        folder = pathlib.Path(name)
        (folder / "in").mkdir()
        lines = folder / "lines"
        write_lines(lines, count)
        tell(f"{count} lines, {lines.stat().st_size / count:.0f} bytes each")
        for number in range(rounds):
            cpu = {}
            for way in (list(ways) if number % 2 == 0 else list(ways)[::-1]):
                wall, cpu[way] = ways[way](folder, lines, count)
                series.setdefault(f"{way}.lines_per_s", []).append(count / wall)
                series.setdefault(f"{way}.lines_per_cpu_s", []).append(count / max(cpu[way], 0.01))
            series.setdefault("cpu_ratio", []).append(cpu["rsyslog"] / cpu["sonde"])
            tell(f"round {number + 1}: rsyslog takes x{series['cpu_ratio'][-1]:.1f} of sonde's CPU time")
    return series


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    series = measure(count, rounds, tell=lambda line: print(line, flush=True))
    print(f"median of {rounds}")
    print(f"{'':10} {'lines/s':>12} {'lines/CPU s':>12}")
    for way in ("sonde", "rsyslog"):
        wall, cpu = (statistics.median(series[f"{way}.{what}"]) for what in ("lines_per_s", "lines_per_cpu_s"))
        print(f"{way:10} {wall:12,.0f} {cpu:12,.0f}")
    print(f"rsyslog takes x{statistics.median(series['cpu_ratio']):.1f} of sonde's CPU time")


if __name__ == "__main__":
    main()
