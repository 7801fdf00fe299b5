#!/usr/bin/env python3
"""What sonde costs where threads switch: sched_overhead.py [ROUNDS] [LOOPS].

`perf bench sched pipe` passes a byte to and fro between two threads: every loop is two context switches, and hardly
anything else. One such pair is pinned to each of two cores. Each round runs them with sonde and without, in several turns
whose order changes; what counts is the CPU time per loop of the quickest run with and of the quickest without, because
other load can only add to it, and the slow seconds of a shared machine last longer than a turn. Prints the ratio on/off of
each round, the median, and what the kernel itself accounts to the program per run (with kernel.bpf_stats_enabled, in a
phase of its own, since accounting costs time as well). The budget is x1.01. A benchmark, not a test: it asserts nothing.
Packages: linux-perf, bpftool."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

from watchers import Agent

TURNS = 4
RUNS = 3
PROGRAM = "task_switch"


def cores():
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[:2]


def cpu_us_per_loop(loops):
    """The quickest pair's CPU time, user and system, of both its threads."""
    children = [subprocess.Popen(["taskset", "-c", str(core), "perf", "bench", "sched", "pipe", "-l", str(loops)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for core in cores()]
    used = []
    for child in children:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit("perf bench sched pipe failed: is linux-perf installed?")
        used.append((usage.ru_utime + usage.ru_stime) / loops * 1e6)
    return min(used)


def quickest(loops):
    return min(cpu_us_per_loop(loops) for _ in range(RUNS))


def with_sonde(loops):
    with Agent():
        return quickest(loops)


def program_ns(loops):
    """Nanoseconds per run of the scheduler hook as the kernel accounts them, the clock reads included; None: there is
    no hook (docs/decisions/0009-clock-without-hook.md)."""
    setting = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text()
    try:
        with Agent():
            setting.write_text("1")
            cpu_us_per_loop(loops)
            programs = json.loads(subprocess.run(["bpftool", "--json", "prog", "show"], check=True,
                                                 capture_output=True, text=True).stdout)
            runs = [(p["run_time_ns"], p["run_cnt"]) for p in programs
                    if p.get("name") == PROGRAM and p.get("run_cnt", 0) > 0]
            return sum(ns for ns, _ in runs) / sum(count for _, count in runs) if runs else None
    finally:
        setting.write_text(before)


def measure(rounds, loops=40_000, tell=print):
    """Values by series, one of each per round."""
    series = {"off_us": [], "on_us": [], "ratio": []}
    tell("round   CPU per loop off       on   ratio")
    for number in range(rounds):
        taken = {quickest: [], with_sonde: []}
        for turn in range(TURNS):
            for measured in (quickest, with_sonde) if (number + turn) % 2 else (with_sonde, quickest):
                taken[measured].append(measured(loops))
        off, on = min(taken[quickest]), min(taken[with_sonde])
        for name, value in (("off_us", off), ("on_us", on), ("ratio", on / off)):
            series[name].append(value)
        tell(f"{number + 1:5}   {off:13.3f} µs {on:8.3f}  x{on / off:.4f}")
    return series


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    loops = int(sys.argv[2]) if len(sys.argv) > 2 else 40_000
    ratios = measure(rounds, loops, tell=lambda line: print(line, flush=True))["ratio"]
    hook_ns = program_ns(loops)
    hook = "no program runs at a switch" if hook_ns is None else f"{PROGRAM}: {hook_ns:.0f} ns per switch by the kernel"
    print(f"median x{statistics.median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f}); {hook}")


if __name__ == "__main__":
    main()
