"""The load: each kind goes in turns, is bounded, and knows how many answers it got.

About 2,200 requests and 150 log lines a second: with everything that serves them and with sonde about half a core."""

import json
import pathlib
import re
import subprocess

from harness import PYTHON, Nginx, Process, accepts, free_port, wait_for
from truth.load import run
from turns import Turns

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
ECHO = str(TRIGGERS / "websocket_echo.py")
PATHS = ("/ok", "/missing", "/orders/17", "/shop/cart")
LOCATIONS = """location / {{ return 404 no; }} location /ok {{ return 200 ok; }}
               location /orders/ {{ return 200 order; }} location /shop/ {{ proxy_pass http://127.0.0.1:{}; }}"""


def certificate(directory):
    paths = directory / "certificate.pem", directory / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", str(paths[1]), "-out", str(paths[0])])
    return paths


class Servers:
    """What is asked: nginx with uvicorn behind it, nginx with TLS, nghttpd, a WebSocket server; by port."""

    def __init__(self, stack, directory):
        def start(process, port=None):
            stack.callback(process.stop)
            wait_for(lambda: accepts(port or process.port), f"{port or process.port} is listened on")
            return process

        behind, self.http2, self.websocket = free_port(), free_port(), free_port()
        start(Process([PYTHON, "-m", "uvicorn", "--app-dir", str(TRIGGERS), "--port", str(behind),
                       "--log-level", "error", "asgi_count:application"]), behind)
        for name in ("plain", "short", "tls"):
            (directory / name).mkdir()
        self.http1 = start(Nginx(directory / "plain", LOCATIONS.format(behind))).port
        self.short = start(Nginx(directory / "short", LOCATIONS.format(behind))).port
        self.tls = start(Nginx(directory / "tls", LOCATIONS.format(behind), tls=certificate(directory))).port
        www = directory / "www"
        www.mkdir()
        (www / "ok").write_bytes(b"ok" * 500)
        start(Process(["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(www), str(self.http2)]), self.http2)
        start(Process([PYTHON, ECHO, "serve", str(self.websocket)]), self.websocket)


class H2load(Turns):
    """Ten seconds of requests at a steady rate, over new connections each time."""

    def __init__(self, url, paths, clients, per_client, *arguments):
        super().__init__(0.5)
        self.count = 0
        self.argv = ["h2load", "-t", "1", "-c", str(clients), "-n", str(clients * per_client * 10), "--rps",
                     str(per_client), *arguments, *(url + path for path in paths)]

    def turn(self):
        text = run(self.argv)
        if " 0 errored, 0 timeout" not in text:
            raise AssertionError(f"h2load: {text[-800:]}")
        self.count += sum(map(int, re.findall(r"(\d+) [2-5]xx", text)))


class WebSockets(Turns):
    """Ten connections one after the other, with messages of up to 200,000 bytes."""

    def __init__(self, port):
        super().__init__(4)
        self.uri, self.count, self.messages = f"ws://127.0.0.1:{port}", 0, 0

    def turn(self):
        rows = json.loads(run([PYTHON, ECHO, "call", self.uri, "10"]))
        self.count += len(rows)
        self.messages += sum(sum(row["messages"]) for row in rows)


class ShortLived(Turns):
    """Processes that are gone at once: one that asks, some that do nothing."""

    def __init__(self, port):
        super().__init__(0.3)
        self.url, self.count = f"http://127.0.0.1:{port}/ok", 0

    def turn(self):
        for _ in range(4):
            subprocess.run(["/bin/true"], check=True)
        run(["curl", "-sS", "-o", "/dev/null", self.url])
        self.count += 1


def kinds(servers):
    return {
        "HTTP/1": H2load(f"http://127.0.0.1:{servers.http1}", PATHS, 4, 150, "--h1", "-m", "1"),
        "HTTP/2": H2load(f"http://127.0.0.1:{servers.http2}", ("/ok", "/missing"), 2, 600, "-m", "8"),
        "TLS": H2load(f"https://127.0.0.1:{servers.tls}", PATHS, 2, 200, "--h1", "-m", "1"),
        "WebSocket": WebSockets(servers.websocket),
        "short-lived": ShortLived(servers.short),
    }
