"""What a request of an endpoint costs, on servers that serve one request per thread, per process, or all on one."""

import json
import os
import pathlib
import signal
import socket
import threading
import unittest

from harness import PYTHON, Process, SondeTest, accepts, free_port, metric_sum, wait_for

SERVER = pathlib.Path(__file__).resolve().parents[1] / "triggers" / "request_models.py"
CLIENTS = 3
REQUESTS = 20  # of each client
TOLERANCE = 0.05
# /x and /sleep cost less than what lies around the server's own look at its clock; an event loop does most of its work
# there
TINY_S = {"threads": 0.0003, "prefork": 0.0003, "asyncio": 0.001}


class Group(Process):
    def stop(self, signal_number=signal.SIGKILL):
        if self.child.poll() is None:
            os.killpg(self.pid, signal_number)  # workers too
            self.child.wait(10)
        return self.child.returncode


class CostOfRequests(SondeTest):
    def client(self, port, number):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for i in range(REQUESTS):
                path = ("/cpu", "/x", "/sleep")[(i + number) % 3]
                connection.sendall(f"GET {path}/{number}{i:03} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
                answer = b""
                while not answer.endswith(b"done\n"):
                    answer += connection.recv(4096)

    def run_model(self, model):
        port = free_port()
        truth_file = self.directory / "truth.jsonl"
        self.start(Group([PYTHON, str(SERVER), model, str(port), str(truth_file)]))
        wait_for(lambda: accepts(port), "the server listens")
        sonde = self.start_sonde("--resource-interval", "0.25")
        clients = [threading.Thread(target=self.client, args=(port, n)) for n in range(1, CLIENTS + 1)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        total = CLIENTS * REQUESTS
        count = "http_server_request_duration_seconds_count"
        wait_for(lambda: metric_sum(sonde.metrics(), count, server_port=str(port)) == total, "all requests are seen")
        text = sonde.metrics()
        self.assertEqual(sonde.stop(), 0)
        rows = [json.loads(line) for line in truth_file.read_text().splitlines()]
        truth = {row["path"]: row["cpu_s"] for row in rows}
        seen = sonde.transactions("server", port)
        self.assertEqual(len(truth), total)
        self.assertGreater(len(seen), total / 2)  # what is written out is a sample
        observed = [t for t in seen if "cpu" not in t["unobserved"]]
        self.check(model, truth, observed)
        self.check_each(model, {row["path"]: (row["cpu_s"], row["most_s"]) for row in rows}, observed)
        # the metrics are of all
        count = metric_sum(text, "sonde_http_server_phase_seconds_count", phase="cpu", server_port=str(port))
        whole = metric_sum(text, "sonde_http_server_cpu_seconds_total", server_port=str(port))
        print(f"{model}: {count:.0f} of {total} observed, sonde_http_server_cpu_seconds_total {whole:.4f}, "
              f"all of them by the server {sum(truth.values()):.4f}")
        if count == total:
            self.assertAlmostEqual(whole, sum(truth.values()),
                                   delta=TOLERANCE * sum(truth.values()) + TINY_S[model] * total)
        self.assertGreaterEqual(whole, sum(t["phases"]["cpu_ns"] for t in observed) / 1e9 - 1e-6)
        return count, total

    def check(self, model, truth, observed):
        for kind in ("/cpu/", "/x/", "/sleep/"):
            mine = [t for t in observed if t["path"].startswith(kind)]
            if not mine:
                continue
            got = sum(t["phases"]["cpu_ns"] for t in mine) / 1e9
            expected = sum(truth[t["path"]] for t in mine)
            print(f"{model} {kind}: {len(mine)} observed, per request sonde {got / len(mine) * 1e3:.3f} ms, "
                  f"server {expected / len(mine) * 1e3:.3f} ms")
            tiny_s = 0 if kind == "/cpu/" else TINY_S[model] * len(mine)
            self.assertAlmostEqual(got, expected, delta=TOLERANCE * expected + tiny_s)

    def check_each(self, model, bounds, observed):
        """None of them is wrong in silence: between what the server's own code took and what it took with the calls."""
        for transaction in observed:
            got, (least, most) = transaction["phases"]["cpu_ns"] / 1e9, bounds[transaction["path"]]
            self.assertGreater(got, 0.75 * least - 0.001, f"{model} {transaction}")
            self.assertLess(got, 1.25 * most + 0.001, f"{model} {transaction}")

    def test_thread_per_connection(self):
        observed, total = self.run_model("threads")
        self.assertEqual(observed, total)

    def test_prefork(self):
        observed, total = self.run_model("prefork")
        self.assertEqual(observed, total)

    def test_asyncio_is_right_or_marked(self):
        observed, total = self.run_model("asyncio")
        self.assertLess(observed, total)  # /sleep waits while others run on its thread


if __name__ == "__main__":
    unittest.main(verbosity=2)
