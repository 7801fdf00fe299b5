#!/usr/bin/env python3
"""Canaries through every door: secrets in requests, gRPC metadata, a WebSocket's handshake and log lines; then every
sink, every answer of the API, the console, the live commands and sonde's own words are searched byte by byte."""

import gzip
import http.server
import json
import pathlib
import socket
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

from harness import SONDE, Process, SondeTest, accepts, free_port, metric_sum, wait_for
from redaction_test import Canaries

OTLP_PATHS = [f"{base}/v1/{signal}" for base in ("", "/json") for signal in ("traces", "logs", "metrics")]

# Says each secret that a request brings in its log, in the ways that logs have, and answers.
SERVER = '''
import json, logging, sys

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
log = logging.getLogger("shop")


def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    if environ["PATH_INFO"] == "/log":
        secret = body
        log.info("login with password=%s accepted", secret)
        log.info("AWS_SECRET_ACCESS_KEY=%s", secret)
        print(json.dumps({"level": "info", "message": "user saved", "user": {"credentials": [{"api_key": secret}]}}),
              flush=True)
        print(json.dumps({"level": "warn", "message": f"Authorization: Bearer {secret}", "token": secret}), flush=True)
        try:
            raise ValueError(f"token={secret}")
        except ValueError:
            log.exception("failed for session_id=%s", secret)
    status = "500 Oops" if environ["PATH_INFO"] == "/log" else "200 OK"
    start_response(status, [("Content-Length", "2"), ("Set-Cookie", "session=" + (body or "none"))])
    return [b"ok"]
'''

GRPC = '''
import concurrent.futures, sys
import grpc

server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
    "shop.Orders", {"Get": grpc.unary_unary_rpc_method_handler(lambda request, context: b"ok")}),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
'''

GRPC_CLIENT = '''
import sys
import grpc

with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
    call = channel.unary_unary("/shop.Orders/Get")
    for line in sys.stdin.read().splitlines():
        name, value = line.split(" ", 1)
        call(b"", metadata=((name, value.encode() if name.endswith("-bin") else value),), timeout=10)
'''

CHAT = '''
import asyncio, sys
import websockets


async def main():
    async def echo(socket):
        async for message in socket:
            await socket.send(message)
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
'''

CHAT_CLIENT = '''
import asyncio, sys
import websockets


async def main():
    port, secret = sys.argv[1:]
    async with websockets.connect(f"ws://127.0.0.1:{port}/room?token={secret}",
                                  extra_headers={"Authorization": f"Bearer {secret}", "Cookie": f"sid={secret}"}) as chat:
        await chat.send(f"password={secret}")
        await chat.recv()

asyncio.run(main())
'''


def snappy(data):
    """Decodes the block format of google/snappy (format_description.txt)."""
    at = 0
    while True:
        byte = data[at]
        at += 1
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[at:at + extra], "little") + 1
                at += extra
            out += data[at:at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at]
            at += 1
        else:
            size = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + size], "little")
            at += size
        for _ in range(length):
            out.append(out[-offset])
    return bytes(out)


class Receiver:
    """Takes whatever is posted, decoded, by path."""

    def __init__(self):
        self.bodies = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                coding = self.headers.get("Content-Encoding", "")
                if coding == "gzip":
                    body = gzip.decompress(body)
                elif coding == "snappy" or self.path == "/loki/api/v1/push":
                    body = snappy(body)
                head = f"{self.path} {self.headers}".encode()
                owner.bodies[self.path] = owner.bodies.get(self.path, b"") + head + body
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Datagrams:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def all(self):
        self.socket.setblocking(False)
        out = b""
        while True:
            try:
                out += self.socket.recv(65536) + b"\n"
            except BlockingIOError:
                return out


