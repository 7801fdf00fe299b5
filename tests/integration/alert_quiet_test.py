"""Normal noisy load raises no alarm: some errors, bursts, pauses and slow requests.

As a test for 40 s with windows of seconds, which waver more than those of minutes; by hand for ten minutes with the
rules as they are: tests/integration/alert_quiet_test.py --seconds 600 --default-rules"""

import json
import random
import sys
import threading
import time
import unittest

from alert_support import RULES, Hook, get
from harness import PYTHON, Process, SondeTest, accepts, fetch, free_port, metric_sum, wait_for

SECONDS = 40
DEFAULT_RULES = False

# Answers after 10 to 30 ms; 0.3% of /noisy are 500, 3% are 404, 0.5% take 300 ms.
SERVER = """
import http.server, random, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        chance = random.random()
        time.sleep(0.3 if chance > 0.995 else random.uniform(0.01, 0.03))
        self.send_response(500 if chance < 0.003 else 404 if chance < 0.033 else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Quiet(SondeTest):
    def test_no_false_alarm(self):
        hook, port = Hook(self), free_port()
        self.start(Process([PYTHON, "-c", SERVER, str(port)]))
        wait_for(lambda: accepts(port), "the service listens")
        # the machine that tests run on may well be busy or full: that would be no false alarm
        machine = "".join(f"    node_{what}: {{enabled: false}}\n" for what in ("cpu", "memory", "disk"))
        config = self.directory / "sonde.yaml"
        rules = f"  rules:\n{machine}" if DEFAULT_RULES else RULES
        config.write_text(f"alerts:\n  group_wait: 0s\n{rules}  notifiers:\n    hook: {{type: webhook, url: '{hook.url}'}}\n")
        sonde = self.start_sonde("--config", str(config))
        over = threading.Event()
        for worker in range(4):
            threading.Thread(target=self.load, args=(port, worker, over), daemon=True).start()
        self.addCleanup(over.set)
        time.sleep(SECONDS)
        over.set()
        text = sonde.metrics()
        requests = metric_sum(text, "http_server_request_duration_seconds_count", server_port=str(port))
        self.assertGreater(requests, 5 * SECONDS)
        alerts = json.loads(fetch(f"http://127.0.0.1:{sonde.port}/api/v1/alerts"))
        firing = [alert for alert in alerts["alerts"] + alerts["past"] if alert["state"] != "pending"]
        self.assertEqual([(alert["rule"], alert["summary"]) for alert in firing], [])
        self.assertEqual(hook.received, [])
        evaluations = metric_sum(text, "sonde_alert_evaluations_total")
        cpu_s = metric_sum(text, "sonde_alert_evaluation_cpu_seconds_total")
        print(f"{requests:.0f} requests in {SECONDS} s, no alert; {cpu_s / evaluations * 1e3:.2f} ms CPU per evaluation")

    def load(self, port, worker, over):
        draw = random.Random(worker)
        while not over.is_set():
            for _ in range(draw.choice((1, 5, 20, 60))):  # bursts …
                if over.is_set():
                    return
                try:
                    get(port, f"/noisy/{draw.randrange(3)}")
                except OSError:
                    pass
            over.wait(draw.choice((0, 0.1, 1)))  # … and pauses


if __name__ == "__main__":
    if "--default-rules" in sys.argv:
        sys.argv.remove("--default-rules")
        DEFAULT_RULES = True
    if "--seconds" in sys.argv:
        at = sys.argv.index("--seconds")
        SECONDS = int(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    unittest.main(verbosity=2)
