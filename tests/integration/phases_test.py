"""One thread, several requests at once, one by one and on an event loop: phases against the server's own clocks."""

import http.client
import json
import pathlib
import socket
import threading
import unittest

from harness import PYTHON, Process, SondeTest, accepts, free_port, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
SERVER = TRIGGERS / "one_thread.py"
EVENT_LOOP = TRIGGERS / "event_loop.js"
TOLERANCE_MS = 3


class Phases(SondeTest):
    def test_sleep_cpu_and_x_at_once(self):
        port = free_port()
        truth_file = self.directory / "truth.jsonl"
        self.start(Process([PYTHON, str(SERVER), str(port), str(truth_file)]))
        wait_for(lambda: accepts(port), "the server listens")
        sonde = self.start_sonde()
        for round_number in range(5):
            self.one_round(port)
        self.assertEqual(sonde.stop(), 0)
        rows = [json.loads(line) for line in truth_file.read_text().splitlines()]
        seen = sonde.transactions("server", port)
        self.assertEqual(len(seen), len(rows))
        self.assertEqual(len(seen), 15)
        worst = {"queue": 0.0, "cpu": 0.0, "blocked": 0.0, "service": 0.0}
        for first in range(0, 15, 3):
            # the server answers one after the other, so both are in the order of service
            for truth, transaction in zip(rows[first : first + 3], seen[first : first + 3]):
                self.check(truth, transaction, rows[first], seen[first], worst)
        print("largest deviation in ms: " + ", ".join(f"{name} {value:.2f}" for name, value in worst.items()))

    def one_round(self, port):
        """/sleep is being served when /cpu and /x arrive; all three connections are open before."""
        connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for connection, path in zip(connections, ("/sleep", "/cpu", "/x")):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        for connection in connections:
            while connection.recv(4096):
                pass
            connection.close()

    def check(self, truth, transaction, first_truth, first, worst):
        self.assertEqual(transaction["path"], truth["path"])
        self.assertEqual(transaction["unobserved"], [])
        phases = {name[:-3]: value / 1e6 for name, value in transaction["phases"].items()}
        # what it waited for, beyond what the first request of the round waited: all were sent at the same moment
        queue_ms = (truth["started"] - first_truth["started"]) * 1e3
        expected = {
            "queue": queue_ms + first["phases"]["queue_ns"] / 1e6,
            "cpu": truth["cpu_s"] * 1e3,
            "blocked": max(0.0, truth["service_s"] - truth["cpu_s"]) * 1e3,
        }
        # time ready to run without a core is neither: the server's clocks cannot tell it from blocked
        got = {"queue": phases["queue"], "cpu": phases["cpu"], "blocked": phases["blocked"] + phases["runqueue"]}
        for name, value in expected.items():
            worst[name] = max(worst[name], abs(got[name] - value))
            self.assertAlmostEqual(got[name], value, delta=TOLERANCE_MS, msg=f"{name} of {truth['path']}: {phases}")
        self.assertAlmostEqual(sum(transaction["phases"].values()), transaction["duration_ns"], delta=1000)

    def test_an_event_loop_waits_for_all_it_serves(self):
        """While /wait waits for its timer the loop serves three others: what it waited is known, whose CPU it was is not."""
        port = free_port()
        truth_file = self.directory / "truth.jsonl"
        server = self.start(Process(["node", str(EVENT_LOOP), str(port), str(truth_file)]))
        wait_for(lambda: accepts(port), "the server listens")
        sonde = self.start_sonde()
        slow, quick = (http.client.HTTPConnection("127.0.0.1", port) for _ in range(2))
        self.addCleanup(slow.close)
        self.addCleanup(quick.close)

        def ask(connection, path):
            connection.request("GET", path)
            connection.getresponse().read()

        for _ in range(20):  # 32 reads and answers make it one thread that serves all
            ask(quick, "/spin/0")
        for _ in range(5):
            slow.request("GET", "/wait/200")
            for milliseconds in (0, 10, 20, 30):  # the first may be served before it: after that it is taken up
                ask(quick, f"/spin/{milliseconds}")
            slow.getresponse().read()
        self.assertEqual(sonde.stop(), 0)
        server.stop()
        truths = [json.loads(line) for line in truth_file.read_text().splitlines()]
        waits = [row for row in truths if row["path"] == "/wait/200"]
        seen = [t for t in sonde.transactions("server", port) if t["path"] == "/wait/200"]
        self.assertEqual((len(waits), len(seen)), (5, 5))
        worst = 0.0
        for truth, transaction in zip(waits, seen):
            self.assertEqual(transaction["unobserved"], ["cpu"])  # others were served meanwhile
            phases = {name[:-3]: value / 1e6 for name, value in transaction["phases"].items() if value is not None}
            # libuv counts a wait for a core after its wait as idle; what a hypervisor takes from a busy loop is nobody's
            low, high = phases["blocked"] - truth["kept_off_ms"], phases["blocked"] + phases["runqueue"]
            off = max(low - truth["idle_ms"], truth["idle_ms"] - high, 0.0)
            worst = max(worst, off)
            self.assertLess(off, TOLERANCE_MS, f"{phases} beside {truth}")
        print(f"event loop: idle time off by {worst:.2f} ms at most")


if __name__ == "__main__":
    unittest.main(verbosity=2)
