#!/usr/bin/env python3
"""Soak and chaos, see run.sh: starts sonde, the load and the trouble, watches, and judges what was seen."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / each) for each in ("integration", "deploy", "support", "bench")]
from harness import Sonde, fetch, wait_for  # noqa: E402

import chaos  # noqa: E402
import load  # noqa: E402
import verdict  # noqa: E402
from graph import number, spark, svg  # noqa: E402
from watch import Watch, Words  # noqa: E402

OUT = ROOT / "build" / "soak"  # git ignores it
CURVES = (("resident MiB", "resident"), ("less history and ring", "own"), ("descriptors", "descriptors"),
          ("attached programs", "links"), ("threads", "threads"),
          ("connections", "connections"), ("waiting for sinks", "waiting"), ("dropped by sinks", "dropped"),
          ("records lost", "lost"), ("cores", None), ("requests/s", None))


def per_second(samples, name):
    pairs = list(zip(samples, samples[1:]))
    rates = [(getattr(b, name) - getattr(a, name)) / (b.second - a.second) for a, b in pairs]
    return [rates[0], *rates]


@contextlib.contextmanager
def own_cgroup():
    """This process and its children in a cgroup that the agent's discovery rule names: what else runs on the machine is
    in no series and no file of the soak."""
    before = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    path = chaos.CGROUP / f"sonde-soak-{os.getpid()}"
    path.mkdir()
    (path / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (chaos.CGROUP / before.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        wait_for(lambda: not (path / "cgroup.procs").read_text(), "all of the soak has ended")
        path.rmdir()


class Soak:
    def __init__(self, stack, directory):
        self.directory = directory
        self.servers = load.Servers(stack, directory)
        self.pods = chaos.Pods(directory)
        stack.callback(self.pods.close)
        self.destination = chaos.Destination()
        stack.callback(self.destination.close)
        self.bursts = chaos.Bursts(directory)
        hidden = [self.destination.port, self.pods.api.server.server_address[1]]  # what is sent would tell of sending
        self.reloads = chaos.Reloads(directory, chaos.sinks(directory, self.destination.port) + self.pods.settings + f"""
