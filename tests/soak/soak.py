#!/usr/bin/env python3
"""Soak and chaos, see run.sh: starts sonde, the load and the trouble, watches, and judges what was seen."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / each) for each in ("integration", "deploy", "support", "bench")]
from harness import Sonde, wait_for  # noqa: E402

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
    before = re.search(r"^0::/(.*)$", pathlib.Path("/proc/self/cgroup").read_text(), re.M)[1]
    path = chaos.CGROUP / f"sonde-soak-{os.getpid()}"
    path.mkdir()
    (path / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (chaos.CGROUP / before / "cgroup.procs").write_text(str(os.getpid()))
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
        # what is sent would tell of sending; and of its own scrapes, which are not written out, one would always be under way
        hidden = [self.destination.port, self.pods.api.server.server_address[1]]
        fixed = chaos.sinks(directory, self.destination.port) + self.pods.settings
        self.reloads = chaos.Reloads(directory, fixed + f"""
terminal: {{interval: 1h}}
logs: {{from_beginning: true, files: [{{pattern: {self.bursts.path}, service: soak-logs, multiline: false}}]}}
discovery: {{include: [{{cgroups: ['*soak-{os.getpid()}*']}}], exclude: [{{ports: {hidden}}}]}}
sampling: {{skip_paths: [/metrics], rules: [{{name: a_fifth, rate: 0.2, status_min: 100}}]}}
""")
        self.sonde = Sonde(directory, "--config", str(self.reloads.file.path))
        stack.callback(self.sonde.stop)
        self.words = Words(self.sonde.log.name)
        stack.callback(self.words.stop)
        self.words.start()
        self.watch = Watch(self.sonde, 5, self.progress)
        stack.callback(self.watch.close)
        self.load = load.kinds(self.servers)
        self.trouble = {"reloads": self.reloads, "log bursts": self.bursts, "destinations": self.destination,
                        "pods": self.pods}
        self.findings = []

    def progress(self, sample):
        if len(self.watch.samples) % 2 == 0:
            return
        count = sum(each.count for each in self.load.values()) + self.pods.count
        text = (f"{sample.second / 60:5.1f} min  {count} requests, {self.bursts.written} log lines, "
                f"{self.pods.count // self.pods.ASKED} pods, {self.reloads.sent.total()} reloads; "
                f"{sample.resident:.1f} MiB, {sample.descriptors} descriptors, {sample.waiting:.0f} wait, "
                f"{sample.lost:.0f} lost, {len(self.watch.findings)} findings")
        print(f"\r\x1b[K{text}" if sys.stdout.isatty() else text, end="" if sys.stdout.isatty() else "\n", flush=True)

    def run(self, seconds):
        def seen(port, scheme, version):
            load.run(["curl", "-sSk", version, "-o", "/dev/null", f"{scheme}://127.0.0.1:{port}/ok"])
            return self.watch.scrape().sum("http_server_request_duration_seconds_count", server_port=str(port))

        for site in ((self.servers.http1, "http", "--http1.1"), (self.servers.tls, "https", "--http1.1"),
                     (self.servers.http2, "http", "--http2-prior-knowledge")):
            wait_for(lambda: seen(*site), f"requests to port {site[0]} are seen")
        wait_for(lambda: self.watch.scrape().sum("sonde_kubernetes_synced") == 1, "the pods are known")
        time.sleep(1)  # the last of these requests is counted with its connection's end
        self.before, self.maps_before = self.watch.scrape(), self.watch.maps.entries()
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

    def left(self):
        """What is not settled yet after the load, by a new scrape."""
        taken = dict(self.destination.taken)
        self.after = after = self.watch.scrape()
        left = {name: value for name, value in after.waiting().items() if value}
        left |= {f"{record} on the way": each for record, each in after.balance().items()
                 if not 0 <= each <= verdict.NOISE_RECORDS}
        left |= {f"nowhere of {sink}": each for sink, each in after.nowhere().items()}
        for sink in ("spooled", "hasty"):
            delivered = after.sum("sonde_sink_delivered_records_total", sink=sink)
            if delivered != taken[f"/{sink}"]:
                left[f"delivered by {sink}, {taken[f'/{sink}']} arrived"] = delivered
        if after.sum("sonde_tail_records_total") < self.bursts.written:
            left[f"lines read of {self.bursts.written}"] = after.sum("sonde_tail_records_total")
        for name in ("sonde_connections", "sonde_kubernetes_pods"):
            if after.sum(name) > self.before.sum(name) + verdict.NOISE_ENTRIES:
                left[f"{name}, {self.before.sum(name):.0f} before the load"] = after.sum(name)
        for name, (entries, _) in self.watch.maps.entries().items():
            if entries > self.maps_before[name][0] + verdict.NOISE_ENTRIES:
                left[f"entries of {name}, {self.maps_before[name][0]} before the load"] = entries
        return left

    def drain(self):
        """Waits until nothing is on its way any more; `after` is the last scrape."""
        try:
            wait_for(lambda: not self.left(), "everything is settled after the load", 90)
        except AssertionError as error:
            self.findings.append(f"{error}: {self.left()}")
        (self.directory / "metrics").write_text(self.after.text)

    def judge(self):
        """Tables, and how many lines there are in the files; self.findings is complete then."""
        died = self.sonde.child.poll() is not None
        if died:
            self.findings.append(f"sonde ended under the load with {self.sonde.child.returncode}; its last words: "
                                 f"{self.sonde.output()[-1000:]}")
        else:
            self.drain()
            if self.sonde.stop() != 0:
                self.findings.append(f"sonde ended with {self.sonde.child.returncode}")
        self.words.stop()
        self.findings += self.watch.findings[:20]
        self.findings += [f"sonde said: {line}" for line in self.words.unexpected[:20]]
        tables, lines = [], {}
        if len(self.watch.samples) < 6:
            self.findings.append(f"{len(self.watch.samples)} samples are too few to judge")
        else:
            tables.append(verdict.over_time(self.watch.samples))
        if not died:
            tables.append(verdict.counts(self.before, self.after, self))
            in_files, lines = verdict.files(self.sonde.events, self.after, self)
            self.findings += verdict.books(self.before, self.after, self) + in_files
        for table in tables:
            self.findings += table.findings
        return tables, lines

    def show(self, tables, lines):
        samples = self.watch.samples
        curves = []
        for title, name in CURVES if len(samples) > 1 else ():
            values = [getattr(sample, name) for sample in samples] if name else \
                per_second(samples, "cpu_s" if title == "cores" else "requests")
            curves.append((title, values))
        OUT.mkdir(parents=True, exist_ok=True)
        if curves:
            (OUT / "soak.svg").write_text(svg([sample.second for sample in samples], curves))
        (OUT / "samples.json").write_text(json.dumps([dataclasses.asdict(sample) for sample in samples]))
        for table in tables:
            print(table.text() + "\n")
        for title, values in curves:
            print(f"{title.ljust(22)} {spark(values)}  {number(min(values))} to {number(max(values))}")
        print(f"\n{self.reloads.sent.total()} reloads, {lines.get('transactions', 0)} lines of transactions, "
              f"{lines.get('logs', 0)} of logs; graph: {OUT / 'soak.svg'}")
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
        soak.show(*soak.judge())
        return 1 if soak.findings else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped: nothing is judged")
