#!/usr/bin/env python3
"""Log files under rotation: 200 rotations under 20,000 lines a second, the tailer killed with SIGKILL 20 times.

Every line is handed over at least once, none is torn, none is doubled within one run of the tailer, each run goes in
order, and what a checkpoint covers never comes again.

What the writer does so that a loss would be the tailer's: with copytruncate it writes nothing between the end of the
copy and the truncation (such lines are lost by the method itself, whoever reads); before it deletes a file without
keeping a copy it waits until the lines were handed over (deleted while no tailer runs, they are out of reach).
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import SONDE, wait_for

DRIVER = os.environ.get("TAIL_DRIVER") or str(pathlib.Path(SONDE).parent / "tests" / "tail_driver")
LINE_BYTES = 64
LINES_PER_S = 20_000
ROTATIONS = 200
LINES_PER_ROTATION = 1000
KILLS = 20
KEPT = 60


def line(number):
    return f"{number:010d} ".ljust(LINE_BYTES - 1, "x").encode() + b"\n"


class Writer(threading.Thread):
    """Appends numbered lines at a steady rate and rotates the file after every LINES_PER_ROTATION of them."""

    def __init__(self, path, rotate):
        super().__init__(daemon=True)
        self.path = path
        self.rotate = rotate
        self.error = None
        self.written = 0
        self.handle = open(path, "ab", buffering=0)

    def run(self):
        try:
            batch = 100
            started = time.monotonic()
            while self.written < ROTATIONS * LINES_PER_ROTATION:
                self.handle.write(b"".join(line(self.written + i) for i in range(batch)))
                self.written += batch
                if self.written % LINES_PER_ROTATION == 0:
                    self.rotate(self)
                time.sleep(max(0.0, started + self.written / LINES_PER_S - time.monotonic()))
        except BaseException as error:  # told by the test's own thread
            self.error = error

    def reopen(self):
        self.handle.close()
        self.handle = open(self.path, "ab", buffering=0)


def shift(path):
    """What logrotate does with the files that it keeps."""
    for number in range(KEPT, 0, -1):
        older = pathlib.Path(f"{path}.{number}")
        if older.exists():
            if number == KEPT:
                older.unlink()
            else:
                older.rename(f"{path}.{number + 1}")


def by_rename(writer):
    shift(writer.path)
    os.rename(writer.path, f"{writer.path}.1")
    writer.reopen()


def by_copytruncate(writer):
    shift(writer.path)
    shutil.copyfile(writer.path, f"{writer.path}.1")
    os.truncate(writer.path, 0)


class Tail:
    """The driver, killed and started again; each of its runs has an output file of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.pattern = str(folder / "logs" / "*.log")
        self.checkpoint = folder / "checkpoint"
        self.runs = 0
        self.covered = []  # (run, numbers): what the checkpoint covered when that run was killed
        self.child = None

    def start(self):
        self.runs += 1
        self.child = subprocess.Popen(
            [DRIVER, self.pattern, self.checkpoint, self.output(self.runs - 1), "beginning", "idle=5000",
             "checkpoint=100", "hold=20"], stdout=subprocess.PIPE, text=True)

    def output(self, run):
        return self.folder / f"out.{run}"

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self.child.stdout.close()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        told, _ = self.child.communicate(timeout=20)
        if self.child.returncode != 0:
            raise AssertionError(f"tail_driver: {self.child.returncode}")
        return dict(words.split() for words in told.splitlines())

    def numbers(self, run):
        path = self.output(run)
        data = path.read_bytes() if path.exists() else b""
        numbers = []
        for at in range(0, len(data), LINE_BYTES):
            text = data[at:at + LINE_BYTES]
            if len(text) == LINE_BYTES:
                number = int(text[:10])
                if text != line(number):
                    raise AssertionError(f"torn: {text!r}")
                numbers.append(number)
            elif run == self.runs - 1:
                raise AssertionError(f"half a line at the end: {text!r}")
        return numbers


def fingerprint(front):
    """The tailer's, see agent/log/file_identity.cpp: an inode alone may be another file's by now."""
    value = 0xCBF29CE484222325 ^ len(front)
    for at in range(0, len(front), 8):
        value = (value ^ int.from_bytes(front[at:at + 8], "little")) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
        value ^= value >> 32
    return value


