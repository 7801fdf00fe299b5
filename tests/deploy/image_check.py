#!/usr/bin/env python3
"""Builds the image from deploy/Dockerfile and watches with it: an nginx on the host, and one in another container. As root; run by
hand, since it takes minutes: an image of Debian is made by mmdebstrap (no registry is asked), and the program is the one that
was built here.

    image_check.py [--image NAME: one that is there already] [--root DIRECTORY of podman's storage]
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness import SONDE, Nginx, accepts, fetch, free_port, metric_sum, wait_for  # noqa: E402


class Podman:
    def __init__(self, place, storage):
        self.environment = {**os.environ, "CONTAINERS_CONF": str(place / "containers.conf")}
        (place / "containers.conf").write_text(
            '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=32768:32768"]\n'
            '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n')
        self.base = ["podman", "--root", str(storage / "root"), "--runroot", str(storage / "run"), "--storage-driver",
                     "vfs", "--runtime", "runc"]
        self.containers = []

    def __call__(self, *arguments, check=True):
        done = subprocess.run([*self.base, *arguments], capture_output=True, text=True, env=self.environment)
        if check and done.returncode != 0:
            raise AssertionError(f"podman {' '.join(arguments)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def start(self, name, *arguments):
        self("run", "--detach", "--name", name, *arguments)
        self.containers.append(name)

    def clean(self):
        for name in self.containers:
            self("rm", "--force", "--time", "10", name, check=False)


def build(podman, place):
    subprocess.run(["mmdebstrap", "--variant=apt", "--include=bash", "bookworm", str(place / "base.tar")], check=True,
                   capture_output=True)
    podman("import", str(place / "base.tar"), "localhost/base")
    context = place / "context"
    shutil.copytree(ROOT / "deploy", context / "deploy")
    shutil.copy(SONDE, context / "sonde-prebuilt")
    podman("build", "--isolation", "chroot", "--network", "host", "--build-arg", "BASE=localhost/base", "--build-arg",
           "PREBUILT=sonde-prebuilt", "-t", "localhost/sonde:check", "-f", str(context / "deploy" / "Dockerfile"), str(context))
    return "localhost/sonde:check"


def nginx_root(place, port):
    """A root with nginx and its libraries, made as the image's is."""
    root = place / "nginx"
    subprocess.run(["sh", str(ROOT / "deploy" / "image" / "collect.sh"), "/usr/sbin/nginx", str(root)], check=True)
    for each in ("var/log/nginx", "var/lib/nginx", "run", "www"):
        (root / each).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid /run/nginx.pid; error_log /dev/null; user nobody nogroup; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 'ok'; }} }} }}\n")
    return root


def watch(podman, image, place):
    listed = re.findall(r"^\| `CAP_(\w+)` \|", (ROOT / "docs" / "privileges.md").read_text(), re.M)
    port, inner = free_port(), free_port()
    outer = Nginx(place / "host", "location / { return 200 ok; }")
    try:
        podman.start("check-nginx", "--network=host", "--rootfs", str(nginx_root(place, inner)), "/usr/sbin/nginx", "-c",
                     "/nginx.conf", "-e", "/dev/null")
        podman.start("check-sonde", "--pid=host", "--cgroupns=host", "--network=host", "--read-only", "--cap-drop=all",
                     f"--cap-add={','.join(listed)}", "--security-opt", "seccomp=unconfined", "--security-opt",
                     "no-new-privileges", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", image, "run", "--listen",
                     f"127.0.0.1:{port}")
        url = f"http://127.0.0.1:{port}"

        def ready():
            try:
                return fetch(f"{url}/readyz") == "ready\n"
            except OSError:
                return False

        wait_for(ready, "sonde answers in its container", 60)
        wait_for(lambda: accepts(inner), "nginx answers in its container")
        for _ in range(10):
            fetch(f"http://127.0.0.1:{outer.port}/x")
            fetch(f"http://127.0.0.1:{inner}/y")

        def count(of_port):
            return metric_sum(fetch(f"{url}/metrics"), "http_server_request_duration_seconds_count", server_port=str(of_port))

        wait_for(lambda: count(outer.port) == 10 and count(inner) == 10, "both are counted")
        names = set(re.findall(r'http_server_request_duration_seconds_count\{.*server_port="%d".*service_name="([^"]*)"' % inner,
                               fetch(f"{url}/metrics")))
        missing = re.findall(r'sonde_feature_enabled\{feature="(\w+)"\} 0', fetch(f"{url}/metrics"))
        print(f"10 requests to nginx on the host and 10 to nginx in a container ({', '.join(names)}); capabilities: "
              f"{', '.join(listed)}; features missing: {', '.join(missing) or 'none'}")
        if not all(name.startswith("container:") for name in names):
            raise AssertionError(names)
    except AssertionError:
        print(podman("logs", "check-sonde", check=False))
        raise
    finally:
        podman.clean()
        outer.stop()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--image")
    arguments.add_argument("--root", type=pathlib.Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-image-", dir="/var/tmp") as directory:
        place = pathlib.Path(directory)
        place.chmod(0o755)
        (place / "host").mkdir()
        podman = Podman(place, given.root or place / "storage")
        image = given.image or build(podman, place)
        size = json.loads(podman("image", "inspect", image))[0]["Size"]
        print(f"{image}: {size / 1e6:.1f} MB")
        watch(podman, image, place)


if __name__ == "__main__":
    main()
