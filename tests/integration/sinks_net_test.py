#!/usr/bin/env python3
"""Network sinks against real receivers, and a sink with a spool that is killed over and over."""

import collections
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from harness import Process, accepts, fetch, free_port, wait_for

DRIVER = os.environ.get("SONDE_SINK_DRIVER") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "tests" / "sink_driver"
)
CACHE = pathlib.Path(__file__).resolve().parents[2] / "build" / "truth"  # git ignores it


def drive(kind, destination, spool="-", count=1000, pause_us=0):
    """Runs the driver to its end; its last numbers."""
    done = subprocess.run([DRIVER, kind, destination, str(spool), str(count), str(pause_us)], capture_output=True,
                          text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def query(port, expression):
    """{le or "": value} of an instant query."""
    text = fetch(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}")
    return {row["metric"].get("le", ""): (row["metric"], float(row["value"][1])) for row in json.loads(text)["data"]["result"]}


class NetworkSinkTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="sonde-test-")
        self.addCleanup(holder.cleanup)
        self.directory = pathlib.Path(holder.name)

    def start(self, *argv):
        process = Process(list(argv))
        self.addCleanup(process.stop)
        return process

    def check_remote_write(self, port):
        numbers = drive("prometheus_remote_write", f"http://127.0.0.1:{port}/api/v1/write", count=1)
        self.assertEqual(numbers["dropped"], 0)
        self.assertGreaterEqual(numbers["delivered"], 6)
        wait_for(lambda: query(port, "driver_requests_total"), "the series can be asked for", 60)
        labels, value = query(port, "driver_requests_total")[""]
        self.assertEqual((labels["route"], labels["job"], value), ("/orders/{id}", "sonde", 42))
        self.assertTrue(labels["instance"])
        buckets = query(port, "driver_seconds_bucket")
        self.assertEqual({le: value for le, (_, value) in buckets.items()}, {"0.0001": 2, "0.5": 4, "+Inf": 5})
        self.assertEqual(query(port, "driver_seconds_sum")[""][1], 2.25)
        self.assertEqual(query(port, "driver_seconds_count")[""][1], 5)

    def test_prometheus_takes_remote_write(self):
        port = free_port()
        configuration = self.directory / "prometheus.yml"
        configuration.write_text("global: {}\n")
        self.start("prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.directory}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver")
        wait_for(lambda: accepts(port), "prometheus listens", 60)
        self.check_remote_write(port)

    def test_victoria_metrics_takes_remote_write(self):
        port = free_port()
        self.start("victoria-metrics", f"-storageDataPath={self.directory}/data", f"-httpListenAddr=127.0.0.1:{port}",
                   "-search.latencyOffset=0s")
        wait_for(lambda: accepts(port), "victoria-metrics listens", 60)
        self.check_remote_write(port)

    def test_the_statsd_daemon_counts_the_same(self):
        modules = CACHE / "statsd"
        if not (modules / "node_modules" / "statsd").is_dir():
            modules.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "--omit=optional", "--prefix", ".",
                            "statsd@0.9.0"], cwd=modules, check=True, timeout=300)
        port, admin = free_port(), free_port()
        configuration = self.directory / "statsd.js"
        # no flush while the test looks: counters are reset by it
        configuration.write_text(f'{{port: {port}, address: "127.0.0.1", mgmt_address: "127.0.0.1", mgmt_port: {admin}, '
                                 'flushInterval: 3600000, backends: []}')
        self.start("node", str(modules / "node_modules" / "statsd" / "stats.js"), str(configuration))
        wait_for(lambda: accepts(admin), "statsd listens", 60)
        drive("statsd", f"127.0.0.1:{port}", count=300, pause_us=500)

        def counters():
            with socket_to(admin) as connection:
                connection.sendall(b"counters\n")
                text = b""
                while b"END" not in text:
                    text += connection.recv(65536)
            return text.decode()

        name = "sonde.http.server.shop.orders_id.2xx"
        wait_for(lambda: f"'{name}.requests': 300" in counters(), "all requests are counted")
        text = counters()
        self.assertIn(f"'{name}.request_bytes': {300 * 312}", text)
        self.assertIn(f"'{name}.response_bytes': {300 * 1840}", text)
        self.assertIn("'statsd.bad_lines_seen': 0", text)

    def test_kill_nine_with_a_spool_loses_nothing_that_was_spooled(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        spool = self.directory / "spool"
        argv = [DRIVER, "http", receiver.url, str(spool), "1000000", "20"]
        chance = random.Random(4711)
        for life in range(40):
            receiver.refuse = chance.random() < 0.6  # 500: everything goes to the spool
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.05, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait()
        receiver.refuse = False
        numbers = drive("http", receiver.url, spool, count=1)
        self.assertEqual(numbers["written"] + numbers["recovered"], numbers["delivered"])
        self.assertEqual(numbers["spooled"], 0)
        self.assertEqual(receiver.bad_bodies, 0)
        # A batch that was refused was in the spool before it was tried again: what a life had refused has come.
        lost = receiver.refused_twice - set(receiver.taken)
        self.assertEqual(lost, set())
        twice = sum(count > 1 for count in receiver.taken.values())
        print(f"40 kills: {len(receiver.taken)} batches taken, {len(receiver.refused_twice)} of them after more than one "
              f"refusal, {twice} twice")


def socket_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


class Receiver:
    """Takes JSON arrays, or refuses them; knows batches by their bytes."""

    def __init__(self):
        self.refuse = False
        self.taken = collections.Counter()
        self.refused = collections.Counter()
        self.refused_twice = set()
        self.bad_bodies = 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) < int(self.headers["Content-Length"]):
                    return  # the sender was killed in the middle
                owner.receive(body)
                self.send_response(500 if owner.refuse else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # killed clients reset their connections

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def receive(self, body):
        with self.lock:
            try:
                json.loads(body)
            except ValueError:
                self.bad_bodies += 1
                return
            key = hash(body)
            if not self.refuse:
                self.taken[key] += 1
                return
            self.refused[key] += 1
            if self.refused[key] > 1:
                self.refused_twice.add(key)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


if __name__ == "__main__":
    unittest.main(verbosity=2)
