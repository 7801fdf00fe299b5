"""What requests were blocked in, on a server whose handlers wait in a known way."""

import collections
import pathlib
import unittest

from harness import PYTHON, Process, SondeTest, accepts, fetch, free_port, metric_sum, wait_for

SERVER = pathlib.Path(__file__).resolve().parents[1] / "triggers" / "waiting_server.py"
ROUNDS = 3
METRIC = "sonde_http_server_blocked_in_seconds_total"


class Waits(SondeTest):
    def start_server(self):
        port = free_port()
        self.start(Process([PYTHON, str(SERVER), str(port), str(self.directory)]))
        wait_for(lambda: accepts(port), "the server listens")
        return port

    def test_each_wait_has_its_name(self):
        port = self.start_server()
        sonde = self.start_sonde()
        causes = ("lock", "sleep", "network", "process", "disk")
        for _ in range(ROUNDS):
            for cause in causes:
                self.assertEqual(fetch(f"http://127.0.0.1:{port}/{cause}"), "done\n")
        count = "sonde_http_server_phase_seconds_count"
        wait_for(lambda: metric_sum(sonde.metrics(), count, phase="blocked", server_port=str(port))
                 == ROUNDS * len(causes), "all requests are counted")
        text = sonde.metrics()
        self.assertEqual(metric_sum(text, "sonde_wait_samples_total", found="refused"), 0)
        self.assertEqual(sonde.stop(), 0)
        blocked, found = collections.Counter(), collections.defaultdict(collections.Counter)
        for t in sonde.transactions("server", port):
            cause, phases = t["path"][1:], t["phases"]
            looks = t.get("blocked_in", {})
            print(f"{cause:8} blocked {phases['blocked_ns'] / 1e6:6.0f} ms of {t['duration_ns'] / 1e6:6.0f}, found in {looks}")
            blocked[cause] += phases["blocked_ns"] / 1e9
            found[cause].update(looks)
        for cause in causes:
            # the interpreter's own lock may be in its way for a moment
            self.assertGreaterEqual(found[cause][cause], 0.8 * max(1, found[cause].total()), f"{cause}: {found[cause]}")
            seconds = metric_sum(text, METRIC, http_route=f"/{cause}", cause=cause)
            print(f"{cause:8} {blocked[cause]:6.2f} s blocked, {seconds:6.2f} s of it by samples in {cause}")
            # good to a few looks
            self.assertAlmostEqual(seconds, blocked[cause], delta=0.25 * blocked[cause] + 0.1)

    def test_nobody_looks_where_it_is_off(self):
        port = self.start_server()
        sonde = self.start_sonde("--set", "resources.waits=false")
        self.assertEqual(fetch(f"http://127.0.0.1:{port}/sleep"), "done\n")
        wait_for(lambda: sonde.metrics().count(f'server_port="{port}"') > 0, "the request is counted")
        self.assertNotIn("sonde_wait_samples_total", sonde.metrics())
        self.assertEqual(sonde.stop(), 0)
        for t in sonde.transactions("server", port):
            self.assertNotIn("blocked_in", t)


if __name__ == "__main__":
    unittest.main(verbosity=2)
