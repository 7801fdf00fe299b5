#!/usr/bin/env python3
"""What the capture of log writes costs: log_overhead.py [ROUNDS] [--tracer].

One program serves a request now and then, so that sonde watches it, and writes lines to a file, 100,000 at a time, to
another that nobody takes for a log, and makes an unrelated system call. A copy of it under another name does the same,
serves nothing and is not watched (of one program under one parent all processes are). Each round runs them without sonde
and with it, in several turns whose order changes; what counts is the CPU time per call of the quickest run with and of the
quickest without, because other load can only add to it, and the slow seconds of a shared machine last longer than a turn.
--tracer: also what tracepoints of system calls would cost (syscall_tracer), the reason why there are
none. Prints ratios on/off.
A benchmark, not a test: it asserts nothing."""

import contextlib
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import Sonde, metric_sum, wait_for  # noqa: E402
from watchers import Tracer  # noqa: E402

SOURCE = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void answer(int listener) {
    char request[4096];
    int c = accept(listener, 0, 0);
    const char *ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (read(c, request, sizeof request) > 0) send(c, ok, strlen(ok), 0);
    close(c);
}

/* argv: log, other file. stdin: "serve" answers one request, "run N" prints ns per log line, other write, getppid. */
int main(int argc, char **argv) {
    int log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
    int other = open(argv[2], O_RDWR | O_CREAT, 0644);
    char line[128], command[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, size);
    listen(listener, 8);
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    while (fgets(command, sizeof command, stdin)) {
        if (command[0] == 's') { answer(listener); continue; }
        int n = atoi(command + 4);
        double a = cpu_ns();
        for (int i = 0; i < n; i++) { if (write(log, line, sizeof line) < 0) return 1; }
        double b = cpu_ns();
        for (int i = 0; i < n; i++) { if (pwrite(other, line, sizeof line, 0) < 0) return 1; }
        double c = cpu_ns();
        for (int i = 0; i < n; i++) syscall(SYS_getppid);
        double d = cpu_ns();
        if (ftruncate(log, 0)) return 1;
        printf("[%f,%f,%f]\n", (b - a) / n, (c - b) / n, (d - c) / n);
        fflush(stdout);
    }
    return 0;
}
"""
LINES = 100_000
TURNS = 4
RUNS = 2
PROCESSES = ("watched", "unwatched")
WHAT = ("line to a log", "other write", "getppid")


class Writer:
    def __init__(self, program, directory, name):
        copy = shutil.copy(program, directory / name)
        self.child = subprocess.Popen([copy, str(directory / f"{name}.log"), str(directory / f"{name}.dat")],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())

    def tell(self, command):
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def serve(self):
        self.tell("serve")
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            while client.recv(4096):
                pass

    def quickest(self):
        runs = []
        for _ in range(RUNS):
            self.tell(f"run {LINES}")
            runs.append(json.loads(self.child.stdout.readline()))
            time.sleep(0.2)  # 100,000 lines a second at most
        return [min(column) for column in zip(*runs)]

    def stop(self):
        self.child.stdin.close()
        self.child.wait(10)


def with_sonde(directory, writers):
    sonde = Sonde(directory)
    try:
        watched = writers[0]
        before = metric_sum(sonde.metrics(), "sonde_records_seen_total", record="log_write")

        def seen():
            watched.serve()
            watched.tell("run 10")
            watched.child.stdout.readline()
            return metric_sum(sonde.metrics(), "sonde_records_seen_total", record="log_write") > before

        wait_for(seen, "sonde captures what the watched program writes")
        return [writer.quickest() for writer in writers]
    finally:
        sonde.stop()


def quickest_of(turns):
    """By process and call."""
    return [[min(costs) for costs in zip(*calls)] for calls in zip(*turns)]


def with_tracer(writers):
    with Tracer():
        return [writer.quickest() for writer in writers]


def compile_writer(directory):
    (directory / "writer.c").write_text(SOURCE)
    program = str(directory / "writer")
    subprocess.run(["cc", "-O2", "-o", program, str(directory / "writer.c")], check=True)
    return program


def measure(rounds, tracer=False, tell=print):
    """Ratios on/off by series, one of each per round: WATCHER.PROCESS.CALL."""
    series = {}
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as place, contextlib.ExitStack() as stack:
        directory = pathlib.Path(place)
        program = compile_writer(directory)
        writers = []
        for name in PROCESSES:
            writers.append(Writer(program, directory, name))
            stack.callback(writers[-1].stop)

        watchers = {"off": lambda: [writer.quickest() for writer in writers], "sonde": lambda: with_sonde(directory, writers)}
        if tracer:
            watchers["tracer"] = lambda: with_tracer(writers)
        for number in range(rounds):
            taken = {watcher: [] for watcher in watchers}
            for turn in range(TURNS):
                for watcher in sorted(watchers, reverse=(number + turn) % 2 == 1):
                    taken[watcher].append(watchers[watcher]())
            best = {watcher: quickest_of(turns) for watcher, turns in taken.items()}
            off = best.pop("off")
            for watcher, on in best.items():
                for process, ons, offs in zip(PROCESSES, on, off):
                    for call, a, b in zip(WHAT, ons, offs):
                        series.setdefault(f"{watcher}.{process}.{call}", []).append(a / b)
            on = best["sonde"]
            tell(f"round {number + 1}: watched line {off[0][0]:.0f} → {on[0][0]:.0f} ns, unwatched getppid "
                 f"{off[1][2]:.1f} → {on[1][2]:.1f} ns")
    return series


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    tracer = "--tracer" in sys.argv
    series = measure(int(arguments[0]) if arguments else 5, tracer, tell=lambda line: print(line, flush=True))
    for watcher in ("sonde", "tracer") if tracer else ("sonde",):
        for process in PROCESSES:
            parts = [f"{call} x{statistics.median(series[f'{watcher}.{process}.{call}']):.3f}" for call in WHAT]
            print(f"{watcher:12} {process:10} {', '.join(parts)}")


if __name__ == "__main__":
    main()
