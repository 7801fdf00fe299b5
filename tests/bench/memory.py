#!/usr/bin/env python3
"""What sonde's memory comes to: memory.py [SECONDS] [OPTION OF SONDE RUN...].

Starts sonde with defaults and looks at its resident memory after ten seconds of rest; then, for SECONDS (600), nginx serves
10,000 connections that stay open, over which requests go for 100,000 distinct paths in turns, while 5,000 more processes
come, rest and go, a twentieth of them anew each ten seconds. Prints a line every ten seconds: the resident memory (of which
the ring's pages), how many connections are known, how many were evicted, how many
requests are counted in the route {other}, and what was lost. A benchmark, not a
test: it asserts nothing but that everything was really there."""

import asyncio
import contextlib
import itertools
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import Nginx, Process, metric_sum  # noqa: E402
from watchers import Agent  # noqa: E402

CONNECTIONS, PATHS, PROCESSES, RATE = 10_000, 100_000, 5_000, 2_000
MIB = 1024 * 1024


def memory(pid):
    """MiB: resident, anonymous, ring, peak"""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    ring, name = 0, ""
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            name = words[-1]
        elif words[0] == "Rss:" and name == "anon_inode:bpf-map":
            ring += int(words[1])
    kib = [int(status[key].split()[0]) for key in ("VmRSS", "RssAnon")] + [ring, int(status["VmHWM"].split()[0])]
    return [each / 1024 for each in kib]


def path_of(number):
    """Words, which no template takes for an id."""
    word = ""
    for _ in range(6):
        number, digit = divmod(number, 26)
        word += "etaoinshrdlucmfwypvbgkqjxz"[digit]
    return f"/shop/{word}/view"


class Connections:
    """Requests at RATE over CONNECTIONS connections, one after the other."""

    def __init__(self, port):
        self.port = port
        self.streams = []
        self.answered = 0

    async def open(self):
        gate = asyncio.Semaphore(200)

        async def one():
            async with gate:
                self.streams.append(await asyncio.open_connection("127.0.0.1", self.port))
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    async def ask(self, stream, number):
        reader, writer = stream
        writer.write(f"GET {path_of(number % PATHS)} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(2)
        self.answered += 1

    async def run(self, until):
        await self.open()
        numbers, turns = itertools.count(), itertools.cycle(range(CONNECTIONS))
        while time.monotonic() < until:
            began = time.monotonic()
            await asyncio.gather(*(self.ask(self.streams[next(turns)], next(numbers)) for _ in range(RATE // 10)))
            await asyncio.sleep(max(0, began + 0.1 - time.monotonic()))


class Sleepers:
    """PROCESSES processes that do nothing; a twentieth is replaced at a time. One shell holds 250."""

    def __init__(self):
        self.shells = [self.shell() for _ in range(PROCESSES // 250)]

    @staticmethod
    def shell():
        return Process(["sh", "-c", "for i in $(seq 250); do sleep 100000 & done; wait"])

    @staticmethod
    def end(shell):
        os.killpg(shell.pid, 15)
        shell.child.wait(20)

    def replace_some(self):
        for shell in self.shells[:1]:
            self.end(shell)
            self.shells = [*self.shells[1:], self.shell()]

    def stop(self):
        for shell in self.shells:
            self.end(shell)


async def under_load(port, seconds, tell):
    connections, sleepers = Connections(port), Sleepers()
    try:
        end = time.monotonic() + seconds
        load = asyncio.create_task(connections.run(end))
        while not load.done():
            await asyncio.wait({load}, timeout=10)
            sleepers.replace_some()
            tell(connections)
        await load
    finally:
        sleepers.stop()


def measure(seconds, options=(), tell=print):
    """MiB by series: resident at rest, once; resident and of it the ring's pages, each ten seconds of the load's second
    half: tables fill in the first."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    series = {"rest": [], "load": [], "ring": []}
    directory = tempfile.mkdtemp(prefix="sonde-bench-")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        nginx = Nginx(directory, "location /shop { return 200 ok; }", connections=16384)
        stack.callback(nginx.stop)
        sonde = stack.enter_context(Agent(*options))
        began = time.monotonic()

        def look(connections=None):
            rss, anon, ring, peak = memory(sonde.pid)
            if not connections:
                series["rest"].append(rss)
            elif time.monotonic() - loaded > seconds / 2:
                series["load"].append(rss)
                series["ring"].append(ring)
            text = sonde.metrics()
            evicted = metric_sum(text, "sonde_connections_evicted_total")
            other = metric_sum(text, "sonde_http_overflow_total")
            tell(f"{time.monotonic() - began:5.0f} {rss:8.1f} {anon:9.1f} {ring:6.1f} {peak:6.1f} "
                 f"{connections.answered if connections else 0:10} {metric_sum(text, 'sonde_connections'):12.0f} "
                 f"{evicted:8.0f} {other:9.0f} {metric_sum(text, 'sonde_records_lost_total'):6.0f}")

        tell("    s resident anonymous   ring   peak   requests  connections  evicted  in other   lost")
        time.sleep(10)
        look()
        loaded = time.monotonic()
        asyncio.run(under_load(nginx.port, seconds, look))
    return series


def main():
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 600, sys.argv[2:], tell=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
