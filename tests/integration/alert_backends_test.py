"""Alerts and real receivers: Debian's Alertmanager, an SMTP server with STARTTLS and authentication; silences over the
API and on the command line; health probes of real targets; the rules in promtool."""

import email
import email.header
import json
import pathlib
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from alert_support import RULES, Hook, Load, Service
from harness import PYTHON, SONDE, Process, SondeTest, accepts, fetch, free_port, metric_sum, wait_for

RULES_DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules"

# Takes mail over STARTTLS from user "sonde" only, and appends each message to a file as JSON.
MAIL_SERVER = """
import asyncio, json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP
port, certificate, key, out = int(sys.argv[1]), *sys.argv[2:5]
class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(out, "a") as file:
            file.write(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                                   "user": session.auth_data.decode(), "data": envelope.content.decode()}) + "\\n")
        return "250 taken"
def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"sonde", b"a secret")
    return AuthResult(success=good, auth_data=data.login)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
Controller(Handler(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
           authenticator=authenticate, auth_required=True).start()
asyncio.new_event_loop().run_forever()
"""


def certificate(directory, days=30):
    """(certificate, key) for localhost and 127.0.0.1, its own authority."""
    key, chain = directory / "key.pem", directory / "chain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
         "-out", str(chain), "-days", str(days), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


