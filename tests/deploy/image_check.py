"""Builds the image from deploy/Dockerfile, program included, and watches with it: an nginx on the host, and one in a container
with a network of its own. As root, by tests/deploy/image.sh; no test of every day, since it compiles everything. No registry
is asked: mmdebstrap makes the Debian image that the Dockerfile begins with. Nothing stays behind.

    image_check.py [--prebuilt: the program that was built here, not compiled again] [--image NAME: one that is there already]
                   [--root DIRECTORY: podman's storage, kept, so that a second run finds the first one's layers]
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
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness import SONDE, Nginx, fetch, free_port, metric_sum, wait_for  # noqa: E402

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IMAGE = "localhost/sonde:check"
NGINX = "localhost/nginx:check"
REQUESTS = 10


def mounts_below(directory):
    """Innermost first."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted((line.split()[4] for line in lines if line.split()[4].startswith(f"{directory}/")), reverse=True)


class Podman:
    def __init__(self, place, storage):
        self.storage = storage
        self.environment = {**os.environ, "CONTAINERS_CONF": str(place / "containers.conf")}
        (place / "containers.conf").write_text(
            '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=32768:32768"]\n'
            '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n')
        self.containers = []
        self.driver("overlay")
        if subprocess.run([*self.base, "info"], capture_output=True, env=self.environment).returncode != 0:
            self.driver("vfs")  # the storage lies on a file system that overlay cannot use

    def driver(self, name):
        self.base = ["podman", "--root", str(self.storage / "root"), "--runroot", str(self.storage / "run"),
                     "--storage-driver", name, "--runtime", "runc"]

    def __call__(self, *arguments, check=True):
        done = subprocess.run([*self.base, *arguments], capture_output=True, text=True, env=self.environment)
        if check and done.returncode != 0:
            raise AssertionError(f"podman {' '.join(arguments)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def has(self, image):
        return subprocess.run([*self.base, "image", "exists", image], env=self.environment).returncode == 0

    def start(self, name, *arguments):
        self.containers.append(name)
        self("run", "--detach", "--name", name, *arguments)

    def clean(self):
        for name in self.containers:
            self("rm", "--force", "--ignore", "--time", "10", name, check=False)
        self.containers.clear()

    def busy(self):
        """Does anything still work in the storage? A container's monitor cleans up after its end, and mounts once more."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                program, *arguments = path.read_bytes().split(b"\0")
            except OSError:  # it has just ended
                continue
            if program.rpartition(b"/")[2] in (b"conmon", b"podman") and str(self.storage / "root").encode() in arguments:
                return True
        return False

    def close(self):
        self.clean()
        wait_for(lambda: not self.busy(), "podman has cleaned up", 60)
        for path in mounts_below(self.storage):
            subprocess.run(["umount", path], check=True)


def timed(what, action, *arguments):
    started = time.monotonic()
    action(*arguments)
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


def make_base(podman, place):
    """The image that the Dockerfile begins with, by the name that it has there."""
    name = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.M)[1]
    if podman.has(name):
        return name
    suite = re.search(r":(\w+)-slim$", name)[1]
    archive = place / "base.tar"

    def make():
        done = subprocess.run(["mmdebstrap", "--variant=apt", "--include=bash", suite, str(archive)], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr[-3000:])
        podman("import", str(archive), name)
        archive.unlink()

    timed(f"{name} by mmdebstrap", make)
    return name


def build(podman, place, *, prebuilt):
    context, given = ROOT, []
    if prebuilt:
        context = place / "context"
        shutil.copytree(ROOT / "deploy", context / "deploy")
        shutil.copy(SONDE, context / "sonde-prebuilt")
        given = ["--build-arg", "PREBUILT=sonde-prebuilt"]
    timed("podman build" + (" of the program that is there" if prebuilt else ", compiling"), podman, "build", "--pull=never",
          "--network=host", *given, "-t", IMAGE, "-f", str(DOCKERFILE), str(context))
    return IMAGE


def build_nginx(podman, place, base):
    context = place / "nginx-image"
    context.mkdir()
    (context / "nginx.conf").write_text(
        "daemon off; worker_processes 1; pid /run/nginx.pid; error_log stderr; events {}\n"
        "http { access_log off; server { listen 127.0.0.1:80; location / { return 200 'ok'; } } }\n")
    (context / "Dockerfile").write_text(
        f"FROM {base}\nRUN apt-get update -q && apt-get install -qy --no-install-recommends nginx-light\n"
        'COPY nginx.conf /nginx.conf\nCMD ["/usr/sbin/nginx", "-c", "/nginx.conf"]\n')
    timed("podman build of nginx", podman, "build", "--pull=never", "--network=host", "-t", NGINX, str(context))


def check_contents(podman, image):
    size = json.loads(podman("image", "inspect", image))[0]["Size"]
    with tempfile.TemporaryFile() as archive:
        podman.containers.append("check-contents")
        podman("create", "--name", "check-contents", image)
        subprocess.run([*podman.base, "export", "check-contents"], stdout=archive, env=podman.environment, check=True)
        archive.seek(0)
        names = subprocess.run(["tar", "-t"], stdin=archive, capture_output=True, text=True, check=True).stdout.split()
    programs = [name for name in names if re.match(r"(usr/)?s?bin/.", name)]
    print(f"{image}: {size / 1e6:.1f} MB, {len([name for name in names if not name.endswith('/')])} files, programs: "
          f"{', '.join(programs)}")
    if programs != ["usr/bin/sonde"]:
        raise AssertionError(programs)


def features_missing(metrics):
    return re.findall(r'sonde_feature_enabled\{feature="(\w+)"\} 0', metrics)


def watch(podman, image, place):
    listed = re.findall(r"^\| `CAP_(\w+)` \|", (ROOT / "docs" / "privileges.md").read_text(), re.M)
    port = free_port()
    outer = Nginx(place / "host", "location / { return 200 ok; }")
    url = f"http://127.0.0.1:{port}"
    try:
        podman.start("check-nginx", "--network=none", NGINX)
        podman.start("check-sonde", "--pid=host", "--cgroupns=host", "--network=host", "--read-only", "--cap-drop=all",
                     f"--cap-add={','.join(listed)}", "--security-opt", "seccomp=unconfined", "--security-opt",
                     "no-new-privileges", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", image, "run", "--listen",
                     f"127.0.0.1:{port}")
        inner = json.loads(podman("inspect", "check-nginx"))[0]
        in_its_network = ["nsenter", f"--net=/proc/{inner['State']['Pid']}/ns/net", "curl", "-sS", "http://127.0.0.1/y"]

        def ready():
            try:
                return fetch(f"{url}/readyz") == "ready\n"
            except OSError:
                return False

        wait_for(ready, "sonde answers in its container", 60)
        wait_for(lambda: subprocess.run(in_its_network, capture_output=True, text=True).stdout == "ok",
                 "nginx answers in its container")

        def count(**labels):
            return metric_sum(fetch(f"{url}/metrics"), "http_server_request_duration_seconds_count", **labels)

        # the name is podman's: sonde finds it from within its own container
        service = {"service_name": "container:check-nginx", "server_port": "80"}
        wait_for(lambda: count(**service) >= 1, "nginx in its container is seen")
        before = count(**service)
        for _ in range(REQUESTS):
            fetch(f"http://127.0.0.1:{outer.port}/x")
            subprocess.run(in_its_network, capture_output=True, check=True)
        wait_for(lambda: count(server_port=str(outer.port)) == REQUESTS and count(**service) == before + REQUESTS,
                 "both are counted")
        missing = features_missing(fetch(f"{url}/metrics"))
        status = (pathlib.Path("/proc") / str(json.loads(podman("inspect", "check-sonde"))[0]["State"]["Pid"]) / "status").read_text()
        print(f"{REQUESTS} requests to nginx on the host and {REQUESTS} to nginx in a container ({service['service_name']}): all "
              f"counted; capabilities: {', '.join(listed)}; bounding set {re.search(r'CapBnd:.(.*)', status)[1]}; "
              f"features missing: {', '.join(missing) or 'none'}")
        if missing:
            raise AssertionError(missing)
        podman("stop", "--time", "20", "check-sonde")
        code = json.loads(podman("inspect", "check-sonde"))[0]["State"]["ExitCode"]
        if code != 0:
            raise AssertionError(f"sonde ended with {code}")
    except AssertionError:
        print(subprocess.run([*podman.base, "logs", "check-sonde"], env=podman.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True).stdout)
        raise
    finally:
        podman.clean()
        outer.stop()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--prebuilt", action="store_true")
    arguments.add_argument("--image")
    arguments.add_argument("--root", type=pathlib.Path)
    given = arguments.parse_args()
    # not /tmp: that may be memory, and compiling takes 2 GB
    with tempfile.TemporaryDirectory(prefix="sonde-image-", dir="/var/tmp") as directory:
        place = pathlib.Path(directory)
        place.chmod(0o755)
        (place / "host").mkdir()
        podman = Podman(place, given.root.resolve() if given.root else place / "storage")
        try:
            base = make_base(podman, place)
            image = given.image or build(podman, place, prebuilt=given.prebuilt)
            build_nginx(podman, place, base)
            check_contents(podman, image)
            watch(podman, image, place)
        finally:
            podman.close()


if __name__ == "__main__":
    main()
