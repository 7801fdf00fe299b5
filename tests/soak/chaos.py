"""The trouble: reloads, rotations under bursts of log lines, destinations and pods that come and go."""

import collections
import http.server
import itertools
import os
import signal
import subprocess
import threading

from harness import PYTHON, accepts, fetch, free_port, wait_for
from kubernetes_api import PODS, KubernetesApi, pod
from kubernetes_test import CGROUP, DEPLOYMENT, REPLICA_SET, InCgroup
from log_rotation_test import by_copytruncate, by_rename
from reload_test import BAD, PlainFile, good
from turns import Turns


class Reloads(Turns):
    """Good and bad configurations by turns; each is answered. fixed: what every good one has."""

    def __init__(self, directory, fixed):
        super().__init__(2)
        self.file, self.fixed, self.sent = PlainFile(directory / "config"), fixed, collections.Counter()
        self.numbers = itertools.count()
        self.file.put(self.text(0))

    def text(self, number):
        return self.fixed + good(number % 2 == 0, number)

    def start_on(self, sonde, words):
        self.sonde, self.words = sonde, words
        self.start()

    def turn(self):
        number = next(self.numbers)
        if number % 4 == 3:
            self.send("rejected", BAD[number // 4 % len(BAD)], hup=number % 8 == 3)
            self.send("applied", self.text(number + 1), hup=True)
        else:
            self.send("applied", self.text(number + 1), hup=number % 2 == 0)

    def send(self, result, text, hup):
        before = self.words.reloads[result]
        self.file.put(text)
        if hup:
            os.kill(self.sonde.pid, signal.SIGHUP)
        self.sent[result] += 1
        wait_for(lambda: self.words.reloads[result] > before, f"a reload is {result}: {text[-200:]!r}")


class Bursts(Turns):
    """Bursts of numbered lines into a file, which is rotated by both ways; the agent's own files are, too."""

    LINES = 300

    def __init__(self, directory):
        super().__init__(2)
        (directory / "logs").mkdir()
        self.path = str(directory / "logs" / "app.log")
        self.written, self.turns, self.sonde = 0, itertools.count(1), None

    def start_on(self, sonde):
        self.sonde = sonde
        self.start()

    def reopen(self):
        """The next burst opens the file anew."""

    def turn(self):
        lines = b"".join(b"INFO shop: line=%d of a burst\n" % (self.written + i) for i in range(self.LINES))
        # not by this process: it serves, so its writes are captured, and lines that are read from a copy come twice
        subprocess.run(["tee", "-a", self.path], input=lines, stdout=subprocess.DEVNULL, check=True)
        self.written += self.LINES
        number = next(self.turns)
        if number % 4 == 0:
            (by_rename if number % 8 else by_copytruncate)(self)
        if number % 6 == 0:
            os.kill(self.sonde.pid, signal.SIGUSR1)


class Destination(Turns):
    """What sinks send to: it takes, refuses, hangs up without an answer, or is not there at all, seven seconds each.
    `taken` counts the lines that it said 200 to, by path."""

    MODES = ("takes", "refuses", "takes", "hangs up", "takes", "is gone")

    def __init__(self):
        super().__init__(7)
        self.mode, self.modes = "takes", itertools.cycle(self.MODES)
        self.taken, self.lock, self.server = collections.Counter(), threading.Lock(), None
        self.port = free_port()
        self.open()

    def open(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mode = owner.mode
                if mode in ("hangs up", "is gone"):
                    self.close_connection = True
                    return
                with owner.lock:
                    owner.taken[self.path] += 0 if mode == "refuses" else body.count(b"\n")
                self.send_response(503 if mode == "refuses" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # whoever is hung up on hangs up

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def turn(self):
        self.mode = next(self.modes)
        if self.mode == "is gone":
            self.close()
        elif self.server is None:
            self.open()

    def stop(self):
        super().stop()
        self.mode = "takes"
        if self.server is None:
            self.open()


class Pods(Turns):
    """Simulated pods of one Deployment: the API tells of each, its server lives in a cgroup of its own, is asked a few
    times, and goes. Four at a time, on ports of their own that the next one takes over: new pods are no new series."""

    ASKED = 5

    def __init__(self, directory):
        super().__init__(1.5)
        self.directory, self.count, self.numbers = directory, 0, itertools.count(1)
        self.ports = [free_port() for _ in range(4)]
        self.running = {}  # port: (server, name)
        self.root = CGROUP / f"kubepods-soak-{os.getpid()}"
        self.api = KubernetesApi()
        self.api.others[REPLICA_SET] = DEPLOYMENT

    @property
    def settings(self):
        return f"kubernetes: {{use: always, api: '{self.api.url}', node: node-1}}\n"

    def turn(self):
        number = next(self.numbers)
        port = self.ports[number % len(self.ports)]
        self.end(port)
        name, container = f"shop-{number}", f"{number:064x}"
        self.api.put(PODS, pod(name, container, address=f"10.1.{number // 250 % 250}.{number % 250 + 1}"))
        server = [PYTHON, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(self.directory)]
        self.running[port] = InCgroup(self.root / container, server), name
        wait_for(lambda: accepts(port), f"pod {name} listens")
        for _ in range(self.ASKED):
            fetch(f"http://127.0.0.1:{port}/")
            self.count += 1
        if number % 10 == 0:
            self.api.cut_watches()
        if number % 25 == 0:
            self.api.forget_history()
            self.api.cut_watches()

    def end(self, port):
        if port in self.running:
            server, name = self.running.pop(port)
            server.stop()
            self.api.remove(PODS, f"uid-{name}")

    def stop(self):
        super().stop()
        for port in list(self.running):
            self.end(port)

    def close(self):
        self.stop()
        self.api.stop()


def sinks(directory, port):
    """One destination for three sinks: with a spool; without, what it cannot take in 5 s is given up; samples."""
    url = f"http://127.0.0.1:{port}"
    common = "retry: {{max_delay: 1s{}}}, breaker: {{pause: 2s}}, http: {{url: '{}/{}', timeout: 3s}}"
    return f"""
sinks:
  spooled: {{type: http, filter: {{types: [transaction]}}, webhook: {{form: lines}},
            spool: {{directory: {directory}/spool}}, {common.format('', url, 'spooled')}}}
  hasty: {{type: http, filter: {{types: [transaction, log]}}, webhook: {{form: lines}}, queue: {{records: 1024}},
          {common.format(', max_age: 5s', url, 'hasty')}}}
  samples: {{type: prometheus_remote_write, remote_write: {{interval: 10s}}, {common.format('', url, 'samples')}}}
"""
