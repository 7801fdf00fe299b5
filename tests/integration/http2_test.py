"""HTTP/2 without TLS and gRPC, held to the servers' and the clients' own counts."""

import collections
import json
import pathlib
import re
import subprocess
import time
import unittest

from harness import PYTHON, SONDE, Process, SondeTest, accepts, free_port, metric_sum, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
STREAM_PAIR = pathlib.Path(SONDE).parent / "tests" / "stream_pair"
GAPS = "sonde_http2_gaps_total"


class Http2(SondeTest):
    def start_nghttpd(self, *arguments):
        self.www = self.directory / "www"
        self.www.mkdir(exist_ok=True)
        (self.www / "small").write_bytes(b"a" * 1000)
        (self.www / "large").write_bytes(b"b" * 3_000_000)
        port = free_port()
        self.start(Process(["nghttpd", "--no-tls", "-d", str(self.www), *arguments, str(port)]))
        wait_for(lambda: accepts(port), "nghttpd listens")
        return port

    def h2load(self, port, path, requests, *arguments):
        """Runs h2load; (requests that got 2xx, bytes of DATA, bytes of all frames) by its own count."""
        done = subprocess.run(["h2load", "-n", str(requests), "-t", "1", *arguments, f"http://127.0.0.1:{port}{path}"],
                              check=True, capture_output=True, text=True).stdout
        succeeded = int(re.search(r"status codes: (\d+) 2xx", done)[1])
        total = int(re.search(r"traffic: \S+ \((\d+)\) total", done)[1])
        data = int(re.search(r"\((\d+)\) data", done)[1])
        return succeeded, data, total

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-s", "-w", "%{http_version} %{http_code} %{size_download} %{size_upload}\\n",
                               *arguments], capture_output=True, text=True, cwd=self.directory)
        return [line.split() for line in done.stdout.splitlines()]

    def until_all_was_seen(self, run):
        """The kernel gives a direction up when a piece comes more than some 400 µs after those behind it (bpf/http2.bpf.h):
        on a machine whose CPUs stand still for longer that happens. It is counted as a gap, and the streams are marked, never
        wrong: run() checks that and returns the number of gaps. Then it is made again: nothing else may differ."""
        for _ in range(4):
            gaps = run()
            if gaps == 0:
                return
            print(f"{gaps:.0f} gaps: once more")
        self.fail("frames were missing in each of four runs")

    def check_load(self, *arguments):
        self.until_all_was_seen(lambda: self.load(*arguments))

    def load(self, requests, body, path, *arguments):
        port = self.start_nghttpd()
        sonde = self.start_sonde()
        succeeded, data, total = self.h2load(port, path, requests, *arguments)
        self.assertEqual((succeeded, data), (requests, requests * body))
        labels = {"http_request_method": "GET", "http_route": path, "http_response_status_code": "200",
                  "server_port": str(port)}
        for side in ("server", "client"):
            count = f"http_{side}_request_duration_seconds_count"
            wait_for(lambda: metric_sum(metrics := sonde.metrics(), GAPS) > 0 or metric_sum(metrics, count, **labels) >= requests,
                     f"{requests} on the {side} side")
        metrics = sonde.metrics()
        if gaps := metric_sum(metrics, GAPS):
            sonde.stop()
            return gaps
        lost = [line for line in metrics.splitlines() if line.startswith("sonde_records_lost_total") and not line.endswith(" 0")]
        self.assertEqual(lost, [])
        for counter in ("gaps", "joined", "unreadable_blocks", "unknown_fields", "unmatched_responses", "orphan_records",
                        "evicted_streams"):
            self.assertEqual(metric_sum(metrics, f"sonde_http2_{counter}_total"), 0, counter)
        for side in ("server", "client"):
            self.assertEqual(metric_sum(metrics, f"http_{side}_request_duration_seconds_count", **labels), requests)
            self.assertEqual(metric_sum(metrics, f"http_{side}_response_body_size_bytes_sum", **labels), data)
        self.assertEqual(sonde.stop(), 0)
        # what the files hold: less than all of it when the sink's queue was full
        for side in ("server", "client"):
            lines = sonde.transactions(side, port)
            self.assertEqual({(t["protocol"], t["status"], t["outcome"], t["response_body_bytes"]) for t in lines},
                             {("http/2", 200, "ok", body)})
            self.assertEqual({t["user_agent"].split("/")[0] for t in lines}, {"h2load nghttp2"})
            self.assertEqual({t["host"] for t in lines}, {f"127.0.0.1:{port}"})
            # frames of streams, and nothing else: less than the connections carried
            self.assertLess(sum(t["response_bytes"] for t in lines), total)
            self.assertGreater(min(t["response_bytes"] for t in lines), body)
        server = sonde.transactions("server", port)
        self.assertEqual({t["process"]["comm"] for t in server}, {"nghttpd"}, server[0]["process"])
        self.assertTrue(all(0 <= t["phases"]["queue_ns"] <= t["duration_ns"] for t in server))
        print(f"h2load {path}: {requests} requests, {data} bytes of DATA, equal on both sides")
        return 0

    def test_many_small_streams(self):
        self.check_load(20_000, 1000, "/small", "-c", "8", "-m", "32")

    def test_bodies_of_many_frames(self):
        self.check_load(60, 3_000_000, "/large", "-c", "3", "-m", "8")

    def test_server_that_speaks_while_the_preface_is_under_way(self):
        """The kernel finds out on two CPUs at once what such a connection is. Nothing may go wrong here, not even a gap."""
        connections = 6000
        sonde = self.start_sonde()
        talked = subprocess.run([STREAM_PAIR, str(connections)], check=True, capture_output=True, text=True, timeout=120).stdout
        port, requests = (int(number) for number in re.fullmatch(r"port (\d+)\nanswered (\d+)\n", talked).groups())
        self.assertEqual(requests, 3 * connections)
        for side in ("server", "client"):
            count = f"http_{side}_request_duration_seconds_count"
            wait_for(lambda: metric_sum(sonde.metrics(), count, server_port=str(port)) >= requests, f"all are seen ({side})")
        metrics = sonde.metrics()
        for side in ("server", "client"):
            count = f"http_{side}_request_duration_seconds_count"
            self.assertEqual(metric_sum(metrics, count, server_port=str(port)), requests, side)
            self.assertEqual(metric_sum(metrics, count, server_port=str(port), http_response_status_code="200"), requests, side)
        for counter in (GAPS, "sonde_http2_joined_total", "sonde_http2_reordered_records_total",
                        "sonde_http2_unmatched_responses_total"):
            self.assertEqual(metric_sum(metrics, counter), 0, counter)
        print(f"{connections} connections whose first words cross: {requests} requests, each with its status, on both sides")

    def test_curl_with_prior_knowledge(self):
        self.until_all_was_seen(self.curl_with_prior_knowledge)

    def curl_with_prior_knowledge(self):
        port = self.start_nghttpd()
        sonde = self.start_sonde()
        base = f"http://127.0.0.1:{port}"
        sent = []
        (self.directory / "body").write_bytes(b"c" * 200_000)
        for _ in range(10):
            for path in ("/small", "/large", "/missing"):
                sent += [("GET", path, 0, *row) for row in
                         self.curl("--http2-prior-knowledge", "-o", "/dev/null", base + path)]
            sent += [("POST", "/upload", 200_000, *row) for row in
                     self.curl("--http2-prior-knowledge", "--data-binary", "@body", "-o", "/dev/null", base + "/upload")]
        self.assertEqual(len(sent), 40)
        truth = collections.Counter((method, path, int(code), body, int(size), "http/2")
                                    for method, path, body, version, code, size, _ in sent if version == "2")
        for side in ("server", "client"):
            count = f"http_{side}_request_duration_seconds_count"
            wait_for(lambda: metric_sum(sonde.metrics(), count, server_port=str(port)) >= sum(truth.values()), f"all are seen ({side})")
        gaps = metric_sum(sonde.metrics(), GAPS)
        self.assertEqual(sonde.stop(), 0)
        for side in ("server", "client"):
            seen = collections.Counter((t["method"], t["path"], t["status"], t["request_body_bytes"],
                                        t["response_body_bytes"], t["protocol"])
                                       for t in sonde.transactions(side, port))
            if gaps:
                marked = [row for row in (seen - truth).elements() if None in row]
                self.assertEqual(len(marked), (seen - truth).total(), (side, seen - truth, truth - seen))
            else:
                self.assertEqual(seen, truth, (side, seen - truth, truth - seen))
        if gaps:
            return gaps
        print(f"curl: {sum(truth.values())} requests, statuses and sizes equal on both sides")
        return 0

    def test_upgrade(self):
        backend = self.start_nghttpd()
        port = free_port()
        self.start(Process(["nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port};no-tls",
                            f"--backend=127.0.0.1,{backend};;proto=h2", "--workers=1"]))
        wait_for(lambda: accepts(port), "nghttpx listens")
        sonde = self.start_sonde()
        rounds = 10
        for _ in range(rounds):
            subprocess.run(["nghttp", "-u", "-n", f"http://127.0.0.1:{port}/small"], check=True)
        self.assertEqual(sonde.stop(), 0)
        seen = collections.Counter((t["method"], t["path"], t["status"], t["outcome"], t["protocol"],
                                    t["response_body_bytes"]) for t in sonde.transactions("client", port))
        self.assertEqual(seen, {("GET", "/small", 200, "ok", "http/2", 1000): rounds})
        behind = [t["status"] for t in sonde.transactions("server", backend)]
        self.assertEqual(behind, [200] * rounds)
        print(f"upgrade: {rounds} requests that became stream 1")

    def test_connection_joined_in_the_middle(self):
        port = self.start_nghttpd()
        load = self.start(Process(["h2load", "-D", "60", "-c", "1", "-m", "1", "--rps", "50", "-t", "1",
                                   f"http://127.0.0.1:{port}/small"]))
        # until its first request has passed, so that what it put into the table is not seen
        wait_for(lambda: self.connected_to(port), "h2load is connected")
        time.sleep(0.2)
        sonde = self.start_sonde()
        for side in ("server", "client"):
            count = f"http_{side}_request_duration_seconds_count"
            wait_for(lambda: metric_sum(sonde.metrics(), count, server_port=str(port)) >= 20, f"{count} grows")
        metrics = sonde.metrics()
        load.stop()
        self.assertEqual(sonde.stop(), 0)
        self.assertGreaterEqual(metric_sum(metrics, "sonde_http2_joined_total"), 4)
        self.assertGreater(metric_sum(metrics, "sonde_http2_unknown_fields_total"), 0)
        for side in ("server", "client"):
            lines = [t for t in sonde.transactions(side, port) if t["outcome"] != "aborted"]
            # the static table and what stands written out; the rest is unobserved, not guessed
            self.assertEqual({(t["method"], t["path"], t["status"], t["response_body_bytes"], t["user_agent"])
                              for t in lines}, {("GET", "/small", 200, 1000, None)})
            self.assertTrue(all("user_agent" in t["unobserved"] for t in lines))

    def connected_to(self, port):
        """Somebody has a connection to the port: /proc/net/tcp, state 01."""
        end = f":{port:04X}"
        table = pathlib.Path("/proc/net/tcp").read_text().splitlines()
        return any(words[2].endswith(end) and words[3] == "01" for words in map(str.split, table))

    def test_grpc(self):
        port = free_port()
        service = str(TRIGGERS / "grpc_service.py")
        server = self.start(Process([PYTHON, service, "serve", str(port)], stdout=subprocess.PIPE, text=True))
        wait_for(lambda: accepts(port), "the gRPC server listens")
        sonde = self.start_sonde()
        rounds = 50
        called = json.loads(subprocess.run([PYTHON, service, "call", str(port), str(rounds)], check=True,
                                           capture_output=True, text=True).stdout)
        wait_for(lambda: metric_sum(sonde.metrics(), "rpc_server_duration_seconds_count") >= sum(called.values()),
                 "every call is counted")
        metrics = sonde.metrics()
        server.stop()
        handled = json.loads(server.child.stdout.read())
        server.child.stdout.close()
        self.assertEqual(sonde.stop(), 0)
        errors = {2, 4, 12, 13, 14, 15}
        for side in ("server", "client"):
            lines = sonde.transactions(side, port)
            seen = collections.Counter(f"{t['route'].rsplit('/', 1)[1]} {t['grpc']['status']}" for t in lines)
            self.assertEqual(dict(seen), called, side)
            for t in lines:
                self.assertEqual(t["route"], t["path"])
                self.assertEqual((t["status"], t["outcome"]),
                                 (200, "error" if t["grpc"]["status"] in errors else "ok"), t)
            for name, count in called.items():
                method, status = name.split()
                self.assertEqual(metric_sum(metrics, f"rpc_{side}_duration_seconds_count", rpc_system="grpc",
                                            rpc_service="sonde.test.Shop", rpc_method=method,
                                            rpc_grpc_status_code=status, server_port=str(port)), count, (side, name))
        # the server's own count: it never hears of a method that it does not have
        by_method = collections.Counter()
        for name, count in called.items():
            if not name.startswith("Unknown"):
                by_method[name.split()[0]] += count
        self.assertEqual(dict(by_method), handled)
        print(f"gRPC: {sum(called.values())} calls, methods and statuses equal on both sides")


if __name__ == "__main__":
    unittest.main(verbosity=2)
