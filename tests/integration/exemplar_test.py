#!/usr/bin/env python3
"""Prometheus scrapes a live agent in OpenMetrics and keeps the trace ids that requests carried as exemplars."""

import json
import subprocess
import unittest
import urllib.parse
import urllib.request

from harness import Process, SondeTest, fetch, free_port, wait_for

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
TRACE_IDS = [f"{n:032x}" for n in range(0xabc001, 0xabc006)]


def is_ready(port):
    try:
        return bool(fetch(f"http://127.0.0.1:{port}/-/ready"))
    except OSError:  # urllib's errors, too
        return False


def ask(port, path, **parameters):
    answer = fetch(f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}")
    return json.loads(answer)["data"]


class ExemplarTest(SondeTest):
    def test_trace_ids_arrive_in_prometheus(self):
        nginx = self.start_nginx()
        sonde = self.start_sonde()
        agent = f"127.0.0.1:{sonde.port}"
        port = free_port()
        configuration = self.directory / "prometheus.yml"
        configuration.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: sonde\n"
                                 f"  static_configs: [{{targets: ['{agent}']}}]\n")
        self.start(Process(["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.directory}/data",
                            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]))
        for trace_id in TRACE_IDS:
            subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", f"traceparent: 00-{trace_id}-00f067aa0ba902b7-01",
                            f"http://127.0.0.1:{nginx.port}/"], check=True)
        wait_for(lambda: is_ready(port), "prometheus is ready", 60)

        def kept():
            query = f'http_server_request_duration_seconds_bucket{{server_port="{nginx.port}"}}'
            series = ask(port, "/api/v1/query_exemplars", query=query, start=0, end="9999999999")
            return {e["labels"]["trace_id"] for s in series for e in s["exemplars"]}

        wait_for(lambda: TRACE_IDS[-1] in kept(), "prometheus keeps the last request's trace id", 60)
        self.assertLessEqual(kept(), set(TRACE_IDS))
        targets = ask(port, "/api/v1/targets")["activeTargets"]
        self.assertEqual([(t["health"], t["lastError"]) for t in targets], [("up", "")])

        def names(text):
            return {line.split(" # ")[0].rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}

        # the same series in both formats: what was stored does not change its name with the format asked for
        before = names(sonde.metrics())
        request = urllib.request.Request(f"http://{agent}/metrics", headers={"Accept": OPEN_METRICS})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertTrue(answer.headers["Content-Type"].startswith("application/openmetrics-text"))
            rich = answer.read().decode()
        self.assertTrue(rich.endswith("# EOF\n"))

        after = names(sonde.metrics())
        # things go on meanwhile, and series come and go with them
        bucket = "http_server_request_duration_seconds_bucket"
        for what in (lambda n: n if n.startswith(bucket) else bucket, lambda n: n.split("{")[0]):
            told = {what(n) for n in names(rich)}
            around = [{what(n) for n in each} for each in (before, after)]
            self.assertGreater(len(told), 5)
            self.assertEqual((around[0] & around[1]) - told, set())
            self.assertEqual(told - (around[0] | around[1]), set())


if __name__ == "__main__":
    unittest.main()
