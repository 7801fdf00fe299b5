"""What the benchmarks hold against nothing: sonde without a file, syscall_tracer, and a neighbour that only takes time.
Each works inside a `with`."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import PYTHON, SONDE, Process, fetch, free_port, wait_for  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("SONDE_BENCHES") or pathlib.Path(SONDE).parent / "tests")


class Agent(Process):
    def __init__(self, *options):
        self.url = f"http://127.0.0.1:{free_port()}"
        super().__init__([SONDE, "run", "--listen", self.url.removeprefix("http://"), *options])

    def __enter__(self):
        try:
            wait_for(self.ready, "sonde is ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def ready(self):
        try:
            return fetch(f"{self.url}/readyz") == "ready\n"
        except OSError:
            return False

    def metrics(self):
        return fetch(f"{self.url}/metrics")

    def pipeline_ns(self):
        """CPU time of its main thread so far."""
        return int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])


class Tracer(Process):
    """name: syscall_tracer, or bare_hooks; arguments: its own."""

    def __init__(self, name="syscall_tracer", *arguments):
        self.name = name
        super().__init__([str(PROGRAMS / name), *arguments], stdout=subprocess.PIPE)

    def __enter__(self):
        if self.child.stdout.readline() != b"tracing\n":
            self.stop()
            raise RuntimeError(f"{self.name} cannot trace: run it by hand, it says why")
        return self

    def __exit__(self, *_):
        self.stop()
        self.child.stdout.close()


class Neighbour(Process):
    """Takes as much of a core as sonde's pipeline does, in turns of 10 ms, and hooks nothing."""

    SHARE = 0.35

    def __init__(self):
        super().__init__([PYTHON, "-c", f"""
import time
while True:
    begun = time.thread_time()
    while time.thread_time() - begun < {0.01 * self.SHARE}:
        pass
    time.sleep({0.01 * (1 - self.SHARE)})
"""])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
