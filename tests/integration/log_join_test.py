"""Log lines meet their requests. Servers write a truth into their lines that only this test reads (it comes in the
User-Agent header, which sonde stores with the transaction and never compares with a line); 50 clients ask at a time.
Prints precision and recall by rule."""

import collections
import concurrent.futures
import http.client
import json
import os
import re
import sys
import time
import unittest

from harness import SondeTest, metric_sum, wait_for
from truth import log_servers
from truth.server import Running, Site

CLIENTS = 50
REQUESTS = 24  # of each client
TRUTH = re.compile(r"truth/(\d+-\d+)")

Score = collections.namedtuple("Score", "written attached right candidates rules")


def headers(name):
    """Every request has a trace, so that sonde writes its span id; only the `ids` servers log it."""
    return {"User-Agent": f"truth/{name}", "traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"}


def ask(port, path, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"{path}?q=truth/{name}", headers=headers(name))
        connection.getresponse().read()
    finally:
        connection.close()


def client(port, path, number, count):
    """Requests one after the other, on one connection as long as the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for i in range(count):
        connection.request("GET", f"{path}?q=truth/{number}-{i}", headers=headers(f"{number}-{i}"))
        connection.getresponse().read()
    connection.close()


class LogJoin(SondeTest):
    table = []

    @classmethod
    def tearDownClass(cls):
        print(f"\n{'server':28} {'lines':>6} {'recall':>7} {'precision':>9} {'candidates':>10}  right/attached by rule",
              file=sys.stderr)
        for name, score in cls.table:
            rules = ", ".join(f"{rule} {right}/{all_}" for rule, (right, all_) in sorted(score.rules.items()))
            print(f"{name:28} {score.written:6} {score.right / max(score.written, 1):7.3f} "
                  f"{score.right / max(score.attached, 1):9.3f} {score.candidates / max(score.written, 1):10.3f}  {rules}",
                  file=sys.stderr)

    def joined(self, sonde):
        return metric_sum(sonde.metrics(), "sonde_log_lines_joined_total")

    def begin(self, server, path):
        """sonde and the server, warm: every process of the server is watched."""
        site = Site(self.directory)
        sonde = self.start_sonde()
        running = Running(server, site)
        self.addCleanup(running.stop)

        def watched():
            before = self.joined(sonde)
            for i in range(20):
                ask(site.port, path, f"0-{i}")
            time.sleep(0.4)
            return self.joined(sonde) > before

        wait_for(watched, "sonde sees the server's lines", timeout_s=30)
        watched()
        return sonde, running, site

    def score(self, server, path, name=None):
        sonde, running, site = self.begin(server, path)
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda number: client(site.port, path, number, REQUESTS), range(1, CLIENTS + 1)))
        running.wait_until_logged()
        time.sleep(1.5)  # what is held back is passed on
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_records_lost_total"), 0)
        sonde.stop()
        running.stop()
        score = self.compare(sonde, site)
        LogJoin.table.append((name or server.name, score))
        self.assertGreaterEqual(score.written, CLIENTS * REQUESTS)
        return score

    def compare(self, sonde, site):
        log = site.directory / ("error.log" if (site.directory / "error.log").exists() else "output")
        written = sum(1 for line in log.read_text(errors="replace").splitlines()
                      if (found := TRUTH.search(line)) and not found[1].startswith("0-"))
        transactions = sonde.transactions("server", site.port)
        spans = {t["trace"]["span_id"]: TRUTH.search(t["user_agent"])[1] for t in transactions if "trace" in t}
        rules = collections.defaultdict(lambda: [0, 0])
        right = attached = without_truth = candidates = 0
        for text in (sonde.events / "logs.jsonl").read_text().splitlines():
            said = TRUTH.search(text)
            line = json.loads(text)
            if not said:
                asked = spans.get(line.get("request", {}).get("span_id"), "0-")
                without_truth += not asked.startswith("0-")
                continue
            if said[1].startswith("0-"):
                continue
            candidates += line["match"] == "candidates"
            if "request" not in line:
                continue
            good = spans.get(line["request"]["span_id"]) == said[1]
            attached += 1
            right += good
            rules[line["match"]][0] += good
            rules[line["match"]][1] += 1
        # what is attached stands on its transaction; a line without a truth (a connection's end) may, too
        shown = sum(len(t.get("logs", [])) + t.get("logs_dropped", 0) for t in transactions
                    if "trace" in t and not spans[t["trace"]["span_id"]].startswith("0-"))
        self.assertEqual(shown, attached + without_truth)
        return Score(written, attached, right, candidates, {rule: tuple(n) for rule, n in rules.items()})

    def expect_certain(self, score):
        self.assertEqual(score.right, score.attached)
        self.assertGreaterEqual(score.right / score.written, 0.99)

    def expect_precise(self, score):
        self.assertGreaterEqual(score.right / max(score.attached, 1), 0.99)

    def test_flask_gunicorn_sync(self):
        self.expect_certain(self.score(log_servers.FLASK_SYNC, "/work"))

    def test_flask_gunicorn_gthread(self):
        self.expect_certain(self.score(log_servers.FLASK_GTHREAD, "/work"))

    def test_java_http_server(self):
        self.expect_certain(self.score(log_servers.JAVA_HTTP, "/work"))

    def test_go(self):
        """By goroutine. net/http's background read may take the first byte of the next request: not all are found."""
        score = self.score(log_servers.GO_HTTP, "/work")
        self.expect_precise(score)
        self.assertGreaterEqual(score.right / score.written, 0.95)

    def test_go_with_ids(self):
        self.expect_certain(self.score(log_servers.GO_HTTP, "/ids", "Go, with ids"))

    def test_nginx_error_log(self):
        self.expect_certain(self.score(log_servers.NGINX, "/missing"))

    def test_fastapi_async(self):
        self.expect_precise(self.score(log_servers.FASTAPI_UVICORN, "/work", "FastAPI async"))

    def test_fastapi_sync_handlers(self):
        self.expect_precise(self.score(log_servers.FASTAPI_UVICORN, "/sync", "FastAPI sync handlers"))

    def test_fastapi_with_ids(self):
        score = self.score(log_servers.FASTAPI_UVICORN, "/ids", "FastAPI, with ids")
        self.assertEqual(score.rules["trace"], (CLIENTS * REQUESTS * 2,) * 2)
        self.assertEqual(score.right, score.attached)

    def test_node(self):
        self.expect_precise(self.score(log_servers.NODE_EXPRESS, "/work"))

    def test_node_with_ids(self):
        self.expect_certain(self.score(log_servers.NODE_EXPRESS, "/ids", "Node, with ids"))

    def test_a_traceback_is_one_record_on_its_request(self):
        sonde, running, site = self.begin(log_servers.FLASK_GTHREAD, "/work")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: ask(site.port, "/fail" if i % 4 == 0 else "/work", f"1-{i}"), range(80)))
        running.wait_until_logged()
        time.sleep(1.5)
        sonde.stop()
        lines = [json.loads(text) for text in (sonde.events / "logs.jsonl").read_text().splitlines()]
        failures = [line for line in lines if "exception" in line and TRUTH.search(line["exception"]["message"] or "")]
        self.assertEqual(len(failures), 20)
        for line in failures:
            self.assertGreaterEqual(line["exception"]["stack"].count("\n"), 39)
            self.assertEqual(line["exception"]["type"], "ValueError")
            self.assertEqual(line["level"], "error")
        failed = [t for t in sonde.transactions("server", site.port) if t["path"] == "/fail"]
        self.assertEqual(len(failed), 20)
        for transaction in failed:
            errors = [line for line in transaction["logs"] if line["level"] == "error"]
            self.assertEqual(len(errors), 1)
            self.assertEqual(errors[0]["match"], "thread")
            self.assertEqual(errors[0]["confidence"], 1)


if __name__ == "__main__":
    unittest.main()