class CanaryTest(SondeTest):
    def script(self, name, text, *arguments, **options):
        path = self.directory / name
        path.write_text(text)
        return self.start(Process(["/usr/bin/python3", str(path), *map(str, arguments)], **options))

    def run_script(self, name, source, *arguments, **options):
        path = self.directory / name
        path.write_text(source)
        subprocess.run(["/usr/bin/python3", str(path), *map(str, arguments)], check=True, timeout=60, **options)

    def configure(self, receiver, datagrams):
        sinks = {
            "hook": {"type": "http", "http": {"url": f"{receiver.url}/hook"}},
            "loki": {"type": "loki", "http": {"url": f"{receiver.url}/loki/api/v1/push"}},
            "otlp": {"type": "otlp", "http": {"url": receiver.url},
                     "otlp": {"signals": ["traces", "logs", "metrics"], "interval": "1s"}},
            "otlpjson": {"type": "otlp", "http": {"url": f"{receiver.url}/json"},
                         "otlp": {"format": "json", "signals": ["traces", "logs", "metrics"], "interval": "1s"}},
            "write": {"type": "prometheus_remote_write", "http": {"url": f"{receiver.url}/api/v1/write"},
                      "remote_write": {"interval": "1s"}},
            "statsd": {"type": "statsd", "statsd": {"address": datagrams.address}},
            "second": {"type": "file", "file": {"directory": str(self.directory / "second")}},
        }
        for name in ("hook", "loki", "otlp", "otlpjson"):
            sinks[name]["batch"] = {"time": "100ms"}
        alerts = {"group_wait": "0s", "group_interval": "1s",
                  "rules": {"http_5xx": {"window": "10s", "for": "0s", "min_requests": 3}},
                  "notifiers": {name: {"type": name, "url": f"{receiver.url}/{name}"}
                                for name in ("webhook", "slack", "discord", "alertmanager")}}
        alerts["notifiers"]["pagerduty"] = {"type": "pagerduty", "url": f"{receiver.url}/pagerduty", "pagerduty_key": "k"}
        configuration = self.directory / "sonde.yaml"
        configuration.write_text(json.dumps({"sinks": sinks, "alerts": alerts}))  # JSON is YAML
        return configuration

    def crawl(self, base):
        """Everything that the agent answers on its port, by path."""
        def get(path):
            try:
                with urllib.request.urlopen(base + path, timeout=30) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                return error.read()
            except TimeoutError:
                self.fail(f"{path}: no answer within 30 s")

        paths = ["/metrics", "/health/detailed", "/healthz", "/readyz", "/", "/api/v1", "/api/v1/transactions?limit=1000",
                 "/api/v1/transactions?sort=duration&limit=1000", "/api/v1/endpoints?limit=1000&window_s=300",
                 "/api/v1/metrics?limit=20000"]
        paths += [entry["path"] if isinstance(entry, dict) else entry
                  for entry in json.loads(get("/api/v1"))["paths"]]
        answers = {path: get(path) for path in paths if "{" not in path}
        for row in json.loads(answers["/api/v1/transactions?limit=1000"])["transactions"][:20]:
            answers[f"transaction {row['id']}"] = get(f"/api/v1/transactions/{row['id']}")
        return answers

    def test_no_canary_leaves_by_any_door(self):
        receiver, datagrams = Receiver(), Datagrams()
        self.addCleanup(receiver.stop)
        self.addCleanup(datagrams.socket.close)
        port, grpc_port, chat_port = free_port(), free_port(), free_port()
        (self.directory / "app.py").write_text(SERVER)
        app_log = open(self.directory / "app.log", "wb")
        self.addCleanup(app_log.close)
        self.start(Process(["/usr/bin/python3", "-m", "gunicorn", "--chdir", str(self.directory), "--bind",
                            f"127.0.0.1:{port}", "app:application"], stdout=app_log, stderr=app_log))
        self.script("rpc.py", GRPC, grpc_port)
        self.script("chat.py", CHAT, chat_port)
        for listening in (port, grpc_port, chat_port):
            wait_for(lambda listening=listening: accepts(listening), f"something listens on {listening}", 60)
        sonde = self.start_sonde("--config", str(self.configure(receiver, datagrams)))
        agent = f"127.0.0.1:{sonde.port}"
        base = f"http://{agent}"
        tails = {}
        for name, arguments in {"tail": ["tail"], "tail json": ["tail", "--json"]}.items():
            tails[name] = open(self.directory / f"{name}.out", "w+b")
            self.addCleanup(tails[name].close)
            self.start(Process([SONDE, *arguments, "--connect", agent, "--last", "1000"], stdout=tails[name], stderr=tails[name]))

        canaries = Canaries(f"http://127.0.0.1:{port}")
        canaries.plant()
        for request in canaries.requests:
            subprocess.run(request, check=True)
        logged = [canaries.secret() for _ in range(10)]
        for secret in logged:
            subprocess.run(["curl", "-s", "-o", "/dev/null", "--data-binary", secret, f"{canaries.base}/log"], check=True)
        metadata = [(name, canaries.secret()) for name in
                    ("authorization", "x-api-key", "session-token", "x-tenant-secret", "grpc-trace-bin", "cookie")]
        self.run_script("rpc_client.py", GRPC_CLIENT, grpc_port, input="\n".join(map(" ".join, metadata)), text=True)
        chat_secret = canaries.secret()
        self.run_script("chat_client.py", CHAT_CLIENT, chat_port, chat_secret)
        made = len(canaries.requests) + len(logged)
        wait_for(lambda: metric_sum(sonde.metrics(), "http_server_request_duration_seconds_count",
                                    server_port=str(port)) >= made, "all requests in /metrics")
        wait_for(lambda: "Orders" in sonde.metrics(), "the calls in /metrics")
        told = [f"/{name}" for name in ("webhook", "slack", "discord", "pagerduty", "alertmanager/api/v2/alerts")]
        for path in ("/hook", "/loki/api/v1/push", *OTLP_PATHS, "/api/v1/write", *told):
            wait_for(lambda path=path: path in receiver.bodies, f"something arrived at {path}", 30)

        outputs = self.crawl(base)
        for name, arguments in {"top": ["top", "--once", "--connect", agent], "doctor": ["doctor", "--listen", agent],
                                "doctor json": ["doctor", "--json", "--listen", agent]}.items():
            done = subprocess.run([SONDE, *arguments], capture_output=True, timeout=60)
            self.assertTrue(done.stdout, f"sonde {name}: {done.stderr!r}")
            outputs[f"sonde {name}"] = done.stdout + done.stderr
        self.assertEqual(sonde.stop(), 0)
        query = subprocess.run([SONDE, "query", str(sonde.events), "--type", "any", "--json"], capture_output=True, timeout=60)
        outputs["sonde query"] = query.stdout + query.stderr
        outputs |= {f"posted to {path}": body for path, body in receiver.bodies.items()}
        outputs["statsd"] = datagrams.all()
        outputs["own log"] = pathlib.Path(sonde.log.name).read_bytes()
        for name, file in tails.items():
            file.seek(0)
            outputs[name] = file.read()
        for directory in (sonde.events, self.directory / "second"):
            for file in directory.iterdir():
                outputs[f"{directory.name}/{file.name}"] = file.read_bytes()

        # what was planted was there to be seen, and each door had something to say of it
        said = (self.directory / "app.log").read_bytes()
        self.assertEqual([secret for secret in logged if secret.encode() not in said], [])
        for name in ("/api/v1/transactions?limit=1000", "tail", "tail json", "sonde query", "posted to /hook",
                     "posted to /loki/api/v1/push", "second/transactions.jsonl",
                     *(f"posted to {path}" for path in OTLP_PATHS if not path.endswith("metrics")),
                     "events/logs.jsonl", "/api/v1/logs", "/api/v1/alerts", "posted to /webhook"):
            self.assertIn(b"redacted", outputs[name], name)
        self.assertGreaterEqual(len(set(canaries.secrets)), 75)
        for name, content in outputs.items():
            self.assertTrue(content or name == "own log", f"{name} is empty")
            for form in canaries.forms():
                at = content.find(form)
                self.assertEqual(at, -1, f"{name}: {content[max(0, at - 120):at + 60]!r}")
        print(f"{len(set(canaries.secrets))} secrets, {len(outputs)} outputs, "
              f"{sum(map(len, outputs.values())) / 1e6:.1f} MB searched: none found")


if __name__ == "__main__":
    unittest.main()
