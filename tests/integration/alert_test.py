"""Alerts end to end: a service that goes bad and recovers, and what a receiver is told of it."""

import json
import pathlib
import signal
import time
import unittest

from alert_support import RULES, Hook, Load, Service
from harness import PYTHON, Process, SondeTest, accepts, free_port, metric_sum, wait_for

ONE_THREAD = pathlib.Path(__file__).resolve().parents[1] / "triggers" / "one_thread.py"

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
