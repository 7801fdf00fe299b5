#!/usr/bin/env python3
"""Network sinks against real receivers, and a sink with a spool that is killed over and over."""

import collections
import gzip
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import otlp_schema
from harness import Process, accepts, fetch, free_port, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "kernels"))
import archive

DRIVER = os.environ.get("SONDE_SINK_DRIVER") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "tests" / "sink_driver"
)
CACHE = pathlib.Path(__file__).resolve().parents[2] / "build" / "truth"  # git ignores it


def drive(kind, destination, spool="-", count=1000, pause_us=0, more=()):
    """Runs the driver to its end; its last numbers."""
    done = subprocess.run([DRIVER, kind, destination, str(spool), str(count), str(pause_us), *more],
                          capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def newer_victoria_metrics():
    """The first in Debian that takes OTLP metrics with exponential histograms: 1.112, unpacked, not installed."""
    program = CACHE / "victoria-metrics" / "usr" / "bin" / "victoria-metrics"
    if not program.exists():
        with tempfile.TemporaryDirectory() as directory:
            apt = archive.Apt(directory, ["trixie"])
            apt.run("apt-get", "download", "victoria-metrics")
            (package,) = pathlib.Path(directory).glob("victoria-metrics_*.deb")
            CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", str(package), str(CACHE / "victoria-metrics")], check=True)
    return str(program)


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

    def otlp(self, signal, encoding=(), answer=b"", count=3):
        """What a receiver got, all requests as JSON, and the driver's numbers."""
        receiver = OtlpReceiver(answer)
        self.addCleanup(receiver.stop)
        numbers = drive("otlp", receiver.url, count=count, more=[signal, *encoding])
        self.assertTrue(receiver.requests)
        for path, headers, _ in receiver.requests:
            self.assertEqual(path, f"/v1/{signal}")
            self.assertEqual(headers["Content-Encoding"], "gzip")
            self.assertEqual(headers["Content-Type"], "application/json" if encoding else "application/x-protobuf")
        return [body for _, _, body in receiver.requests], numbers

    def test_otlp_spans_by_the_specification(self):
        for encoding in ((), ("json",)):
            requests, numbers = self.otlp("traces", encoding)
            self.assertEqual((numbers["delivered"], numbers["dropped"]), (3, 0))
            spans = [span for request in requests for group in request["resourceSpans"]
                     for scope in group["scopeSpans"] for span in scope["spans"]]
            self.assertEqual(sorted(attributes_of(span)["url.path"] for span in spans),
                             ["/orders/1", "/orders/2", "/orders/3"])
            self.assertEqual({(span["traceId"], span["parentSpanId"], span["kind"]) for span in spans},
                             {("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 2)})

    def test_otlp_logs_by_the_specification(self):
        for encoding in ((), ("json",)):
            requests, numbers = self.otlp("logs", encoding)
            self.assertEqual((numbers["delivered"], numbers["dropped"]), (3, 0))
            records = []
            for group in (group for request in requests for group in request["resourceLogs"]):
                resource = attributes_of(group["resource"])
                self.assertEqual((resource["service.name"], resource["process.pid"]), ("shop", 211))
                self.assertEqual((resource["telemetry.sdk.name"], resource["telemetry.sdk.language"]), ("sonde", "cpp"))
                self.assertTrue(resource["host.name"])
                (scope,) = group["scopeLogs"]
                self.assertEqual(scope["scope"]["name"], "sonde")
                records += scope["logRecords"]
            records.sort(key=lambda record: record["timeUnixNano"])
            for number, record in enumerate(records, 1):
                self.assertEqual(attributes_of(record),
                                 {"user": "ann", "items": 3, "ok": False, "sonde.log.format": "plain",
                                  "sonde.match": "thread", "sonde.confidence": 1})
                del record["attributes"]
                self.assertEqual(record, {
                    "timeUnixNano": str(1_700_000_000_000_000_000 + number),
                    "observedTimeUnixNano": str(1_700_000_000_000_000_005 + number),
                    "severityNumber": 17, "severityText": "ERR", "body": {"stringValue": 'cannot pay "x"'},
                    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": f"{0x1122334455667788 + number:016x}"})
            self.assertEqual(len(records), 3)

    def test_otlp_metrics_by_the_specification(self):
        for encoding in ((), ("json",)):
            requests, numbers = self.otlp("metrics", encoding)
            self.assertEqual(numbers["delivered"] % 3, 0)
            self.assertEqual(numbers["dropped"], 0)
            seen = {}
            for group in requests[0]["resourceMetrics"]:
                service = attributes_of(group["resource"])["service.name"]
                for metric in group["scopeMetrics"][0]["metrics"]:
                    seen[metric["name"]] = (service, metric)
            self.assertEqual(set(seen), {"driver_requests_total", "driver_seconds", "http.server.request.duration"})
            points = {}
            for name, kind in (("driver_requests_total", "sum"), ("driver_seconds", "histogram"),
                               ("http.server.request.duration", "exponentialHistogram")):
                data = seen[name][1][kind]
                self.assertEqual(data["aggregationTemporality"], 2)
                (points[name],) = data["dataPoints"]
                start, now = (int(points[name].pop(key)) for key in ("startTimeUnixNano", "timeUnixNano"))
                self.assertLessEqual(start, now)
                self.assertLess(abs(now / 1e9 - time.time()), 3600)
                points[name]["attributes"] = attributes_of(points[name])
            self.assertIs(seen["driver_requests_total"][1]["sum"]["isMonotonic"], True)
            self.assertEqual(points["driver_requests_total"], {"asDouble": 42, "attributes": {"route": "/orders/{id}"}})
            self.assertEqual(points["driver_seconds"],
                             {"count": "5", "sum": 2.25, "bucketCounts": ["2", "2", "1"], "explicitBounds": [0.0001, 0.5],
                              "attributes": {}})
            self.assertEqual(seen["driver_seconds"][1]["unit"], "s")
            self.assertEqual(seen["http.server.request.duration"][0], "shop")
            self.assertEqual(points["http.server.request.duration"],
                             {"count": "14", "sum": 2.25, "scale": 3, "zeroCount": "2", "zeroThreshold": 0.0009765625,
                              "positive": {"offset": -24, "bucketCounts": ["3", "0", "4", "5"]},
                              "attributes": {"http.route": "/a"}})

    def test_otlp_partial_success_is_counted_for_each_signal(self):
        members = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}
        for signal, member in members.items():
            for encoding in ((), ("json",)):
                answer = otlp_schema.partial_success(1, "no")
                if encoding:
                    answer = json.dumps({"partialSuccess": {member: "1", "errorMessage": "no"}}).encode()
                requests, numbers = self.otlp(signal, encoding, answer)
                self.assertEqual(numbers["dropped"], len(requests))
                self.assertEqual(numbers["written"], numbers["delivered"] + numbers["dropped"])

    def test_victoria_metrics_takes_otlp_metrics(self):
        port = free_port()
        self.start(newer_victoria_metrics(), f"-storageDataPath={self.directory}/data",
                   f"-httpListenAddr=127.0.0.1:{port}", "-search.latencyOffset=0s", "-opentelemetry.usePrometheusNaming")
        wait_for(lambda: accepts(port), "victoria-metrics listens", 60)
        numbers = drive("otlp", f"http://127.0.0.1:{port}/opentelemetry", count=1, more=["metrics"])
        self.assertEqual(numbers["dropped"], 0)
        wait_for(lambda: query(port, "driver_requests_total"), "the series can be asked for", 60)
        self.assertEqual(query(port, "driver_requests_total")[""][1], 42)
        self.assertEqual({le: value for le, (_, value) in query(port, "driver_seconds_bucket").items()},
                         {"0.0001": 2, "0.5": 4, "+Inf": 5})
        duration = "http_server_request_duration_seconds"
        labels, count = query(port, f"{duration}_count")[""]
        self.assertEqual((labels["http_route"], count), ("/a", 14))
        self.assertEqual(query(port, f"{duration}_sum")[""][1], 2.25)
        text = fetch(f"http://127.0.0.1:{port}/api/v1/query?query={duration}_bucket")
        buckets = {row["metric"]["vmrange"]: float(row["value"][1]) for row in json.loads(text)["data"]["result"]}
        self.assertEqual(sorted(buckets.values()), [2, 3, 4, 5])
        # bucket i of scale 3 is (2^(i/8), 2^((i+1)/8)]
        for value, first in ((3, -24), (4, -22), (5, -21)):
            (found,) = [name for name, count in buckets.items() if count == value]
            lower, upper = map(float, found.split("..."))
            self.assertAlmostEqual(lower, 2 ** (first / 8), 3)
            self.assertAlmostEqual(upper, 2 ** ((first + 1) / 8), 3)

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
        for life in range(100):
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
        print(f"100 kills: {len(receiver.taken)} batches taken, {len(receiver.refused_twice)} of them after more than one "
              f"refusal, {twice} twice")


def socket_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def attributes_of(holder):
    return otlp_schema.attributes(holder["attributes"])


class OtlpReceiver:
    """Takes OTLP over HTTP; keeps (path, headers, the request as JSON)."""

    def __init__(self, answer):
        self.requests = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                is_json = self.headers["Content-Type"] == "application/json"
                owner.requests.append((self.path, self.headers, json.loads(body) if is_json else
                                       otlp_schema.decode(otlp_schema.REQUESTS[self.path], body)))
                self.send_response(200)
                self.send_header("Content-Type", self.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


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
