"""What the integration tests share: sonde and real servers, started on free loopback ports, stopped by pid."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

SONDE = os.environ.get("SONDE_BINARY") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "sonde"
)
PYTHON = "/usr/bin/python3"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, what, timeout_s=20.0):
    """Waits until condition() is true; an assertion with `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(url, timeout_s=10):
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        return answer.read().decode()


class Process:
    """A child in a session of its own, so that all of it can be stopped."""

    def __init__(self, argv, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        self.child = subprocess.Popen(argv, start_new_session=True, **options)
        self.pid = self.child.pid

    def stop(self, signal_number=signal.SIGTERM):
        if self.child.poll() is None:
            os.kill(self.pid, signal_number)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait(5)
        return self.child.returncode


class Sonde(Process):
    def __init__(self, directory, *arguments, events=True):
        """events: --events is given; otherwise a sink of the test's own configuration writes there."""
        self.port = free_port()
        self.events = pathlib.Path(directory) / "events"
        arguments = ("--events", str(self.events), *arguments) if events else arguments
        self.log = open(pathlib.Path(directory) / "sonde.log", "w+b")
        super().__init__(
            [SONDE, "run", "--listen", f"127.0.0.1:{self.port}", *arguments],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(self.ready, "sonde answers on /readyz")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.output()}") from None

    def stop(self, signal_number=signal.SIGTERM):
        code = super().stop(signal_number)
        self.log.close()
        return code

    def output(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def ready(self):
        if self.child.poll() is not None:
            raise AssertionError(f"sonde ended with {self.child.returncode}:\n{self.output()}")
        try:
            return fetch(f"http://127.0.0.1:{self.port}/readyz") == "ready\n"
        except OSError:
            return False

    def metrics(self):
        return fetch(f"http://127.0.0.1:{self.port}/metrics")

    def lines(self):
        """Every line of the events file. Call after stop(): then all of it is there."""
        path = self.events / "transactions.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def transactions(self, side, port=None):
        return [
            line
            for line in self.lines()
            if line["type"] == "transaction"
            and line["side"] == side
            and (port is None or (line["server"] or {}).get("port") == port)
        ]


def metric_sum(text, name, **labels):
    """Sum of a metric's samples that carry these labels."""
    total = 0.0
    for line in text.splitlines():
        match = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$", line)
        if not match or match[1] != name:
            continue
        have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        if all(have.get(key) == value for key, value in labels.items()):
            total += float(match[3])
    return total


class SondeTest(unittest.TestCase):
    """Gives each test a directory and stops what it started, also when it fails."""

    def setUp(self):
        if os.geteuid() != 0:
            self.fail("these tests load eBPF programs: run them as root")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, process):
        self.addCleanup(process.stop)
        return process

    def start_sonde(self, *arguments):
        return self.start(Sonde(self.directory, *arguments))

    def start_nginx(self, locations="", workers=1):
        nginx = Nginx(self.directory, locations, workers)
        return self.start(nginx)


class Nginx(Process):
    """nginx with a prefix of its own; its access log is the truth that sonde is held to."""

    def __init__(self, directory, locations="", workers=1, tls=None, connections=1024):
        """tls: (certificate, key) files: HTTPS instead of HTTP."""
        self.port = free_port()
        self.root = pathlib.Path(directory) / "nginx"
        (self.root / "www").mkdir(parents=True)
        os.chmod(directory, 0o755)
        self.access_log = self.root / "access.log"
        certificates = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
        configuration = self.root / "nginx.conf"
        configuration.write_text(
            f"""
worker_processes {workers};
daemon off;
pid {self.root}/nginx.pid;
error_log {self.root}/error.log warn;
events {{ worker_connections {connections}; }}
http {{
  log_format truth '$status $bytes_sent $body_bytes_sent $request_length $request_method $request_uri';
  access_log {self.access_log} truth;
  client_body_temp_path {self.root}/body;
  proxy_temp_path {self.root}/proxy; fastcgi_temp_path {self.root}/fastcgi;
  uwsgi_temp_path {self.root}/uwsgi; scgi_temp_path {self.root}/scgi;
  sendfile on; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{self.port}{" ssl" if tls else ""}; {certificates} root {self.root}/www; {locations} }}
}}
"""
        )
        super().__init__(["/usr/sbin/nginx", "-p", str(self.root), "-c", str(configuration), "-e", str(self.root / "error.log")])
        wait_for(lambda: accepts(self.port), "nginx listens")

    def truth(self):
        """[(status, bytes_sent, body_bytes_sent, request_length, method, uri)]; call after stop()."""
        rows = []
        for line in self.access_log.read_text().splitlines():
            status, sent, body, received, method, uri = line.split(" ", 5)
            rows.append((int(status), int(sent), int(body), int(received), method, uri))
        return rows
