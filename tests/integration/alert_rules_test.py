"""Each default rule, at its own threshold: something real goes beyond it and back, and a receiver is told once of each.

Windows and `for` are seconds instead of minutes. The rules that are not here have their test elsewhere: http_5xx and
http_queueing in alert_test.py, probe_failing and probe_down in alert_backends_test.py."""

import contextlib
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import threading
import time
import unittest

import yaml
from alert_backends_test import certificate
from alert_support import Hook, Load, get
from file_faults_test import mounted
from harness import PYTHON, Process, accepts, free_port, metric_sum, wait_for
from resource_limits_test import BUSY, LimitsTest

HELD = "sonde_log_transactions_held"
QUICK = {"window": "10s", "for": "2s", "resolve_after": "2s", "min_requests": 10}
AT_ONCE = {"window": "10s"}
RULES = {
    **dict.fromkeys(("http_errors", "http_slow", "downstream_errors", "container_throttled", "descriptors"), QUICK),
    **dict.fromkeys(("log_errors", "sink_down", "queue_filling", "queue_full"), QUICK),
    **dict.fromkeys(("oom_kill", "own_loss", "service_restarted", "service_deployed", "config_changed"), AT_ONCE),
    "websocket_connections": {**QUICK, "limit": 10},
}

# /fail?N: every Nth answer is a 500; /sleep?S; /open?N: so many descriptors; /log?N: so many error lines.
SERVICE = """
import http.server, itertools, json, os, sys, time
kept, count, log = [], itertools.count(1), os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        path, _, number = self.path.partition("?")
        number = float(number or 0)
        if path == "/sleep": time.sleep(number)
        if path == "/open": kept[:] = [open("/dev/null") for _ in range(int(number))]
        for _ in range(int(number) if path == "/log" else 0):
            os.write(log, (json.dumps({"level": "error", "msg": "no stock"}) + "\\n").encode())
        failed = path == "/fail" and number and next(count) % number == 0
        self.send_response(500 if failed else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class RulesTest(LimitsTest):
    def setUp(self):
        super().setUp()
        self.hook = Hook(self)
        self.script = self.directory / "shop.py"
        self.script.write_text(SERVICE)

    def configure(self, rules, **sections):
        """rules: changes to default rules. Those about the whole machine are off but where a test is about them: the one
        that runs it may be full or busy."""
        machine = {f"node_{what}": {"enabled": False} for what in ("cpu", "memory", "disk")}
        alerts = {
            "group_by": ["rule"],
            "group_wait": "0s",
            "group_interval": "1s",
            "rules": {**RULES, **machine, **rules},
            "notifiers": {"hook": {"type": "webhook", "url": self.hook.url}},
        }
        self.config = self.directory / "sonde.yaml"
        self.sections = {"alerts": alerts, "resources": {"interval": "1s"}, **sections}
        self.config.write_text(yaml.safe_dump(self.sections))

    def start_configured(self, rules=None, arguments=(), **sections):
        self.configure(rules or {}, **sections)
        self.sonde = self.start_sonde("--config", str(self.config), *arguments)
        return self.sonde

    def evaluated(self, times):
        """All rules have been evaluated so often since, about once a second."""
        count = lambda: metric_sum(self.sonde.metrics(), "sonde_alert_evaluations_total")
        before = count()
        wait_for(lambda: count() >= before + times, f"{times} evaluations", 30 + 2 * times)

    def serve(self, python=PYTHON, port=0, **options):
        port = port or free_port()
        process = self.start(Process([python, str(self.script), str(port), str(self.directory / "shop.log")], **options))
        wait_for(lambda: accepts(port), "the service listens")
        get(port, "/hello")
        return process, port

    def fires(self, rule, began, **labels):
        """The one alert of this rule and these labels; not before its `for` has passed since `began`."""
        alert = wait_for(lambda: self.hook.alerts(rule, "firing", **labels), f"{rule} fires", 60)[0]
        if "for" in self.sections["alerts"]["rules"].get(rule, {}):
            self.assertGreaterEqual(time.time() - began, 2, "`for` has passed")
        print(f"{rule}: {alert['severity']}, {alert['summary']}")
        self.assertIn("evidence", alert)
        if rule != "certificate_expires":
            self.assertGreater(alert["value"], alert["threshold"])
        return alert

    def resolves(self, rule, **labels):
        wait_for(lambda: self.hook.alerts(rule, "resolved", **labels), f"{rule} is over", 90)

    def told_once(self, rule, **labels):
        for state in ("firing", "resolved"):
            self.assertEqual(len(self.hook.alerts(rule, state, **labels)), 1, f"{rule} {state}")

    def drive(self, cases, usual, rules=None, **sections):
        """Several at a time, after so many evaluations of what is usual. Each case is a generator: makes what is usual and yields; goes beyond the threshold and
        yields (rule, labels); is given the alert, checks it and goes back."""
        for case in cases:
            next(case)
        self.start_configured(rules, **sections)
        self.evaluated(usual)
        told_before = {alert["rule"] for notice in self.hook.received for alert in notice["alerts"]}
        began = time.time()
        driven = [(case, *next(case)) for case in cases]
        self.assertEqual(told_before & {rule for _, rule, _ in driven}, set(), "nothing fires before its time")
        for case, rule, labels in driven:
            alert = self.fires(rule, began, **labels)
            with self.assertRaises(StopIteration):
                case.send(alert)
        for _, rule, labels in driven:
            self.resolves(rule, **labels)
        self.evaluated(3)
        for _, rule, labels in driven:
            self.told_once(rule, **labels)


class Endpoints(RulesTest):
    def test_fail_and_are_slow(self):
        self.port = self.serve()[1]
        self.drive([self.some_fail(), self.calls_fail(), self.slow()], usual=30)
        self.assertEqual(self.hook.alerts("http_5xx", "firing"), [])

    def some_fail(self):
        usual = Load(self, self.port, "/fail", 30)
        yield
        usual.stop()
        # more than 5%, less than the 10% of http_5xx, which would keep the warning quiet
        failing = Load(self, self.port, "/fail?14", 40)
        alert = yield "http_errors", {"route": "/fail", "port": str(self.port)}
        self.assertEqual(alert["severity"], "warning")
        self.assertLess(alert["value"], 0.1)
        self.assertTrue(all(worst["transaction"]["status"] == 500 for worst in alert["evidence"]["worst"]))
        wait_for(lambda: self.hook.alerts("downstream_errors", "firing", route="/fail"), "the calls are told, too", 30)
        failing.stop()
        Load(self, self.port, "/fail", 40)

    def calls_fail(self):
        yield
        yield "downstream_errors", {"route": "/fail", "port": str(self.port)}  # this process is the one that calls

    def slow(self):
        usual = Load(self, self.port, "/sleep?0.01", 20)
        yield
        usual.stop()
        slow = [Load(self, self.port, "/sleep?2.4", 100) for _ in range(8)]
        alert = yield "http_slow", {"route": "/sleep", "port": str(self.port)}
        self.assertAlmostEqual(alert["value"], 2.4, delta=0.2)  # the middle of a bucket
        self.assertEqual(alert["evidence"]["moved_phase"]["phase"], "blocked")
        for load in slow:
            load.stop()
        Load(self, self.port, "/sleep?0.01", 20)


class Machine(RulesTest):
    def test_cores_are_busy(self):
        self.drive([self.busy()], usual=5, rules={"node_cpu": QUICK})

    def busy(self):
        yield
        burners = [self.start(Process([PYTHON, "-c", BUSY])) for _ in range(2 * os.cpu_count())]
        yield "node_cpu", {}
        for burner in burners:
            burner.stop()

    def test_runs_short(self):
        memory = dict(line.split()[:2] for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
        total, available = int(memory["MemTotal:"]), int(memory["MemAvailable:"])
        # the machine's memory is not ours to fill: the threshold is a little over what is used
        threshold = round(1 - available / total + 0.02, 4)
        rules = {"node_memory": {**QUICK, "threshold": threshold, "hysteresis": 0.01}, "node_disk": QUICK}
        self.disk, self.ports = self.small_disk(), {name: free_port() for name in ("tls", "websocket")}
        chain, key = certificate(self.directory, days=5)
        probe = {"target": f"https://127.0.0.1:{self.ports['tls']}/", "interval": "1s", "timeout": "1s", "ca": str(chain)}
        cases = [self.memory(total), self.full_disk(), self.throttled(), self.oom(), self.descriptors(), self.websockets(),
                 self.log_errors(), self.certificate(chain, key)]
        self.drive(cases, usual=5, rules=rules, health_probes={"probes": {"tls": probe}},
                   logs={"files": [{"pattern": str(self.directory / "shop.log")}]})

    def memory(self, total_kib):
        yield
        hoard = f"import time; b = b'x' * {total_kib * 40}; time.sleep(600)"
        hoarder = self.start(Process([PYTHON, "-c", hoard]))
        yield "node_memory", {}
        hoarder.stop()

    def small_disk(self):
        image = self.directory / "disk.img"
        with open(image, "wb") as file:
            file.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        return mounted(self, "-o", "loop", str(image), size_mib=32)

    def full_disk(self):
        yield
        stat = os.statvfs(self.disk)
        (self.disk / "hoard").write_bytes(b"x" * int(0.92 * stat.f_bavail * stat.f_frsize))
        yield "node_disk", {"mountpoint": str(self.disk)}
        (self.disk / "hoard").unlink()

    def throttled(self):
        path = self.make_cgroup("cpu", v1={"cpu.cfs_quota_us": "10000"}, v2={"cpu.max": "10000 100000"})
        yield
        burner = self.in_cgroup(path, BUSY)
        yield "container_throttled", {"container": "/" + path.name}
        burner.kill()

    def oom(self):
        limit = str(64 << 20)
        path = self.make_cgroup("memory", v1={"memory.limit_in_bytes": limit}, v2={"memory.max": limit})
        yield
        self.in_cgroup(path, "b = []\nwhile True: b.append(b'x' * (1 << 20))").wait(30)
        alert = yield "oom_kill", {}
        self.assertEqual(alert["severity"], "critical")

    def descriptors(self):
        process, port = self.serve(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        yield
        get(port, "/open?85")
        yield "descriptors", {"pid": str(process.pid)}
        get(port, "/open?1")

    def websockets(self):
        server = ("import asyncio, sys, websockets\n"
                  "async def echo(peer, path=None):\n    async for message in peer: await peer.send(message)\n"
                  "async def main():\n    await websockets.serve(echo, '127.0.0.1', int(sys.argv[1]))\n"
                  "    await asyncio.Future()\nasyncio.run(main())")
        self.start(Process([PYTHON, "-c", server, str(self.ports["websocket"])]))
        wait_for(lambda: accepts(self.ports["websocket"]), "the WebSocket server listens")
        yield
        peers = [self.open_websocket() for _ in range(10)]  # of `limit`: 10
        yield "websocket_connections", {}
        for peer in peers:
            peer.close()

    def open_websocket(self):
        peer = socket.create_connection(("127.0.0.1", self.ports["websocket"]), timeout=10)
        self.addCleanup(peer.close)
        peer.sendall(b"GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        self.assertIn(b" 101 ", peer.recv(4096))
        return peer

    def log_errors(self):
        port = self.serve()[1]
        yield
        writing = Load(self, port, "/log?2", 10)
        alert = yield "log_errors", {}
        self.assertIn("shop", str(alert["labels"]))
        writing.stop()

    def certificate(self, chain, key):
        def serve():
            arguments = ["-accept", f"127.0.0.1:{self.ports['tls']}", "-cert", str(chain), "-key", str(key), "-www"]
            server = self.start(Process(["openssl", "s_server", *arguments]))
            wait_for(lambda: accepts(self.ports["tls"]), "the server listens")
            return server
        yield
        server = serve()
        alert = yield "certificate_expires", {"target": "tls"}
        self.assertAlmostEqual(alert["value"], 5 * 86400, delta=3600)
        server.stop()
        certificate(self.directory, days=100)
        serve()


class Services(RulesTest):
    def test_restart_and_deployment(self):
        process, port = self.serve()
        self.start_configured()
        get(port, "/hello")
        self.evaluated(3)
        process.stop()
        began = time.time()
        process, _ = self.serve(port=port)
        restart = self.fires("service_restarted", began)
        self.assertEqual(restart["severity"], "info")
        process.stop()
        other = self.directory / pathlib.Path(PYTHON).resolve().name
        shutil.copy(PYTHON, other)
        self.serve(python=str(other), port=port)
        self.fires("service_deployed", began)
        for rule in ("service_restarted", "service_deployed"):
            self.resolves(rule)
            self.told_once(rule)


class Agent(RulesTest):
    def test_a_sink_is_down(self):
        _, port = self.serve()
        dead = free_port()
        quick = {"base_delay": "100ms", "max_delay": "500ms"}
        self.start_configured(sinks={"away": {"type": "http", "retry": quick, "http": {"url": f"http://127.0.0.1:{dead}/"}}})
        began = time.time()
        Load(self, port, "/hello", 10)
        alert = self.fires("sink_down", began, sink="away")
        self.assertEqual(alert["severity"], "critical")
        receiver = ("import http.server, sys\nclass H(http.server.BaseHTTPRequestHandler):\n"
                    "    def do_POST(self):\n        self.rfile.read(int(self.headers['Content-Length']))\n"
                    "        self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()\n"
                    "    def log_message(self, *_): pass\n"
                    "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()")
        self.start(Process([PYTHON, "-c", receiver, str(dead)]))
        self.resolves("sink_down", sink="away")
        self.told_once("sink_down", sink="away")

    def test_a_queue_fills(self):
        _, port = self.serve()
        slow = Hook(self, None)
        sink = {"type": "http", "http": {"url": slow.url, "timeout": "2s"}, "filter": {"routes": ["/hello"]},
                "queue": {"records": 1024}, "batch": {"records": 10}, "retry": {"base_delay": "100ms", "max_delay": "500ms"}}
        # critical, with the same labels: it would keep the warning quiet
        self.start_configured({"sink_down": {"enabled": False}}, sinks={"slow": sink})

        def waiting():
            """In the queue, and on their way to it: those that still wait for their log lines."""
            text = self.sonde.metrics()
            return metric_sum(text, "sonde_queue_size", queue="sink/slow") + metric_sum(text, HELD)

        @contextlib.contextmanager
        def kept_at(records):
            """So many wait, or a few more: a sink that hangs still drops what it has tried often enough. Many more would
            be the critical alert, which keeps the warning quiet."""
            over = threading.Event()

            def top_up():
                while not over.wait(0.05):
                    if waiting() < records:
                        for _ in range(10):
                            get(port, "/hello")

            worker = threading.Thread(target=top_up)
            worker.start()
            try:
                yield
            finally:
                over.set()
                worker.join()

        began = time.time()
        with kept_at(760):
            self.assertEqual(self.fires("queue_filling", began, sink="slow")["severity"], "warning")
        with kept_at(960):
            self.assertEqual(self.fires("queue_full", began, sink="slow")["severity"], "critical")
        slow.answer = 200
        slow.over.set()
        for rule in ("queue_full", "queue_filling"):
            self.resolves(rule, sink="slow")
            self.told_once(rule, sink="slow")

    def test_records_are_lost(self):
        _, port = self.serve()
        self.start_configured(arguments=["--ring-kib", "4"])
        began = time.time()
        subprocess.run(["wrk", "-t1", "-c16", "-d2", f"http://127.0.0.1:{port}/hello"], stdout=subprocess.DEVNULL, check=True)
        self.fires("own_loss", began)
        self.resolves("own_loss")
        self.told_once("own_loss")

    def test_the_configuration_changes(self):
        self.start_configured(sampling={"keep_slower_than": "1s"})
        self.evaluated(2)
        began = time.time()
        self.config.write_text("nonsense: 1\n" + self.config.read_text())
        self.fires("config_refused", began)
        self.sections["sampling"] = {"keep_slower_than": "2s"}
        self.config.write_text(yaml.safe_dump(self.sections))
        self.resolves("config_refused")
        self.fires("config_changed", began)
        self.resolves("config_changed")
        for rule in ("config_refused", "config_changed"):
            self.told_once(rule)


if __name__ == "__main__":
    unittest.main(verbosity=2)
