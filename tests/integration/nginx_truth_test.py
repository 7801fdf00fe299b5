"""nginx's own access log against what sonde saw: number, statuses, bytes, and the time of a long download."""

import collections
import subprocess
import unittest

from harness import SondeTest, metric_sum, wait_for

BIG = 100 * 1024 * 1024


class NginxTruth(SondeTest):
    def setUp(self):
        super().setUp()
        self.nginx = self.start_nginx("location /big { limit_rate 50m; }")
        (self.nginx.root / "www" / "file").write_bytes(b"x" * 1024)

    def compare(self, sonde):
        """Stops both, then holds them to each other."""
        self.assertEqual(self.nginx.stop(), 0)
        self.assertEqual(sonde.stop(), 0)
        truth = collections.Counter(
            (status, sent, method, uri.split("?")[0])
            for status, sent, _, _, method, uri in self.nginx.truth()
        )
        seen = collections.Counter(
            (t["status"], t["response_bytes"], t["method"], t["path"])
            for t in sonde.transactions("server", self.nginx.port)
        )
        self.assertEqual(sum(seen.values()), sum(truth.values()))
        self.assertEqual(seen, truth)
        return sum(truth.values())

    def wrk(self, *arguments):
        subprocess.run(
            ["wrk", "-t1", "-c16", "-d5s", *arguments, f"http://127.0.0.1:{self.nginx.port}/file"],
            check=True, stdout=subprocess.DEVNULL,
        )

    def test_keep_alive_under_wrk(self):
        sonde = self.start_sonde("--ring-kib", "65536")
        self.wrk()
        count = self.compare(sonde)
        print(f"keep-alive: {count} requests equal nginx's access log")
        self.assertGreater(count, 1000)

    def test_connection_close_under_wrk(self):
        sonde = self.start_sonde("--ring-kib", "65536")
        self.wrk("-H", "Connection: close")
        count = self.compare(sonde)
        print(f"Connection: close: {count} requests equal nginx's access log")
        self.assertGreater(count, 500)

    def test_statuses(self):
        sonde = self.start_sonde()
        base = f"http://127.0.0.1:{self.nginx.port}"
        urls = [f"{base}/file", f"{base}/missing", f"{base}/file?secret=1"] * 20
        subprocess.run(["curl", "-s", "-o", "/dev/null", "--remote-name-all", *urls], cwd=self.directory,
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["curl", "-s", "-I", f"{base}/file"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["curl", "-s", "-d", "a=b", f"{base}/file"], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.compare(sonde), 62)

    def test_long_sendfile(self):
        (self.nginx.root / "www" / "big").write_bytes(b"y" * BIG)
        sonde = self.start_sonde()
        done = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{time_total} %{time_pretransfer} %{size_download}",
             f"http://127.0.0.1:{self.nginx.port}/big"],
            check=True, capture_output=True, text=True,
        )
        total, before, size = (float(word) for word in done.stdout.split())
        self.assertEqual(size, BIG)
        self.compare(sonde)
        (seen,) = sonde.transactions("server", self.nginx.port)
        seconds = seen["duration_ns"] / 1e9
        print(f"100 MiB by sendfile: curl {total - before:.3f} s, sonde {seconds:.3f} s")
        self.assertAlmostEqual(seconds, total - before, delta=0.05 * (total - before))
        self.assertEqual(seen["response_body_bytes"], BIG)

    def test_metrics_agree(self):
        sonde = self.start_sonde()
        for _ in range(3):
            subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{self.nginx.port}/file"], check=True)
        port = str(self.nginx.port)
        name = "http_server_request_duration_seconds_count"
        wait_for(lambda: metric_sum(sonde.metrics(), name, server_port=port) == 3, "three requests in /metrics")
        self.compare(sonde)


if __name__ == "__main__":
    unittest.main(verbosity=2)
