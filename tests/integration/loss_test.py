"""A ring that is too small on purpose: every record is delivered or counted, in the metrics and in a line."""

import subprocess
import unittest

from harness import SondeTest, fetch, metric_sum, wait_for


SCRAPE_RECORDS = 10  # two connections' ends, each with its opening, heads, read and progress


class Loss(SondeTest):
    def test_seen_is_delivered_plus_lost(self):
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        sonde = self.start_sonde("--ring-kib", "4")
        subprocess.run(["wrk", "-t1", "-c32", "-d2s", f"http://127.0.0.1:{nginx.port}/file"],
                       check=True, stdout=subprocess.DEVNULL)

        def settled():
            """The matrix when nothing moves any more but the scrape itself, whose records may be in the ring."""
            text = sonde.metrics()
            seen, delivered, lost = (metric_sum(text, f"sonde_records_{what}_total")
                                     for what in ("seen", "delivered", "lost"))
            return (seen, delivered, lost) if 0 <= seen - delivered - lost <= SCRAPE_RECORDS else None

        seen, delivered, lost = wait_for(settled, "seen = delivered + lost in /metrics, but for the scrape's own records")
        self.assertGreater(lost, 0)
        text = sonde.metrics()
        for record in ("request_head", "response_head", "socket_read"):
            row = {what: metric_sum(text, f"sonde_records_{what}_total", record=record)
                   for what in ("seen", "delivered", "lost")}
            self.assertGreater(row["seen"], 0)
        ring_full = metric_sum(text, "sonde_records_lost_total", reason="ring_full")
        self.assertGreater(ring_full, 0)
        print(f"4 KiB ring: {seen:.0f} seen = {delivered:.0f} delivered + {lost:.0f} lost"
              f" + {seen - delivered - lost:.0f} of the scrape in the ring")
        self.assertEqual(sonde.stop(), 0)
        lines = [line for line in sonde.lines() if line["type"] == "loss"]
        total = sum(entry["count"] for line in lines for entry in line["lost"])
        self.assertGreaterEqual(total, lost)
        seen_so_far = accounted = 0
        for line in lines:
            seen_so_far += line["seen"]
            accounted += line["delivered"] + sum(entry["count"] for entry in line["lost"])
            self.assertEqual(seen_so_far, accounted + line["in_flight"])
            self.assertLessEqual(line["in_flight"], 4096 // 32)  # what a ring of 4 KiB can hold
        # whatever was lost, no response was given to a wrong request: statuses and sizes are nginx's or unobserved
        nginx.stop()
        size = max(row[1] for row in nginx.truth())  # the last ones may have been cut off by wrk's end
        for t in sonde.transactions("server", nginx.port):
            if t["outcome"] == "ok":
                self.assertEqual((t["status"], t["response_bytes"]), (200, size))


if __name__ == "__main__":
    unittest.main(verbosity=2)
