#!/usr/bin/env python3
"""What sonde costs a saturated server: nginx_overhead.py [ROUNDS] [SECONDS] [--application | --tls] [--tracer] [--floor] [OPTION...].

One wrk saturates one nginx all the time, each on a core of its own (migrations between them cost more than what is
measured); sonde, which runs where the kernel puts it, is started and stopped in between. A round is a window of SECONDS
with it, held against the mean of the windows without it before and after, which cancels what drifts on a shared machine.
--application: a server that works 1 ms for each request stands in nginx's place. --tls: over TLS, on connections that
stay. --tracer: each round has a window with syscall_tracer too, the usual way to trace, held against its own neighbours.
--floor: and two with bare_hooks, which is sonde's hooks with nothing in them, and with bare records sent from them; and
one with a neighbour that hooks nothing and takes the time of sonde's pipeline from the same cores.
Prints CPU per request of the serving process (by its own count of requests) and requests per second as ratios on/off, and
their medians and quartiles. A benchmark, not a test: it asserts nothing."""

import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import PYTHON, Nginx, Process, accepts, fetch, free_port, metric_sum, wait_for  # noqa: E402
from spread import Spread  # noqa: E402
from watchers import Agent, Neighbour, Tracer  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
STATUS = "location = /status { stub_status; access_log off; }"


class SaturatedNginx:
    # Many: once sonde shares wrk's core, 32 of them leave nginx idle now and then, and it pays for falling asleep and
    # waking up, which costs more than what is measured. With 256 there is always a request that waits for it.
    connections = 256

    def __init__(self, directory, tls=None):
        self.nginx = Nginx(directory, STATUS, tls=tls)
        (self.nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.nginx.port}"
        self.pid = int(pathlib.Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split()[0])
        self.stop = self.nginx.stop

    def used(self):
        """Requests answered so far, CPU ns taken so far."""
        status = subprocess.run(["curl", "-sSk", f"{self.url}/status"], capture_output=True, text=True, check=True).stdout
        requests = int(status.splitlines()[2].split()[2])
        return requests, int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])


class SaturatedTls(SaturatedNginx):
    def __init__(self, directory):
        certificate, key = pathlib.Path(directory) / "certificate.pem", pathlib.Path(directory) / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
                       check=True, stderr=subprocess.DEVNULL)
        super().__init__(directory, (certificate, key))


class SaturatedApplication:
    connections = 16  # a millisecond each: always enough

    def __init__(self, _):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.server = Process(["taskset", "-c", str(CORES[-1]), PYTHON,
                               str(pathlib.Path(__file__).with_name("one_ms_server.py")), str(port)])
        self.pid = self.server.pid
        self.stop = self.server.stop
        try:
            wait_for(lambda: accepts(port), "the application listens")
        except AssertionError:
            self.stop()
            raise

    def used(self):
        """Both by its own count: a request more or less would be a thousandth of a window."""
        return [int(word) for word in fetch(f"{self.url}/used").split()]


class Load:
    def __init__(self, server):
        self.server = server
        os.sched_setaffinity(server.pid, {CORES[-1]})
        self.wrk = Process(["taskset", "-c", str(CORES[0]), "wrk", "-t1", f"-c{server.connections}", "-d36000s",
                            f"{server.url}/file"])
        self.stop = self.wrk.stop

    def now(self):
        return *self.server.used(), time.monotonic()

    def window(self, seconds):
        """(CPU µs per request, requests per second)"""
        before = self.now()
        time.sleep(seconds)
        after = self.now()
        requests = after[0] - before[0]
        return (after[1] - before[1]) / requests / 1e3, requests / (after[2] - before[2])


def with_sonde(load, seconds, options):
    """The window, cores that the pipeline's thread took, records lost."""
    with Agent(*options) as sonde:
        used = sonde.pipeline_ns()
        result = load.window(seconds)
        used = sonde.pipeline_ns() - used
        return result, used / seconds / 1e9, metric_sum(sonde.metrics(), "sonde_records_lost_total")


# name of the series: what else to run in sonde's place, and is held against the same
TRACERS = {"tracer": Tracer}
FLOOR = {"hooks": lambda: Tracer("bare_hooks"), "records": lambda: Tracer("bare_hooks", "records"), "neighbour": Neighbour}
ALL = TRACERS | FLOOR


def with_other(load, seconds, start):
    with start():
        return load.window(seconds)


def measure(rounds, seconds, saturated=SaturatedNginx, others=None, options=(), tell=print):
    """Values by series, one of each per round."""
    series = {}
    with contextlib.ExitStack() as stack:
        directory = tempfile.mkdtemp(prefix="sonde-bench-")
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = saturated(directory)
        stack.callback(server.stop)
        load = Load(server)
        stack.callback(load.stop)
        load.window(1)
        before = load.window(seconds)

        def held(name, on):
            nonlocal before
            after = load.window(seconds)
            off = [statistics.mean(pair) for pair in zip(before, after)]
            before = after
            for what, value in (("cpu_us_off", off[0]), ("cpu_us", on[0]), ("extra_us", on[0] - off[0]),
                                ("cpu_ratio", on[0] / off[0]), ("rate_off", off[1]), ("rate", on[1]),
                                ("rate_ratio", on[1] / off[1])):
                series.setdefault(f"{name}.{what}", []).append(value)

        tell("round  CPU/request off       on   ratio   requests/s off      on   ratio   pipeline cores  lost" +
             "".join(f"{name + ': CPU/request':>24}  requests/s" for name in others or ()))
        for number in range(rounds):
            on, cores, lost = with_sonde(load, seconds, options)
            held("sonde", on)
            series.setdefault("sonde.cores", []).append(cores)
            series.setdefault("sonde.lost", []).append(lost)
            for name, start in (others or {}).items():
                held(name, with_other(load, seconds, start))
            now = {name: values[-1] for name, values in series.items()}
            tell(f"{number + 1:5}  {now['sonde.cpu_us_off']:12.2f} µs {now['sonde.cpu_us']:8.2f}  "
                 f"x{now['sonde.cpu_ratio']:5.3f}   {now['sonde.rate_off']:14.0f} {now['sonde.rate']:7.0f}  "
                 f"x{now['sonde.rate_ratio']:5.3f}   {cores:14.2f} {lost:5.0f}" +
                 "".join(f"{'x':>19}{now[f'{name}.cpu_ratio']:5.3f}      x{now[f'{name}.rate_ratio']:5.3f}"
                         for name in others or ()))
    return series


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    parser.add_argument("seconds", type=float, nargs="?", default=1)
    saturated = parser.add_mutually_exclusive_group()
    saturated.add_argument("--application", dest="saturated", action="store_const", const=SaturatedApplication)
    saturated.add_argument("--tls", dest="saturated", action="store_const", const=SaturatedTls)
    parser.set_defaults(saturated=SaturatedNginx)
    parser.add_argument("--tracer", action="store_true")
    parser.add_argument("--floor", action="store_true")
    chosen, options = parser.parse_known_args()
    others = (TRACERS if chosen.tracer else {}) | (FLOOR if chosen.floor else {})
    series = measure(chosen.rounds, chosen.seconds, chosen.saturated, others, options,
                     tell=lambda line: print(line, flush=True))
    for name in ("sonde", *others):
        print(f"{name}: CPU per request {Spread.of(series[f'{name}.cpu_ratio']).ratio_text()}, "
              f"throughput {Spread.of(series[f'{name}.rate_ratio']).ratio_text()}")


if __name__ == "__main__":
    main()
