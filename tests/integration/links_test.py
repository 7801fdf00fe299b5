"""Which call was made while which request was served: nginx in front of gunicorn and Node, both in front of Node, held
to an id in the paths. A link may be missing; a wrong one is a failure."""

import collections
import concurrent.futures
import os
import pathlib
import unittest
import urllib.request

from harness import PYTHON, Process, SondeTest, accepts, free_port, metric_sum, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
ALONE, AT_ONCE = 40, 400


def number_of(transaction):
    return transaction["path"].rsplit("/", 1)[1]


class Links(SondeTest):
    def node(self, *arguments):
        port = free_port()
        self.start(Process(["node", str(TRIGGERS / "chain_node.js"), str(port), *map(str, arguments)]))
        wait_for(lambda: accepts(port), "node listens")
        return port

    def chain(self):
        stock = self.node()
        event_loop = self.node(stock)
        threads = free_port()
        self.start(Process([PYTHON, "-m", "gunicorn", "chain_app:app", "--chdir", str(TRIGGERS), "--bind",
                            f"127.0.0.1:{threads}", "--worker-class", "gthread", "--threads", "8"],
                           env={**os.environ, "STOCK_PORT": str(stock), "PYTHONDONTWRITEBYTECODE": "1"}))
        wait_for(lambda: accepts(threads), "gunicorn listens")
        nginx = self.start_nginx(f"location /orders/ {{ proxy_pass http://127.0.0.1:{threads}; }} "
                                 f"location /async/ {{ proxy_pass http://127.0.0.1:{event_loop}; }}")
        return nginx.port, threads, event_loop, stock

    def ask(self, entry):
        """First one request at a time, then many at once."""
        def get(path):
            return urllib.request.urlopen(f"http://127.0.0.1:{entry}{path}", timeout=30).read()

        for number in range(ALONE):
            get(f"/orders/{1000 + number}")
            get(f"/async/{2000 + number}")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            paths = [f"/{'async' if number % 2 else 'orders'}/{10_000 + number}" for number in range(AT_ONCE)]
            self.assertEqual(set(pool.map(get, paths)), {b"ok\n"})

    def test_links_are_right_or_missing(self):
        entry, threads, event_loop, stock = self.chain()
        sonde = self.start_sonde()
        self.ask(entry)
        total = 2 * ALONE + AT_ONCE
        for side in ("server", "client"):
            wait_for(lambda: metric_sum(sonde.metrics(), f"http_{side}_request_duration_seconds_count",
                                        server_port=str(stock)) >= total * 3 / 2, "every call has ended")
        # a request tells of its calls when their ends and its log lines have come
        wait_for(lambda: self.calls_told(sonde.metrics()), "every linked call is told by its request")
        metrics = sonde.metrics()
        self.assertEqual(sonde.stop(), 0)
        own = {entry, threads, event_loop, stock}  # whatever else this machine does is not the test's
        servers, clients = ([t for t in sonde.transactions(side) if (t["server"] or {}).get("port") in own]
                            for side in ("server", "client"))
        by_span = {t["trace"]["span_id"]: t for t in servers + clients if "trace" in t}

        # precision: every link, of calls and of requests, joins what carries the same id
        matches = collections.Counter()
        for child in servers + clients:
            parent = child.get("trace", {}).get("parent")
            if not parent:
                continue
            self.assertEqual(number_of(by_span[parent["span_id"]]), number_of(child), (by_span[parent["span_id"]], child))
            self.assertNotEqual(by_span[parent["span_id"]]["side"], child["side"])
            self.assertEqual(by_span[parent["span_id"]]["trace"]["trace_id"], child["trace"]["trace_id"])
            matches[child["side"], child["server"]["port"], parent["match"]] += 1
        self.check_downstream(servers, by_span)

        # recall: requests by their connection, calls where nothing else was possible
        for port, requests in ((threads, ALONE + AT_ONCE // 2), (event_loop, ALONE + AT_ONCE // 2), (stock, total * 3 // 2)):
            self.assertEqual(matches["server", port, "connection"], requests, matches)
        alone = {str(1000 + n) for n in range(ALONE)} | {str(2000 + n) for n in range(ALONE)}
        # the test's own calls are made in no request
        unlinked = [t for t in clients if number_of(t) in alone and t["server"]["port"] != entry
                    and "parent" not in t.get("trace", {})]
        self.assertEqual(unlinked, [])
        # gunicorn's threads have to show first how they serve
        of_threads = [t for t in clients if t["path"].startswith(("/stock/first", "/stock/second"))]
        by_thread = sum(t.get("trace", {}).get("parent", {}).get("match") == "thread" for t in of_threads)
        self.assertGreater(by_thread, 0.9 * AT_ONCE, matches)
        self.check_metrics(metrics, threads, of_threads)
        linked = sum(count for (side, _, _), count in matches.items() if side == "client")
        print(f"{len(clients)} calls, {linked} linked, {len(servers)} requests, all links right:",
              ", ".join(f"{side} to {('nginx', 'gunicorn', 'node', 'stock')[(entry, threads, event_loop, stock).index(port)]} "
                        f"by {match} {count}" for (side, port, match), count in sorted(matches.items())))

    def calls_told(self, metrics):
        linked = sum(metric_sum(metrics, "sonde_parent_links_total", of="call", match=match)
                     for match in ("trace", "thread", "process"))
        return linked > 0 and metric_sum(metrics, "sonde_http_server_downstream_calls_total") == linked

    def check_downstream(self, servers, by_span):
        """What a request tells of its calls is what they tell of themselves."""
        for t in servers:
            calls = t.get("downstream", [])
            self.assertLessEqual(len(calls), 2)
            self.assertLessEqual(t.get("downstream_ns", 0), t["duration_ns"])
            for call in calls:
                of_itself = by_span[call["span_id"]]
                self.assertEqual(number_of(of_itself), number_of(t))
                self.assertEqual(of_itself["trace"]["parent"], {"span_id": t["trace"]["span_id"], "match": call["match"]})
                self.assertEqual((call["method"], call["route"], call["status"], call["peer"]),
                                 (of_itself["method"], of_itself["route"], of_itself["status"], of_itself["server"]))
                self.assertEqual(call["duration_ns"], of_itself["duration_ns"])
                self.assertLessEqual(call["start_ns"] + call["duration_ns"], t["duration_ns"])

    def check_metrics(self, metrics, port, calls):
        linked = [t for t in calls if "parent" in t.get("trace", {})]
        labels = {"server_port": str(port), "http_route": "/orders/{id}"}
        self.assertEqual(metric_sum(metrics, "sonde_http_server_downstream_calls_total", **labels), len(linked))
        seconds = sum(t["duration_ns"] for t in linked) / 1e9
        self.assertAlmostEqual(metric_sum(metrics, "sonde_http_server_downstream_call_seconds_total", **labels), seconds, 6)
        # one after the other: what was waited is their sum, and nearly all of what the threads were blocked for
        waited = metric_sum(metrics, "sonde_http_server_downstream_seconds_total", **labels)
        self.assertAlmostEqual(waited, seconds, 6)
        blocked = metric_sum(metrics, "sonde_http_server_blocked_seconds_total", **labels)
        self.assertGreater(waited, 0.5 * blocked)


if __name__ == "__main__":
    unittest.main(verbosity=2)
