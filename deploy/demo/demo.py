#!/usr/bin/env python3
"""What `deploy/run.sh --demo` looks at: a small shop with a load that goes wrong by turns, all on loopback.

  front (nginx) ──► orders (Python, two workers) ──► stock (Node)

Calm, then queueing (reports hold both workers), errors (payments fail), a slow downstream (stock takes its time), and
calm again. Runs until it is told to stop, its parent goes away, or the time is up."""

import argparse
import contextlib
import http.client
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# Seconds of each state, in the order of a turn.
TURN = (("calm", 60), ("queueing", 45), ("calm", 20), ("errors", 45), ("calm", 20), ("slow-stock", 45))
CLIENTS = 4
REQUESTS_PER_SECOND = 24  # of all clients, while answers are quick
WEIGHTS = {"/": 5, "/style.css": 4, "/orders": 8, "/search": 3, "/checkout": 4}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nginx_configuration(root, port, orders_port):
    return f"""
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {root}/www;
    location = / {{ try_files /index.html =404; }}
    location = /style.css {{ }}
    location / {{ proxy_pass http://127.0.0.1:{orders_port}; proxy_set_header Host $http_host; }}
  }}
}}
"""


class Load:
    """Clients of the shop. What goes wrong is told by the state, which anybody may set."""

    def __init__(self, port, state):
        self.port = port
        self.state = state
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.visit, args=(i,), daemon=True) for i in range(CLIENTS)]
        self.threads += [threading.Thread(target=self.report, daemon=True) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", path, headers={"X-Demo": self.state, "Host": "shop.local"})
            connection.getresponse().read()

    def visit(self, number):
        dice = random.Random(number)
        while not self.stopped.is_set():
            path = dice.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
            self.get(f"/orders/{dice.randrange(10_000)}" if path == "/orders" else path)
            self.stopped.wait(dice.expovariate(REQUESTS_PER_SECOND / CLIENTS))

    def report(self):
        while not self.stopped.is_set():
            if self.state == "queueing":
                self.get("/report")
            self.stopped.wait(0.05 if self.state == "queueing" else 0.5)


def follow_stdin(load):
    states = {state for state, _ in TURN}
    for line in sys.stdin:
        if line.strip() in states:
            load.state = line.strip()


def start_services(root, ports):
    front, orders, stock = ports
    (root / "www").mkdir()
    (root / "www" / "index.html").write_text("<h1>sonde demo</h1>\n")
    (root / "www" / "style.css").write_text("body { margin: 2em }\n" * 50)
    (root / "nginx.conf").write_text(nginx_configuration(root, front, orders))
    commands = {
        "stock": ["node", str(HERE / "stock.js"), str(stock)],
        "orders": [sys.executable, str(HERE / "orders.py"), str(orders), str(stock)],
        "front": ["/usr/sbin/nginx", "-p", str(root), "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")],
    }
    children = []
    for name, command in commands.items():
        with open(root / f"{name}.log", "wb") as log:
            children.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
    return children


def run(options, stop):
    root = pathlib.Path(tempfile.mkdtemp(prefix="sonde-demo-"))
    os.chmod(root, 0o755)
    parent = os.getppid()
    children = []
    load = None
    try:
        ports = (options.port or free_port(), free_port(), free_port())
        children = start_services(root, ports)
        deadline = time.monotonic() + 10
        while not all(accepts(port) for port in ports) and time.monotonic() < deadline:
            stop.wait(0.05)
        load = Load(ports[0], options.state or TURN[0][0])
        if options.state:
            threading.Thread(target=follow_stdin, args=(load,), daemon=True).start()
        print(f"front={ports[0]} orders={ports[1]} stock={ports[2]}", flush=True)
        began = time.monotonic()
        turn_s = sum(seconds for _, seconds in TURN)
        while not stop.wait(0.5) and time.monotonic() < began + options.seconds and os.getppid() == parent:
            if options.state:
                continue
            at = (time.monotonic() - began) % turn_s
            for state, seconds in TURN:
                if at < seconds:
                    load.state = state
                    break
                at -= seconds
    finally:
        if load:
            load.stopped.set()
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        shutil.rmtree(root, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--state", choices=sorted({state for state, _ in TURN}), help="stay in it, until a line on stdin names another; else by turns")
    arguments.add_argument("--seconds", type=float, default=600, help="the longest it runs (default: %(default)s)")
    arguments.add_argument("--port", type=int, default=0, help="of the front; 0: a free one")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(arguments.parse_args(), stop)


if __name__ == "__main__":
    main()