def covered_by_checkpoint(checkpoint):
    """Numbers of the lines that a checkpoint calls done, of the files that are still there by the same inode."""
    numbers = set()
    folder = checkpoint.parent / "logs"
    front_of_inode = {}
    for path in folder.iterdir():
        try:
            with open(path, "rb") as handle:
                front_of_inode[os.fstat(handle.fileno()).st_ino] = handle.read(1024)
        except FileNotFoundError:
            continue
    if not checkpoint.exists():
        return numbers
    for text in checkpoint.read_text().splitlines()[2:-1]:
        fields = text.split()
        inode, size, value, offset = (int(fields[i]) for i in (1, 2, 3, 4))
        front = front_of_inode.get(inode, b"")
        if size >= LINE_BYTES and fingerprint(front[:size]) == value:
            first = int(front[:10])
            numbers.update(range(first, first + offset // LINE_BYTES))
    return numbers


class LogRotation(unittest.TestCase):
    def torture(self, rotate, inode_is_content):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "logs").mkdir()
            tail = Tail(folder)
            tail.start()
            try:
                writer = Writer(str(folder / "logs" / "app.log"), lambda w: rotate(w, tail))
                writer.start()
                pauses = random.Random(5)
                expected_s = ROTATIONS * LINES_PER_ROTATION / LINES_PER_S
                for _ in range(KILLS):
                    time.sleep(pauses.uniform(0.3, 0.9) * expected_s / KILLS)
                    tail.kill()
                    if inode_is_content:
                        tail.covered.append((tail.runs - 1, covered_by_checkpoint(tail.checkpoint)))
                    tail.start()
                writer.join(120)
                self.assertIsNone(writer.error)
                self.assertFalse(writer.is_alive())
                last = writer.written - 1
                wait_for(lambda: self.seen(tail, last), "the last line", 60)
                stats = tail.stop()
            finally:
                if tail.child.poll() is None:
                    tail.kill()
            self.judge(tail, writer.written, stats)

    @staticmethod
    def seen(tail, number):
        path = tail.output(tail.runs - 1)
        return path.exists() and line(number) in path.read_bytes()[-8 * LINE_BYTES:]

    def judge(self, tail, written, stats):
        runs = [tail.numbers(run) for run in range(tail.runs)]
        together = [number for run in runs for number in run]
        missing = sorted(set(range(written)) - set(together))
        doubled = len(together) - len(set(together))
        print(f"{self.id().split('.')[-1]}: {written} lines, {tail.runs} runs, {len(missing)} missing, "
              f"{doubled} again after a kill, {stats}", flush=True)
        self.assertEqual(missing, [])
        self.assertEqual(set(together) - set(range(written)), set())
        for number, run in enumerate(runs):
            disorder = [(a, b) for a, b in zip(run, run[1:]) if b <= a]
            self.assertEqual(disorder, [], f"run {number}")
        for killed, numbers in tail.covered:
            again = numbers.intersection(n for run in runs[killed + 1:] for n in run)
            self.assertEqual(sorted(again)[:10], [], f"covered by the checkpoint of run {killed}, and handed over again")
        # at most what was read since the checkpoint, which is due every 0.1 s
        self.assertLess(doubled, KILLS * LINES_PER_S)

    def test_rename(self):
        self.torture(lambda writer, tail: by_rename(writer), inode_is_content=True)

    def test_copytruncate(self):
        self.torture(lambda writer, tail: by_copytruncate(writer), inode_is_content=False)

    def test_delete_and_recreate(self):
        def rotate(writer, tail):
            last = writer.written - 1
            wait_for(lambda: any(line(last) in tail.output(run).read_bytes()[-200 * LINE_BYTES:]
                                 for run in range(tail.runs) if tail.output(run).exists()), "the tailer to catch up", 60)
            os.unlink(writer.path)
            writer.reopen()

        self.torture(rotate, inode_is_content=False)


if __name__ == "__main__":
    unittest.main(verbosity=1)
