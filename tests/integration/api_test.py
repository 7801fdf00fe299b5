"""The API against /metrics, the events file and the servers' own counts, on real traffic."""

import json
import subprocess
import time
import unittest
import urllib.error
import urllib.parse

from harness import SONDE, Process, SondeTest, fetch, free_port, metric_sum, wait_for


class Api(SondeTest):
    def api(self, sonde, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        return json.loads(fetch(f"http://127.0.0.1:{sonde.port}{path}{query}"))

    def traffic(self, nginx, requests=40):
        for i in range(requests):
            for path in ("file", "missing", f"orders/{i}"):
                subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/{path}"], check=True)

    def start_both(self):
        nginx = self.start_nginx("location /orders { return 503; }")
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        return nginx, self.start_sonde()

    def settled(self, sonde, nginx, count):
        """The endpoints of nginx once all `count` requests have come in on both sides."""
        def look():
            answer = self.api(sonde, "/api/v1/endpoints", window_s=3600, port=nginx.port)
            return sum(e["total"]["count"] for e in answer["endpoints"]) == 2 * count and answer
        return wait_for(look, "all requests are in the history")

    def test_endpoints_equal_metrics(self):
        nginx, sonde = self.start_both()
        self.traffic(nginx)
        answer = self.settled(sonde, nginx, 120)
        metrics = sonde.metrics()
        self.assertEqual(answer["total"], 6)
        for endpoint in answer["endpoints"]:
            labels = {"http_route": endpoint["route"], "server_port": str(nginx.port),
                      "service_name": endpoint["service"], "http_request_method": endpoint["method"]}
            name = f"http_{endpoint['side']}_request_duration_seconds"
            for counts in (endpoint["total"], endpoint):
                self.assertEqual(counts["count"], metric_sum(metrics, f"{name}_count", **labels))
            self.assertAlmostEqual(endpoint["total"]["duration_ns"] / 1e9, metric_sum(metrics, f"{name}_sum", **labels),
                                   places=9)
            for status, expected in (("2xx", "200"), ("4xx", "404"), ("5xx", "503")):
                self.assertEqual(endpoint["statuses"][status],
                                 metric_sum(metrics, f"{name}_count", http_response_status_code=expected, **labels))
            self.assertEqual(sum(endpoint["sparkline"]), endpoint["count"])
            if endpoint["side"] == "server":
                for phase, numbers in endpoint["phases"].items():
                    phase_labels = {key: labels[key] for key in ("http_route", "server_port", "service_name")}
                    seen = metric_sum(metrics, "sonde_http_server_phase_seconds_count", phase=phase, **phase_labels)
                    self.assertEqual(numbers["count"] if numbers else 0, seen)

    def test_transactions_are_the_lines_of_the_file(self):
        nginx, sonde = self.start_both()
        self.traffic(nginx, 10)
        self.settled(sonde, nginx, 30)
        rows = self.api(sonde, "/api/v1/transactions", port=nginx.port, limit=1000)["transactions"]
        failed = self.api(sonde, "/api/v1/transactions", port=nginx.port, status="5xx", side="server")["transactions"]
        one = self.api(sonde, f"/api/v1/transactions/{rows[0]['id']}")
        self.assertEqual(one, rows[0])
        self.assertEqual([(t["status"], t["kept_as"], t["route"]) for t in failed], [(503, "failed", "/orders/{id}")] * 10)
        self.assertEqual(sonde.stop(), 0)
        without_id = sorted(json.dumps({k: v for k, v in t.items() if k not in ("id", "kept_as", "span_id")}) for t in rows)
        in_file = sorted(json.dumps(t) for t in sonde.lines()
                         if t["type"] == "transaction" and (t["server"] or {}).get("port") == nginx.port)
        self.assertEqual(without_id, in_file)

    def test_series_and_what_the_agent_says_of_itself(self):
        nginx, sonde = self.start_both()
        self.traffic(nginx, 10)
        self.settled(sonde, nginx, 30)
        for step in (1, 10, 60):
            series = self.api(sonde, "/api/v1/endpoint", route="/file", side="server", port=nginx.port, step_s=step)
            self.assertEqual(series["sum"]["count"], 10)
            self.assertEqual(sum(n for point in series["points"] for _, n in point["heat"]), 10)
            self.assertLess(abs(series["points"][-1]["time"] - time.time()), 70)
        health = self.api(sonde, "/health/detailed")
        self.assertEqual({c["name"] for c in health["components"]}, {"pipeline", "ring", "queue/file", "sink/file", "queue/file_logs", "sink/file_logs"})
        self.assertEqual([c for c in health["components"] if c["state"] != "ok"], [])
        features = self.api(sonde, "/api/v1/features")["features"]
        self.assertIn("socket_reads", [f["name"] for f in features if f["enabled"]])
        self.assertEqual(self.api(sonde, "/api/v1/losses")["lost_total"], 0)
        processes = wait_for(lambda: self.api(sonde, "/api/v1/processes")["processes"], "processes were read")
        self.assertIn("process_cpu_time_seconds_total", processes[0]["metrics"])
        family = self.api(sonde, "/api/v1/metrics", prefix="sonde_build_info")["families"]
        self.assertEqual([f["name"] for f in family], ["sonde_build_info"])
        self.assertLessEqual(self.api(sonde, "/api/v1/history")["bytes"], 16 << 20)

    def test_token(self):
        token = self.directory / "token"
        token.write_text("correct-horse\n")
        sonde = self.start_sonde("--token-file", str(token))
        url = f"http://127.0.0.1:{sonde.port}"
        with self.assertRaises(urllib.error.HTTPError) as refused:
            fetch(f"{url}/api/v1/endpoints")
        self.addCleanup(refused.exception.close)
        self.assertEqual(refused.exception.code, 401)
        got = subprocess.run(["curl", "-s", "-H", "Authorization: Bearer correct-horse", f"{url}/api/v1/config"],
                             capture_output=True, text=True, check=True).stdout
        self.assertIn('token: "***"', json.loads(got)["yaml"])
        self.assertNotIn("correct-horse", got)

    def test_not_open_to_others_by_accident(self):
        for listen in (f"0.0.0.0:{free_port()}", f":{free_port()}"):
            done = subprocess.run([SONDE, "run", "--listen", listen], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("without a token", done.stderr)

    def certificate(self, name):
        """(certificate, key) that signed itself, for localhost."""
        made = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", made[1], "-out", made[0]], check=True, capture_output=True)
        return made

    def test_tls(self):
        (certificate, key), (other, other_key) = self.certificate("agent"), self.certificate("other")
        port, token, settings = free_port(), self.directory / "token", self.directory / "sonde.yaml"
        token.write_text("correct-horse\n")

        def configure(with_key):
            settings.write_text(f"http: {{listen: '0.0.0.0:{port}', token_file: {token}, "
                                f"tls: {{certificate_file: {certificate}, key_file: {with_key}}}}}\n")
            return subprocess.run([SONDE, "check-config", settings], capture_output=True, text=True)

        wrong = configure(other_key)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("http.tls.key_file: ", wrong.stderr)
        refused = subprocess.run([SONDE, "run", "--config", settings], capture_output=True, text=True, timeout=60)
        self.assertEqual(refused.returncode, 2)
        self.assertIn(wrong.stderr, refused.stderr)
        self.assertEqual(configure(key).returncode, 0)

        with open(self.directory / "log", "w+b") as log:
            self.start(Process([SONDE, "run", "--config", settings], stdout=log, stderr=log))

        def curl(path, *arguments):
            done = subprocess.run(["curl", "-sS", "-m", "20", *arguments, f"https://localhost:{port}{path}"],
                                  capture_output=True, text=True)
            return done.stdout or done.stderr

        trusting = "--cacert", certificate, "-H", "Authorization: Bearer correct-horse"
        wait_for(lambda: curl("/readyz", *trusting) == "ready\n", "sonde is ready", 60)
        self.assertEqual(curl("/healthz", *trusting), "alive\n")
        self.assertIn("sonde_build_info", curl("/metrics", *trusting))
        self.assertIn("a bearer token is needed", curl("/metrics", "--cacert", certificate))
        self.assertIn("certificate", curl("/healthz", "--cacert", other))
        self.assertIn("alert protocol version", curl("/healthz", "--cacert", certificate, "--tls-max", "1.1",
                                                     "--ciphers", "DEFAULT@SECLEVEL=0"))
        plain = subprocess.run(["curl", "-sS", "-m", "20", f"http://localhost:{port}/healthz"], capture_output=True)
        self.assertNotIn(plain.returncode, (0, 28), "refused, and at once")

        client = "--connect", f"localhost:{port}", "--token-file", token, "--certificate"
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x")
        tail = subprocess.Popen([SONDE, "tail", *client, certificate, "--seconds", "60", "--json", "--service",
                                 f"nginx:{nginx.port}"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (tail.kill(), tail.wait(), tail.stdout.close()))
        subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/file"], check=True)
        self.assertIn("/file", tail.stdout.readline())
        for command in (["top", "--once"], ["alert", "list"], ["silence", "list"]):
            for shown, code in ((certificate, 0), (other, 1)):
                done = subprocess.run([SONDE, *command, *client, shown], capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("is another than that in", done.stderr)
        doctor = subprocess.run([SONDE, "doctor", "--config", settings, "--json"], capture_output=True, text=True)
        checks = {check["name"]: check["state"] for check in json.loads(doctor.stdout)["checks"]}
        self.assertEqual(checks["agent"], "ok", doctor.stdout)
        with open(self.directory / "log") as log:
            self.assertIn(f"console: https://0.0.0.0:{port}/, ", log.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
