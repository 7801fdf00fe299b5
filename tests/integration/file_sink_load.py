"""Drives tests/triggers/file_sink_load and reads what it left: numbered records in a directory."""

import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

LOAD = os.environ.get("SONDE_FILE_SINK_LOAD") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "tests" / "file_sink_load"
)
CURRENT = "transactions.jsonl"
ROTATED = re.compile(r"transactions-\d{8}T\d{6}\.\d{3}Z\.jsonl(\.zst|\.gz)?$")


class Load:
    """One run. `acknowledged` grows with each good flush: so many records were handed over and written."""

    def __init__(self, directory, **options):
        self.acknowledged = 0
        self.failed = 0
        self.whys = []  # each word but "ok", once in a row
        self.flushes = 0
        self.end = None
        self.child = subprocess.Popen(
            [LOAD, str(directory), *(f"{key}={value}" for key, value in options.items())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        last = "ok"
        for line in self.child.stdout:
            if not line.endswith("\n"):
                break  # the kill came in the middle of it
            if line.startswith("{"):
                self.end = json.loads(line)
                continue
            records, failed, why = line.rstrip("\n").split(" ", 2)
            self.flushes += 1
            self.failed = int(failed)
            if why == "ok":
                self.acknowledged = int(records)
            elif why != last:
                self.whys.append(why)
            last = why

    def signal(self, number):
        os.kill(self.child.pid, number)

    def wait(self):
        self.reader.join()
        self.child.stdout.close()
        self.errors = self.child.stderr.read()
        self.child.stderr.close()
        return self.child.wait(20)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        if self.child.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()


def read_lines(path):
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout
    else:
        data = path.read_bytes()
    return data.splitlines(keepends=True)


def numbers(path):
    """The numbers of the records in one file; raises where a line is not whole JSON."""
    found = []
    for line in read_lines(path):
        if not line.endswith(b"\n"):
            raise AssertionError(f"{path}: torn last line {line[:80]!r}")
        found.append(int(json.loads(line)["path"][1:]))
    return found


def files(directory):
    """Rotated files by age, then the current one."""
    names = sorted(name for name in os.listdir(directory) if ROTATED.match(name))
    paths = [pathlib.Path(directory) / name for name in names]
    current = pathlib.Path(directory) / CURRENT
    return [*paths, *([current] if current.exists() else [])]
