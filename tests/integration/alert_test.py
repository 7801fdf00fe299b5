"""Alerts end to end: a service that goes bad and recovers, and what a receiver is told of it."""

import http.server
import json
import pathlib
import signal
import socket
import threading
import time
import unittest

from harness import PYTHON, Process, Sonde, SondeTest, accepts, free_port, metric_sum, wait_for

ONE_THREAD = pathlib.Path(__file__).resolve().parents[1] / "triggers" / "one_thread.py"

# Seconds instead of minutes; everything else as it is by default.
RULES = """
  rules:
    http_5xx: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    http_errors: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    http_queueing: {window: 10s, for: 2s, resolve_after: 2s, min_requests: 10}
    node_cpu: {enabled: false}
    node_memory: {enabled: false}
    node_disk: {enabled: false}
"""


class Hook:
    """Receives webhooks; answer: a status, or None to hang until the test is over."""

    def __init__(self, test, answer=200):
        hook = self
        self.received, self.answer, self.over = [], answer, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.answer is None:
                    hook.over.wait(60)
                    return
                if hook.answer == 200:
                    hook.received.append(json.loads(body))
                self.send_response(hook.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(self.close)

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def alerts(self, rule, state, **labels):
        return [
            alert
            for notice in list(self.received)
            for alert in notice["alerts"]
            if alert["rule"] == rule
            and alert["state"] == state
            and all(alert["labels"].get(name) == value for name, value in labels.items())
        ]


class Service:
    """In a process of its own: /ok answers 200, /shaky what it was told last."""

    SOURCE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    def do_GET(self):
        if self.path.startswith("/set/"):
            Handler.status = int(self.path[5:])
        self.send_response(Handler.status if self.path == "/shaky" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

    def __init__(self, test):
        self.port = free_port()
        self.process = test.start(Process([PYTHON, "-c", self.SOURCE, str(self.port)]))
        wait_for(lambda: accepts(self.port), "the service listens")

    def get(self, path):
        get(self.port, path)


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(4096):
            pass


class Load:
    """Requests, one after the other, about per_s a second, until stop()."""

    def __init__(self, test, port, path, per_s):
        self.over = threading.Event()

        def run():
            while not self.over.wait(1 / per_s):
                try:
                    get(port, path)
                except OSError:
                    pass

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def stop(self):
        self.over.set()
        self.thread.join(35)


class Alerts(SondeTest):
    def start_with(self, *hooks, more=""):
        notifiers = "".join(
            f"    hook{i}: {{type: webhook, url: '{hook.url}', retry: {{base_delay: 100ms, max_delay: 500ms}}}}\n"
            for i, hook in enumerate(hooks)
        )
        self.config = self.directory / "sonde.yaml"
        self.config.write_text(
            f"alerts:\n  group_wait: 0s\n  group_interval: 1s\n{RULES}{more}  notifiers:\n{notifiers}"
        )
        return self.start_sonde("--config", str(self.config))

    def test_a_service_goes_bad_and_recovers(self):
        hook, service = Hook(self), Service(self)
        sonde = self.start_with(hook)
        Load(self, service.port, "/shaky", 20)
        Load(self, service.port, "/ok", 20)
        time.sleep(25)  # what is usual
        self.assertEqual([notice for notice in hook.received if notice["severity"] != "info"], [])
        began = time.time()
        service.get("/set/500")
        wait_for(lambda: hook.alerts("http_5xx", "firing"), "the receiver is told that it fires", 40)
        fired = time.time()
        time.sleep(5)  # it goes on: nobody is told again
        service.get("/set/200")
        wait_for(lambda: hook.alerts("http_5xx", "resolved"), "the receiver is told that it is over", 60)
        time.sleep(5)
        self.assertEqual(sonde.stop(), 0)

        firing = hook.alerts("http_5xx", "firing")
        self.assertEqual(len(firing), 1)
        self.assertEqual(len(hook.alerts("http_5xx", "resolved")), 1)
        alert = firing[0]
        self.assertEqual(alert["severity"], "critical")
        self.assertEqual(alert["labels"]["route"], "/shaky")
        self.assertEqual(alert["labels"]["port"], str(service.port))
        self.assertGreater(alert["value"], 0.1)
        self.assertEqual(alert["threshold"], 0.1)
        self.assertGreaterEqual(fired - began, 2)  # `for`
        self.check_evidence(alert["evidence"], sonde)
        # a warning about the same endpoint is kept quiet by the critical alert; /ok is no matter of an alert
        self.assertEqual(hook.alerts("http_errors", "firing", route="/ok"), [])
        self.assertEqual(hook.alerts("http_5xx", "firing", route="/ok"), [])
        lines = [line for line in sonde.lines() if line["type"] == "alert" and line["rule"] == "http_5xx"]
        self.assertEqual([line["state"] for line in lines], ["firing", "resolved"])

    def check_evidence(self, evidence, sonde):
        self.assertGreater(evidence["now"]["error_share"], 0.1)
        self.assertEqual(evidence["hour_before"]["error_share"], 0)
        self.assertGreater(evidence["hour_before"]["count"], 50)
        self.assertEqual(len(evidence["worst"]), 3)
        for witness in evidence["worst"]:
            self.assertEqual(witness["transaction"]["status"], 500)
            self.assertEqual(witness["transaction"]["path"], "/shaky")
        self.assertIn(f"http://127.0.0.1:{sonde.port}/#/endpoint?", evidence["link"])
        self.assertIn("route=%2Fshaky", evidence["link"])

    def test_queueing_names_who_held_the_thread(self):
        hook = Hook(self)
        port = free_port()
        self.start(Process([PYTHON, str(ONE_THREAD), str(port), str(self.directory / "truth.jsonl")]))
        wait_for(lambda: accepts(port), "the server listens")
        self.start_with(hook)
        Load(self, port, "/x", 20)
        time.sleep(25)
        for _ in range(3):
            Load(self, port, "/sleep", 1000)
        told = wait_for(lambda: hook.alerts("http_queueing", "firing", route="/x"), "queueing is told", 60)[0]
        evidence = told["evidence"]
        self.assertEqual(evidence["held_by"]["route"], "/sleep")
        self.assertGreater(evidence["held_by"]["share"], 0.5)
        self.assertEqual(evidence["moved_phase"]["phase"], "queue")
        self.assertGreater(evidence["moved_phase"]["by_ms"], 10)
        self.assertGreater(evidence["now"]["phases_ms"]["queue"], evidence["hour_before"]["phases_ms"]["queue"])
        print(f"queueing: {told['summary']}; held by {evidence['held_by']}, moved {evidence['moved_phase']}")

    def test_killed_between_firing_and_resolved(self):
        hook, service = Hook(self), Service(self)
        sonde = self.start_with(hook)
        Load(self, service.port, "/shaky", 20)
        service.get("/set/500")
        wait_for(lambda: hook.alerts("http_5xx", "firing"), "it fires", 40)
        state = sonde.events / "alerts.state"
        wait_for(lambda: state.exists() and json.loads(state.read_text())["told"], "the telling is stored")
        sonde.stop(signal.SIGKILL)
        sonde = self.start_sonde("--config", str(self.config))
        time.sleep(15)  # it still fires: the new run knows that everybody knows
        self.assertEqual(len(hook.alerts("http_5xx", "firing")), 1)
        self.assertEqual(hook.alerts("http_5xx", "resolved"), [])
        service.get("/set/200")
        wait_for(lambda: hook.alerts("http_5xx", "resolved"), "it is over", 60)
        time.sleep(3)
        self.assertEqual(len(hook.alerts("http_5xx", "firing")), 1)
        self.assertEqual(len(hook.alerts("http_5xx", "resolved")), 1)

    def test_notifiers_that_hang_or_fail(self):
        good, hangs, fails, service = Hook(self), Hook(self, None), Hook(self, 500), Service(self)
        sonde = self.start_with(good, hangs, fails)
        Load(self, service.port, "/shaky", 20)
        service.get("/set/500")
        wait_for(lambda: good.alerts("http_5xx", "firing"), "the good receiver is told", 40)
        evaluations = lambda: metric_sum(sonde.metrics(), "sonde_alert_evaluations_total")
        before = evaluations()
        time.sleep(5)
        self.assertGreaterEqual(evaluations() - before, 3)  # about once a second, whoever hangs
        self.assertEqual(fails.received, [])
        fails.answer = 200
        wait_for(lambda: fails.alerts("http_5xx", "firing"), "the receiver that failed is told after all", 60)
        self.assertEqual(len(fails.alerts("http_5xx", "firing")), 1)
        service.get("/set/200")
        wait_for(lambda: good.alerts("http_5xx", "resolved"), "the good receiver hears that it is over", 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
