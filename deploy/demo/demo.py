#!/usr/bin/env python3
"""What `deploy/run.sh --demo` looks at: nginx, a small Python shop and a gentle load, all on loopback.

Runs until it is told to stop, its parent goes away, or ten minutes have passed."""

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
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SECONDS_MAX = 600
REQUESTS_PER_SECOND = 40


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nginx_configuration(root, port, shop_port):
    return f"""
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {root}/www;
    location /shop/ {{ proxy_pass http://127.0.0.1:{shop_port}/; }}
  }}
}}
"""


def load(stop, nginx_port, shop_port):
    random.seed(1)
    while not stop.is_set():
        nginx, shop = f"http://127.0.0.1:{nginx_port}", f"http://127.0.0.1:{shop_port}"
        url = random.choices(
            [nginx + "/", nginx + "/style.css", f"{nginx}/shop/orders/{random.randrange(10_000)}",
             f"{shop}/orders/{random.randrange(10_000)}", shop + "/search", shop + "/report", shop + "/pay"],
            weights=[6, 4, 5, 4, 3, 1, 2])[0]
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            pass  # the shop fails at times: that is what the demo shows
        stop.wait(random.expovariate(REQUESTS_PER_SECOND / 4))


def main():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sonde-demo-"))
    os.chmod(root, 0o755)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    children = []
    try:
        (root / "www").mkdir()
        (root / "www" / "index.html").write_text("<h1>sonde demo</h1>\n")
        (root / "www" / "style.css").write_text("body { margin: 2em }\n" * 50)
        nginx_port, shop_port = free_port(), free_port()
        (root / "nginx.conf").write_text(nginx_configuration(root, nginx_port, shop_port))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        children.append(subprocess.Popen([sys.executable, str(HERE / "shop.py"), str(shop_port)], **quiet))
        children.append(subprocess.Popen(
            ["/usr/sbin/nginx", "-p", str(root), "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")], **quiet))
        deadline = time.monotonic() + 10
        while not (accepts(nginx_port) and accepts(shop_port)) and time.monotonic() < deadline:
            stop.wait(0.05)
        for _ in range(4):
            threading.Thread(target=load, args=(stop, nginx_port, shop_port), daemon=True).start()
        end = time.monotonic() + SECONDS_MAX
        while not stop.wait(0.5) and time.monotonic() < end and os.getppid() == parent:
            pass
    finally:
        stop.set()
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