class Backends(SondeTest):
    def configure(self, text):
        config = self.directory / "sonde.yaml"
        config.write_text(f"alerts:\n  group_wait: 0s\n  group_interval: 1s\n{RULES}{text}")
        return ["--config", str(config)]

    def test_alertmanager_receives_groups_and_resolves(self):
        port, service = free_port(), Service(self)
        config = self.directory / "alertmanager.yml"
        config.write_text("route: {receiver: none, group_by: [service]}\nreceivers: [{name: none}]\n")
        self.start(
            Process(["/usr/bin/prometheus-alertmanager", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}",
                     f"--storage.path={self.directory / 'am'}", "--cluster.listen-address="])
        )  # fmt: skip
        base = f"http://127.0.0.1:{port}"

        def ready():
            try:
                return fetch(f"{base}/-/ready")
            except OSError:
                return False

        wait_for(ready, "Alertmanager is ready")
        self.start_sonde(*self.configure(f"  notifiers:\n    am: {{type: alertmanager, url: '{base}/'}}\n"))
        Load(self, service.port, "/shaky", 20)
        service.get("/set/500")
        known = lambda: [a for a in json.loads(fetch(f"{base}/api/v2/alerts")) if a["labels"]["alertname"] == "http_5xx"]
        alert = wait_for(known, "Alertmanager has the alert", 40)[0]
        self.assertEqual(alert["labels"]["route"], "/shaky")
        self.assertEqual(alert["labels"]["severity"], "critical")
        self.assertEqual(alert["status"]["state"], "active")
        self.assertIn("5xx", alert["annotations"]["summary"])
        self.assertIn("#/endpoint?", alert["generatorURL"])
        groups = json.loads(fetch(f"{base}/api/v2/alerts/groups"))
        self.assertIn(alert["labels"]["service"], [group["labels"].get("service") for group in groups])
        service.get("/set/200")
        wait_for(lambda: not known(), "Alertmanager knows that it is over", 60)

    def test_mail_over_starttls_with_authentication(self):
        port, service = free_port(), Service(self)
        chain, key = certificate(self.directory)
        mails = self.directory / "mails.jsonl"
        self.start(Process([PYTHON, "-c", MAIL_SERVER, str(port), str(chain), str(key), str(mails)]))
        wait_for(lambda: accepts(port), "the mail server listens")
        (self.directory / "password").write_text("a secret\n")
        self.start_sonde(
            *self.configure(
                f"""  notifiers:
    mail:
      type: email
      severity: critical
      email: {{server: '127.0.0.1:{port}', from: sonde@example.org, to: [a@example.org, b@example.org], user: sonde,
              password_file: {self.directory / "password"}, ca: {chain}}}
"""
            )
        )
        Load(self, service.port, "/shaky", 20)
        service.get("/set/500")
        received = lambda: [json.loads(line) for line in mails.read_text().splitlines()] if mails.exists() else []
        mail = wait_for(received, "the mail arrives", 40)[0]
        self.assertTrue(mail["tls"])
        self.assertEqual(mail["user"], "sonde")
        self.assertEqual(mail["to"], ["a@example.org", "b@example.org"])
        message = email.message_from_string(mail["data"])
        self.assertIn("firing", str(email.header.make_header(email.header.decode_header(message["Subject"]))))
        text = message.get_payload(decode=True).decode()
        self.assertIn("/shaky", text)
        self.assertIn("status_share", text)
        service.get("/set/200")
        wait_for(lambda: len(received()) == 2, "a second mail says that it is over", 60)

    def test_silences_over_the_api_and_the_command_line(self):
        hook, service = Hook(self), Service(self)
        sonde = self.start_sonde(*self.configure(f"  notifiers:\n    hook: {{type: webhook, url: '{hook.url}'}}\n"))
        agent = ["--connect", f"127.0.0.1:{sonde.port}"]
        run = lambda *arguments: subprocess.run([SONDE, *arguments], capture_output=True, text=True, timeout=30)
        refused = run("silence", "add", "--reason", "no matcher", *agent)
        self.assertEqual(refused.returncode, 2)
        made = run("silence", "add", "--rule", "http_*", "--for", "1h", "--reason", "we know", *agent)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("we know", run("silence", "list", *agent).stdout)
        Load(self, service.port, "/shaky", 20)
        service.get("/set/500")
        alerts = lambda: {
            alert["rule"]: alert for alert in json.loads(fetch(f"http://127.0.0.1:{sonde.port}/api/v1/alerts"))["alerts"]
        }
        wait_for(lambda: alerts().get("http_5xx", {}).get("state") == "firing", "it fires in silence", 40)
        self.assertEqual(alerts()["http_5xx"]["mute"], "silenced")
        self.assertIn("silenced", run("alert", "list", *agent).stdout)
        time.sleep(3)
        self.assertEqual(hook.alerts("http_5xx", "firing"), [])
        self.assertEqual(run("silence", "end", made.stdout.strip(), *agent).returncode, 0)
        self.assertEqual(run("silence", "end", made.stdout.strip(), *agent).returncode, 2)
        wait_for(lambda: hook.alerts("http_5xx", "firing"), "it is told when the silence ends", 20)
        self.check_writes(sonde)

    def check_writes(self, sonde):
        """What may not write, and what is no silence."""
        body = {"matchers": {"rule": "x"}, "reason": "r", "duration_s": 60}
        good = {"Content-Type": "application/json"}

        def post(value, headers):
            request = urllib.request.Request(
                f"http://127.0.0.1:{sonde.port}/api/v1/silences", json.dumps(value).encode(), headers, method="POST"
            )
            try:
                return urllib.request.urlopen(request, timeout=10).status
            except urllib.error.HTTPError as error:
                return error.code

        self.assertEqual(post(body, good), 201)
        self.assertEqual(post(body, {**good, "Origin": f"http://127.0.0.1:{sonde.port}"}), 201)
        self.assertEqual(post(body, {**good, "Origin": "http://evil.example"}), 403)
        self.assertEqual(post(body, {**good, "Sec-Fetch-Site": "cross-site"}), 403)
        self.assertEqual(post(body, {**good, "Host": "evil.example"}), 421)
        self.assertEqual(post(body, {"Content-Type": "text/plain"}), 415)
        self.assertEqual(post({**body, "matchers": {}}, good), 400)
        self.assertEqual(post({**body, "more": 1}, good), 400)
        request = urllib.request.Request(f"http://127.0.0.1:{sonde.port}/api/v1/endpoints", b"{}", good, method="POST")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        self.assertEqual(refused.exception.code, 405)

    def test_a_test_goes_through_each_notifier(self):
        good, bad = Hook(self), Hook(self, 500)
        arguments = self.configure(
            f"  notifiers:\n    good: {{type: webhook, url: '{good.url}'}}\n    bad: {{type: slack, url: '{bad.url}'}}\n    log: {{type: log}}\n"
        )
        done = subprocess.run([SONDE, "alert", "test", *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("good: delivered", done.stdout)
        self.assertIn("bad: failed: the answer is 500", done.stdout)
        self.assertIn("alert [firing] info: this is a test", done.stderr)
        self.assertEqual(good.received[0]["alerts"][0]["rule"], "sonde_test")
        one = subprocess.run([SONDE, "alert", "test", "--notifier", "good", *arguments], capture_output=True, timeout=60)
        self.assertEqual(one.returncode, 0)

    def test_health_probes(self):
        hook, service = Hook(self), Service(self)
        chain, key = certificate(self.directory, days=3)
        tls_port, grpc_port, dead = free_port(), free_port(), free_port()
        self.start(
            Process(["openssl", "s_server", "-accept", f"127.0.0.1:{tls_port}", "-cert", str(chain), "-key", str(key), "-www"])
        )
        grpc = self.start(Process([PYTHON, "-c", GRPC_HEALTH, str(grpc_port)]))
        for port in (tls_port, grpc_port):
            wait_for(lambda: accepts(port), f"port {port} listens")
        config = self.configure(f"  notifiers:\n    hook: {{type: webhook, url: '{hook.url}'}}\n")
        with open(config[1], "a") as file:
            file.write(
                f"""health_probes:
  probes:
    good: {{target: 'http://127.0.0.1:{service.port}/ok', interval: 1s, timeout: 1s, body: ok}}
    words: {{target: 'http://127.0.0.1:{service.port}/ok', interval: 1s, timeout: 1s, body: nonsense}}
    shaky: {{target: 'http://127.0.0.1:{service.port}/shaky', interval: 1s, timeout: 1s}}
    port: {{type: tcp, target: '127.0.0.1:{service.port}', interval: 1s, timeout: 1s}}
    dead: {{type: tcp, target: '127.0.0.1:{dead}', interval: 1s, timeout: 1s}}
    tls: {{target: 'https://127.0.0.1:{tls_port}/', interval: 1s, timeout: 1s, ca: {chain}}}
    rpc: {{type: grpc, target: '127.0.0.1:{grpc_port}', interval: 1s, timeout: 1s}}
"""
            )
        sonde = self.start_sonde(*config)
        success = lambda target: metric_sum(sonde.metrics(), "probe_success", target=target)
        has = lambda target: f'probe_success{{target="{target}"}}' in sonde.metrics()
        for target in ("good", "words", "shaky", "port", "dead", "tls", "rpc"):
            wait_for(lambda: has(target), f"{target} was probed")
        for target, expected in (("good", 1), ("words", 0), ("shaky", 1), ("port", 1), ("dead", 0), ("tls", 1), ("rpc", 1)):
            self.assertEqual(success(target), expected, target)
        text = sonde.metrics()
        self.assertEqual(metric_sum(text, "probe_http_status_code", target="good"), 200)
        self.assertGreater(metric_sum(text, "probe_duration_seconds", target="good"), 0)
        expiry = metric_sum(text, "probe_ssl_earliest_cert_expiry", target="tls")
        self.assertAlmostEqual(expiry, time.time() + 3 * 86400, delta=3600)
        wait_for(lambda: hook.alerts("certificate_expires", "firing", target="tls"), "the certificate is told")
        wait_for(lambda: hook.alerts("probe_down", "firing", target="dead"), "what is dead is told")
        service.get("/set/500")
        wait_for(lambda: hook.alerts("probe_failing", "firing", target="shaky"), "one failure warns")
        wait_for(lambda: hook.alerts("probe_down", "firing", target="shaky"), "three are critical")
        service.get("/set/200")
        wait_for(lambda: hook.alerts("probe_down", "resolved", target="shaky"), "it is well again")
        self.assertEqual(len(hook.alerts("probe_down", "firing", target="shaky")), 1)
        grpc.stop()
        wait_for(lambda: success("rpc") == 0, "the gRPC server is gone")

    def test_restart_is_told(self):
        hook, service = Hook(self), Service(self)
        self.start_sonde(*self.configure(f"  notifiers:\n    hook: {{type: webhook, url: '{hook.url}'}}\n"))
        service.get("/ok")
        time.sleep(3)
        service.process.stop()
        again = self.start(Process([PYTHON, "-c", Service.SOURCE, str(service.port)]))
        wait_for(lambda: accepts(service.port), "the service listens again")
        service.get("/ok")
        alert = wait_for(lambda: hook.alerts("service_restarted", "firing"), "the restart is told")[0]
        self.assertEqual(alert["severity"], "info")
        self.assertIn(f"process {again.pid}", alert["evidence"]["changes"][0]["what"])

    def test_rules_for_prometheus(self):
        made = subprocess.run([SONDE, "alert", "rules"], capture_output=True, text=True, timeout=30)
        self.assertEqual(made.stdout, (RULES_DIRECTORY / "sonde.yaml").read_text(), "sonde alert rules > deploy/prometheus/rules/sonde.yaml")
        for command in (["check", "rules", "sonde.yaml"], ["test", "rules", "sonde_test.yaml"]):
            done = subprocess.run(["/usr/bin/promtool", *command], cwd=RULES_DIRECTORY, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


# grpc.health.v1 by hand: the generated module is not packaged.
GRPC_HEALTH = """
import sys
from concurrent import futures
import grpc
class Health(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\\x08\\x01")
server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(Health(),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
"""

if __name__ == "__main__":
    unittest.main(verbosity=2)
