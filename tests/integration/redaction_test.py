"""Canaries: secrets planted wherever text can enter, searched byte by byte in everything that leaves."""

import json
import pathlib
import subprocess
import tempfile
import unittest
import urllib.parse

from harness import SONDE, Process, SondeTest, fetch, metric_sum, wait_for

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLWEtY2FuYXJ5"
# Secrets that tell themselves, by their form: they may stand anywhere.
PATTERNS = [
    "canary1@example.com", "canary.two+tag@mail.example.co.uk", "4111111111111111", "5555 5555 5555 4444",
    "378282246310005", "6011-1111-1111-1117", "DE89370400440532013000", "GB82WEST12345698765432", "219-09-9999",
    "+49 30 7654321", "(212) 555-0143", JWT, "AKIAIOSFODNN7CANARY1", "AIza" + "CanaryCanary1234567890Canary1234567",
    "ghp_" + "canary0123456789canary0123456789abcd", "xoxb-123456789012-canarycanarycanarycanary",
    "sk_live_" + "canary0123456789canary01",
]
# Secrets that only their name tells.
NAMES = ["password", "passwd", "secret", "token", "api_key", "apiKey", "client_secret", "access_token", "session_id",
         "ssn", "auth_token", "privateKey", "card-number", "otp", "csrf_token"]
HEADERS = ["Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization", "X-Auth-Token", "X-Amz-Security-Token",
           "X-Vault-Token", "X-Csrf-Token", "X-Forwarded-Access-Token", "X-Custom-Anything", "grpc-metadata-token",
           "grpc-tags-bin", "Sec-WebSocket-Protocol", "Referer", "X-Secret-Sauce"]


class Canaries:
    """The requests, and every secret in them."""

    def __init__(self, base):
        self.base = base
        self.secrets = []
        self.requests = []

    def secret(self, text=None):
        text = text or f"canary-{len(self.secrets):03d}-Qx7Zp2Lk9"
        self.secrets.append(text)
        return text

    def request(self, path="/", *arguments):
        self.requests.append(["curl", "-s", "-o", "/dev/null", "--max-time", "10", *arguments, self.base + path])

    def plant(self):
        for header in HEADERS:
            self.request("/headers", "-H", f"{header}: {self.secret()}")
        for name in NAMES:
            self.request(f"/query?page=2&{name}={self.secret()}&sort=up")
            self.request("/agent", "-A", f"tool/1.0 {name}={self.secret()}")
        for pattern in PATTERNS:
            quoted = urllib.parse.quote(self.secret(pattern), safe="")
            self.request(f"/users/{quoted}/orders")
            self.request(f"/search?q={quoted}")
            self.request("/agent", "-A", f"bot ({pattern})")
            self.request("/referer", "-e", f"http://shop.example/{quoted}")
        self.request(f"/reset-token/{self.secret('9f86d081884c7d659a2feaa0c55ad015')}")
        self.request(f"/basket;jsessionid={self.secret('CANARY0123ABCD')}")
        self.request(f"/deep/password={self.secret()}/x")
        self.bodies()
        # an upgrade to WebSocket, with its handshake
        self.request("/chat", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
                     "-H", f"Sec-WebSocket-Key: {self.secret()}", "-H", f"Cookie: sid={self.secret()}")
        # the same user information that curl turns into a header
        self.request("/basic", "-u", f"canary:{self.secret()}")

    def bodies(self):
        for body in ('{"user":{"credentials":[{"password":"%s"}]}}', "AWS_SECRET_ACCESS_KEY=%s",
                     "Traceback (most recent call last):\n  ValueError: token=%s", "user=canary&password=%s"):
            self.request("/body", "--data-binary", body % self.secret())

    def forms(self):
        for secret in self.secrets:
            yield secret.encode()
            yield urllib.parse.quote(secret, safe="").encode()