terminal: {{interval: 1h}}
logs: {{from_beginning: true, files: [{{pattern: {self.bursts.path}, service: soak-logs, multiline: false}}]}}
discovery: {{include: [{{cgroups: ['*soak-{os.getpid()}*']}}], exclude: [{{ports: {hidden}}}]}}
sampling: {{rules: [{{name: a_fifth, rate: 0.2, status_min: 100}}]}}
""")
        self.sonde = Sonde(directory, "--config", str(self.reloads.file.path))
        stack.callback(self.sonde.stop)
        self.words = Words(self.sonde.log.name)
        stack.callback(self.words.stop)
        self.words.start()
        self.watch = Watch(self.sonde, 5, self.progress)
        stack.callback(self.watch.close)
        self.load = load.kinds(self.servers)
        self.trouble = {"reloads": self.reloads, "log bursts": self.bursts, "destinations": self.destination, "pods": self.pods}
        self.findings = []

    def progress(self, sample):
        if len(self.watch.samples) % 2 == 0:
            return
        count = sum(each.count for each in self.load.values()) + self.pods.count
        text = (f"{sample.second / 60:5.1f} min  {count} requests, {self.bursts.written} log lines, {self.pods.count // 5} pods, "
                f"{self.reloads.sent.total()} reloads; resident {sample.resident:.1f} MiB, {sample.descriptors} descriptors, "
                f"{sample.waiting:.0f} wait, {sample.lost:.0f} lost, {len(self.watch.findings)} findings")
        print(f"\r\x1b[K{text}" if sys.stdout.isatty() else text, end="" if sys.stdout.isatty() else "\n", flush=True)

    def run(self, seconds):
        for port, scheme, http in ((self.servers.http1, "http", "--http1.1"), (self.servers.tls, "https", "--http1.1"),
                                   (self.servers.http2, "http", "--http2-prior-knowledge")):
            wait_for(lambda: load.run(["curl", "-sSk", http, "-o", "/dev/null", f"{scheme}://127.0.0.1:{port}/ok"]) == "" and
                     self.watch.scrape().sum("http_server_request_duration_seconds_count", server_port=str(port)),
                     f"requests to port {port} are seen")
        wait_for(lambda: self.watch.scrape().sum("sonde_kubernetes_synced") == 1, "the pods are known")
        time.sleep(1)  # the last of these requests is counted with its connection's end
        self.before = self.watch.scrape()
        self.watch.start()
        try:
            for kind in self.load.values():
                kind.start()
            self.reloads.start_on(self.sonde, self.words)
            self.bursts.start_on(self.sonde)
            self.destination.start()
            self.pods.start()
            end = time.monotonic() + seconds
            while time.monotonic() < end and self.sonde.child.poll() is None:
                time.sleep(0.2)
        finally:
            self.watch.stop()
            for kind in (*self.load.values(), *self.trouble.values()):
                kind.over.set()
            for name, kind in {**self.load, **self.trouble}.items():
                kind.stop()
                if kind.error:
                    self.findings.append(f"{name}: {type(kind.error).__name__}: {kind.error}")
        print()

    def drain(self):
        """Waits until nothing is on its way any more; the last scrape."""
        def settled():
            taken = dict(self.destination.taken)
            self.after = after = self.watch.scrape()
            self.unlike = [f"{sink}: {count} taken, {sent:.0f} delivered" for sink in ("spooled", "hasty")
                           if (count := taken[f"/{sink}"]) != (sent := after.sum("sonde_sink_delivered_records_total", sink=sink))]
            return (not self.unlike and not any(after.waiting().values()) and after.sum("sonde_tail_records_total") >= self.bursts.written
                    and after.sum("sonde_connections") <= self.before.sum("sonde_connections") + verdict.NOISE_ENTRIES
                    and after.sum("sonde_kubernetes_pods") == 0
                    and all(0 <= each <= verdict.NOISE_RECORDS for each in after.balance().values()))
        try:
            wait_for(settled, "everything is written out after the load", 90)
        except AssertionError as error:
            left = {name: value for name, value in self.after.waiting().items() if value}
            self.findings.append(f"{error}; left: {left}, {self.unlike}, connections {self.after.sum('sonde_connections'):.0f}, on the way "
                                 f"{ {name: value for name, value in self.after.balance().items() if value} }")

        (self.directory / "metrics").write_text(self.after.text)

    def judge(self):
        for name, (entries, bound) in self.watch.maps.entries().items():
            if name.startswith(("tls_", "go_")) and entries > verdict.NOISE_ENTRIES:
                self.findings.append(f"kernel map {name} does not fall back: {entries} of {bound} entries after the load")
        fetch(f"http://127.0.0.1:{self.sonde.port}/health/detailed")
        code = self.sonde.stop()
        self.words.stop()
        if code != 0:
            self.findings.append(f"sonde ended with {code}")
        tables = [verdict.over_time(self.watch.samples), verdict.counts(self.before, self.after, self)]
        in_files, lines = verdict.files(self.sonde.events, self.after, self)
        self.findings += self.watch.findings[:20] + verdict.books(self.before, self.after, self) + in_files
        self.findings += [f"sonde said: {line}" for line in self.words.unexpected[:20]]
        for table in tables:
            self.findings += table.findings
        return tables, lines

    def show(self, tables, lines):
        samples = self.watch.samples
        curves = []
        for title, name in CURVES:
            values = [getattr(sample, name) for sample in samples] if name else \
                per_second(samples, "cpu_s" if title == "cores" else "requests")
            curves.append((title, values))
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "soak.svg").write_text(svg([sample.second for sample in samples], curves))
        (OUT / "samples.json").write_text(json.dumps([dataclasses.asdict(sample) for sample in samples]))
        for table in tables:
            print(table.text() + "\n")
        for title, values in curves:
            print(f"{title.ljust(22)} {spark(values)}  {number(min(values))} to {number(max(values))}")
        print(f"\n{self.reloads.sent.total()} reloads, {lines['transactions']} lines of transactions, {lines['logs']} of logs; "
              f"graph: {OUT / 'soak.svg'}")
        for finding in self.findings:
            print(f"FINDING {finding}")
        print(f"{len(self.findings)} findings" if self.findings else "no findings")


def main():
    parser = argparse.ArgumentParser(description="soak and chaos")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--keep", help="directory that stays: the agent's log, its events, the servers' logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(arguments.keep or tempfile.mkdtemp(prefix="sonde-soak-"))
        if arguments.keep:
            directory.mkdir(parents=True)
        else:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        os.chmod(directory, 0o755)
        stack.enter_context(own_cgroup())
        soak = Soak(stack, directory)
        soak.run(arguments.minutes * 60)
        soak.drain()
        tables, lines = soak.judge()
        soak.show(tables, lines)
        return 1 if soak.findings else 0


if __name__ == "__main__":
    sys.exit(main())
