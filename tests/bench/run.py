"""Measures the budgets and writes the report: see run.sh."""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import budgets
import log_overhead
import log_vs_rsyslog
import machine
import memory
import micro
import nginx_overhead
import report
import sched_overhead
import start_time
import tls_probe
from watchers import PROGRAMS

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Effort:
    name: str
    nginx: int  # rounds, as are all without a unit
    syscall: int
    switch: int
    tls: int
    start: int
    rsyslog: int
    rsyslog_lines: int
    file_sink: int
    file_sink_mb: int
    micro: int
    micro_s: float
    memory_s: int


QUICK = Effort("quick", nginx=5, syscall=2, switch=2, tls=3, start=5, rsyslog=1, rsyslog_lines=100_000, file_sink=3,
               file_sink_mb=256, micro=3, micro_s=0.2, memory_s=30)
FULL = Effort("full", nginx=20, syscall=7, switch=9, tls=9, start=20, rsyslog=5, rsyslog_lines=300_000, file_sink=7,
              file_sink_mb=512, micro=9, micro_s=0.5, memory_s=600)


def file_sink(effort, tell):
    with tempfile.TemporaryDirectory(prefix="bench-", dir=PROGRAMS) as directory:  # on a disk: /tmp may be memory
        values = pathlib.Path(directory) / "values.json"
        with subprocess.Popen([str(PROGRAMS / "file_sink_bench"), directory, str(effort.file_sink_mb), str(effort.file_sink),
                               str(values)], stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                tell(line.rstrip())
        if child.returncode != 0:
            raise RuntimeError(f"file_sink_bench ended with {child.returncode}")
        return json.loads(values.read_text())


# What takes the machine for itself, by name. The rest is Google Benchmark's.
SOURCES = {
    "nginx": lambda e, tell: nginx_overhead.measure(e.nginx, 1, others=nginx_overhead.ALL, tell=tell),
    "application": lambda e, tell: nginx_overhead.measure(e.nginx, 2, nginx_overhead.SaturatedApplication, tell=tell),
    "syscall": lambda e, tell: log_overhead.measure(e.syscall, tracer=True, tell=tell),
    "switch": lambda e, tell: sched_overhead.measure(e.switch, tell=tell),
    "tls": lambda e, tell: tls_probe.measure(e.tls, tell=tell),
    "start": lambda e, tell: start_time.measure(e.start, tell=tell),
    "rsyslog": lambda e, tell: log_vs_rsyslog.measure(e.rsyslog_lines, e.rsyslog, tell=tell),
    "file_sink": file_sink,
    "memory": lambda e, tell: memory.measure(e.memory_s, tell=tell),
}


def tell(text=""):
    print(text, flush=True)


def wanted_benchmarks(references):
    """{program: series} of Google Benchmark's."""
    wanted = {}
    for source, series in references:
        if source not in SOURCES:
            wanted.setdefault(source, set()).add(series)
    return wanted


def measure(names, effort):
    references = budgets.references(names)
    values, failed = {}, {}
    described = machine.describe()
    if described["other agents"] != "0":
        tell("another sonde watches this machine: what is held against nothing is held against that one here; stop it first")
    started = time.monotonic()

    def begin(what):
        tell(f"\n== {what} ({time.monotonic() - started:.0f} s since the start)")

    wanted = wanted_benchmarks(references)
    if wanted:
        begin("programs of Google Benchmark")
        values, failed = micro.measure(wanted, effort.micro, effort.micro_s, tell)
    sources = {source for source, _ in references}
    for source, run in SOURCES.items():
        if source not in sources:
            continue
        begin(source)
        try:
            values[source] = run(effort, tell)
        # one that cannot be measured keeps nobody from measuring the others; the report says why
        except (Exception, SystemExit) as error:
            failed[source] = f"{type(error).__name__}: {error}"
            tell(f"not measured: {failed[source]}")
    return report.Run(described, effort.name, values, failed)


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Every budget of the design, measured.")
    parser.add_argument("names", nargs="*", metavar="ROW", help=f"only these: {', '.join(budgets.NAMES)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: a few minutes in all")
    parser.add_argument("--hour", action="store_true", help="memory is looked at for an hour, not ten minutes")
    parser.add_argument("--compare", type=pathlib.Path, metavar="OLD.json", help="shows what has changed since")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="RUN.json",
                        help="measures nothing: reports on this run")
    parser.add_argument("--again", type=pathlib.Path, metavar="RUN.json",
                        help="measures the rows that are named again, and puts them into this run, which says so")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIRECTORY",
                        help="where benchmarks.md and benchmarks.json go; else docs/, and build/release/benchmarks/ when the "
                        "run is not whole")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in budgets.NAMES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(budgets.NAMES)}")
    if chosen.again and not chosen.names:
        parser.error("--again: which rows?")
    return chosen


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: everything that was started is stopped
    chosen = arguments()
    old = report.Run.read(chosen.compare) if chosen.compare else None  # before it may be written over
    if chosen.source:
        run = report.Run.read(chosen.source)
    else:
        if os.geteuid() != 0:
            raise SystemExit("the benchmarks load eBPF programs: run them as root")
        effort = QUICK if chosen.quick else FULL
        run = measure(chosen.names or budgets.NAMES, dataclasses.replace(effort, memory_s=3600) if chosen.hour else effort)
    if chosen.again:
        run = report.Run.read(chosen.again).with_rows_of(run, chosen.names)
    whole = not ((chosen.names and not chosen.again) or chosen.quick or run.failed)
    directory = chosen.output or (None if chosen.source else ROOT / "docs" if whole else PROGRAMS.parent / "benchmarks")
    tell()
    tell(report.markdown(run).removeprefix(report.INTRODUCTION).strip())
    if old:
        tell(f"\n## Changes since {old.machine['date']} ({old.machine['commit']}, {old.effort})\n")
        tell(report.comparison(old, run))
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "benchmarks.md").write_text(report.markdown(run))
        run.write(directory / "benchmarks.json")
        tell(f"\nwritten: {directory / 'benchmarks.md'}, {directory / 'benchmarks.json'}")
    return 1 if run.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was written")