class Redaction(SondeTest):
    def test_no_canary_leaves(self):
        planted_by_server = ["canary-in-set-cookie-1", "canary-in-answer-body-1"]
        nginx = self.start_nginx(
            f"""location /body {{ add_header Set-Cookie "session={planted_by_server[0]}" always;
                return 200 '{{"password":"{planted_by_server[1]}"}}'; }}""")
        sonde = self.start_sonde()
        recording, record_log = self.directory / "traffic.sonde", self.directory / "record.log"
        with open(record_log, "wb") as log:
            recorder = self.start(Process([SONDE, "record", str(recording)], stderr=log))
        wait_for(lambda: b"recording to" in record_log.read_bytes(), "the recorder is ready")

        canaries = Canaries(f"http://127.0.0.1:{nginx.port}")
        canaries.plant()
        self.assertGreaterEqual(len(set(canaries.secrets)), 60)
        for request in canaries.requests:
            subprocess.run(request, check=True)
        service = f"nginx:{nginx.port}"
        metrics = wait_for(
            lambda: metric_sum(text := sonde.metrics(), "http_server_request_duration_seconds_count",
                               service_name=service) >= len(canaries.requests) and text,
            "all requests in /metrics")
        self.assertEqual(recorder.stop(), 0)
        console = sonde.log
        self.assertEqual(sonde.stop(), 0)
        replayed = self.directory / "replayed"
        replay = subprocess.run([SONDE, "replay", str(recording), "--events", str(replayed)], capture_output=True)
        self.assertEqual(replay.returncode, 0, replay.stderr)

        outputs = {"metrics": metrics.encode(), "recording": recording.read_bytes(), "replay": replay.stdout + replay.stderr,
                   "record log": record_log.read_bytes(), "own log": pathlib.Path(console.name).read_bytes()}
        for directory in (sonde.events, replayed):
            for file in directory.iterdir():
                outputs[f"{directory.name}/{file.name}"] = file.read_bytes()
        # the requests were made and seen, and the search finds secrets where they are
        asked = nginx.access_log.read_bytes()
        self.assertGreater(sum(form in asked for form in canaries.forms()), 40)
        self.assertGreaterEqual(len(sonde.transactions("server", nginx.port)), len(canaries.requests))
        self.assertGreater(metric_sum(metrics, "sonde_redactions_total"), 60)
        for name, content in outputs.items():
            # recordings hold no log lines
            self.assertTrue(content or name in ("replay", "own log", "replayed/logs.jsonl"), f"{name} is empty")
            for secret in [*canaries.forms(), *(text.encode() for text in planted_by_server)]:
                at = content.find(secret)
                self.assertEqual(at, -1, f"{name}: {content[max(0, at - 120):at + 60]!r}")

    def test_redacted_paths_stay_useful(self):
        nginx = self.start_nginx()
        sonde = self.start_sonde()
        subprocess.run(["curl", "-s", "-o", "/dev/null", "-A", "bot (mail ann@example.com)",
                        f"http://127.0.0.1:{nginx.port}/users/219-09-9999/password=hunter2"], check=True)
        wait_for(lambda: f'service_name="nginx:{nginx.port}"' in sonde.metrics(), "the request in /metrics")
        self.assertEqual(sonde.stop(), 0)
        seen, = sonde.transactions("server", nginx.port)
        self.assertEqual((seen["path"], seen["route"], seen["user_agent"]),
                         ("/users/[redacted:us_ssn]/password=[redacted:password]", "/users/{id}/{redacted}", "bot (mail [redacted:email])"))


class Reload(SondeTest):
    def test_a_bad_pattern_leaves_the_old_policy_in_force_and_is_an_alert(self):
        configuration = self.directory / "sonde.yaml"
        pattern = "redaction: {patterns: [{name: badge, regex: '%s'}]}\n"
        configuration.write_text(pattern % "BADGE-[0-9]+")
        nginx = self.start_nginx()
        sonde = self.start_sonde("--config", str(configuration))
        base = f"http://127.0.0.1:{sonde.port}/api/v1"

        def firing():
            return {alert["rule"] for alert in json.loads(fetch(f"{base}/alerts"))["alerts"] if alert["state"] == "firing"}

        self.assertNotIn("config_refused", firing())
        configuration.write_text(pattern % "BADGE-[0-9")
        wait_for(lambda: "config_refused" in firing(), "the alert about the configuration fires", 30)
        self.assertIn("sonde.yaml:1", sonde.output())
        subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/door/BADGE-4711"], check=True)
        wait_for(lambda: f'service_name="nginx:{nginx.port}"' in sonde.metrics(), "the request in /metrics")
        configuration.write_text(pattern % "BADGE-[0-9]{4}")
        wait_for(lambda: "config_refused" not in firing(), "the alert is over", 120)
        self.assertEqual(sonde.stop(), 0)
        seen, = sonde.transactions("server", nginx.port)
        self.assertEqual(seen["path"], "/door/[redacted:badge]")


class Explain(unittest.TestCase):
    def test_shows_rules_and_no_secret(self):
        sample = ("login password=hunter2 ok\nGET /users/ann@example.com?token=hunter2 HTTP/1.1\n"
                  "X-Vault-Token: hunter2\n{\"a\":{\"secret\":\"hunter2\"}}\nnothing here\n")
        directory = self.enterContext(tempfile.TemporaryDirectory())
        file = pathlib.Path(directory) / "sample"
        file.write_text(sample)
        done = subprocess.run([SONDE, "check-config", "--explain-redaction", str(file)], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("hunter2", done.stdout)
        self.assertNotIn("ann@", done.stdout)
        self.assertIn("line 1: login password=[password] ok\n  bytes 16-22: password, mask\n", done.stdout)
        self.assertIn("4 of 5 lines hold something to redact", done.stdout)

    def test_own_messages_hold_no_password(self):
        done = subprocess.run([SONDE, "replay", "https://user:hunter2@host/traffic"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("https://user:[redacted:url_password]@host/traffic", done.stderr)

    def test_says_which_file_it_cannot_read(self):
        done = subprocess.run([SONDE, "check-config", "--explain-redaction", "/nonexistent"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent: No such file", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
