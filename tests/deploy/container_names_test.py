"""Names of containers where no cluster gives them: a real podman's and a real Docker's."""

import json
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
from harness import Process, SondeTest, metric_sum, wait_for  # noqa: E402
from image_check import Podman  # noqa: E402
from truth.server import build_once  # noqa: E402

IMAGE = "localhost/timed:check"
SERVER = ["/timed_server", "8080", "/dev/null"]
SOURCE = HERE.parent / "triggers" / "timed_server.go"
COUNT = "http_server_request_duration_seconds_count"


class Docker(Process):
    """An engine of the test's own, which leaves the machine's network alone."""

    def __init__(self, place):
        self.base = ["docker", "--host", f"unix://{place}/socket"]
        self.log = open(place / "log", "w+b")
        super().__init__(["dockerd", "--data-root", str(place / "data"), "--exec-root", str(place / "exec"), "--host",
                          f"unix://{place}/socket", "--pidfile", str(place / "pid"), "--bridge=none", "--iptables=false",
                          "--ip6tables=false", "--ip-forward=false"], stdout=self.log, stderr=subprocess.STDOUT)
        self.containers = []
        try:
            wait_for(lambda: subprocess.run([*self.base, "info"], capture_output=True).returncode == 0, "dockerd answers", 60)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{(place / 'log').read_text()}") from None

    def __call__(self, *arguments):
        done = subprocess.run([*self.base, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, name, *arguments):
        self.containers.append(name)
        self("run", "--detach", "--name", name, *arguments)

    def stop(self, *arguments):
        for name in self.containers:
            subprocess.run([*self.base, "rm", "--force", name], capture_output=True)
        self.containers.clear()
        code = super().stop(*arguments)
        self.log.close()
        return code


class ContainerNames(SondeTest):
    def setUp(self):
        super().setUp()
        self.archive = self.directory / "image.tar"
        # one static program, one process: a server that forks for each request leaves nobody to ask
        build = build_once("timed_server_static", {"timed_server.go": SOURCE.read_text()},
                           [["env", "CGO_ENABLED=0", "go", "build", "timed_server.go"]])
        subprocess.run(["tar", "-C", str(build), "-cf", str(self.archive), "timed_server"], check=True)

    def start_podman(self):
        place = self.directory / "podman"
        place.mkdir()
        podman = Podman(place, place / "storage")
        self.addCleanup(podman.close)
        podman("import", str(self.archive), IMAGE)
        return podman

    def start_docker(self):
        place = self.directory / "docker"
        place.mkdir()
        docker = self.start(Docker(place))
        docker("import", str(self.archive), IMAGE)
        return docker

    def ask(self, engine, name):
        """A request in the container's own network."""
        pid = json.loads(engine("inspect", name))[0]["State"]["Pid"]
        wait_for(lambda: subprocess.run(
            ["nsenter", f"--net=/proc/{pid}/ns/net", "curl", "-sS", "-o", "/dev/null", "http://127.0.0.1:8080/sleep/0/1"],
            capture_output=True).returncode == 0, f"{name} answers")

    def test_both_engines(self):
        config = self.directory / "sonde.yaml"
        config.write_text("discovery: {services: [{name: billing, containers: ['check-bill*']}]}\n")
        podman, docker = self.start_podman(), self.start_docker()
        podman.start("check-podman", "--network=none", IMAGE, *SERVER)
        docker.start("check-docker", "--network=none", IMAGE, *SERVER)
        sonde = self.start_sonde("--config", str(config))
        podman.start("check-bills", "--network=none", IMAGE, *SERVER)  # while it watches
        engines = {"check-podman": podman, "check-docker": docker, "check-bills": podman}
        services = {"check-podman": "container:check-podman", "check-docker": "container:check-docker",
                    "check-bills": "billing"}
        ids = {}
        for name, engine in engines.items():
            ids[name] = json.loads(engine("inspect", name))[0]["Id"]
            self.ask(engine, name)
        for service in services.values():
            wait_for(lambda: metric_sum(sonde.metrics(), COUNT, service_name=service) > 0, f"{service} is counted")
        self.assertEqual(sonde.stop(), 0, sonde.output())
        for name, service in services.items():
            seen = [line["container"] for line in sonde.transactions("server", 8080) if line["service"] == service]
            self.assertEqual(seen[0], {"id": ids[name], "name": name})


if __name__ == "__main__":
    unittest.main(verbosity=2)
