#!/usr/bin/env python3
"""kill -9, again and again, while records are written: each line parses, what was acknowledged is there, none twice."""

import itertools
import os
import pathlib
import random
import shutil
import tempfile
import time
import unittest

import file_sink_load
from harness import wait_for

KILLS = int(os.environ.get("SONDE_KILLS", "100"))
RUN = 10_000_000  # numbers per run


class Crash(unittest.TestCase):
    def setUp(self):
        # not /tmp, which may be a tmpfs: direct I/O is to be met
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde_crash_", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.load = None
        self.addCleanup(lambda: self.load and self.load.child.poll() is None and self.load.kill())

    def test_every_prefix_is_whole(self):
        random.seed(7)
        policies = itertools.cycle(["batch", "never", "interval"])
        acknowledged = []
        for run in range(KILLS):
            self.load = file_sink_load.Load(self.directory, first=run * RUN, fsync=next(policies), mb_per_s=25,
                                            batch=random.choice([10, 500, 4000]), rotate_kib=4096, total_kib=0)
            wait_for(lambda: self.load.flushes > 0 or self.load.child.poll() is not None, "a first flush", 60)
            time.sleep(random.random() * 0.15)
            self.load.kill()
            self.assertEqual(self.load.errors.replace("bytes of a torn last line were cut off", "")
                             .count("cannot"), 0, self.load.errors)
            self.assertEqual(self.load.failed, 0)
            acknowledged.append(self.load.acknowledged)
        # a last one repairs what the last kill tore
        self.load = file_sink_load.Load(self.directory, first=KILLS * RUN, batch=1, seconds=1, mb_per_s=1)
        self.assertEqual(self.load.wait(), 0, self.load.errors)

        found = [[] for _ in range(KILLS + 1)]
        compressed = 0
        for path in file_sink_load.files(self.directory):
            compressed += path.suffix != ".jsonl"
            for number in file_sink_load.numbers(path):
                found[number // RUN].append(number % RUN)
        for run, count in enumerate(acknowledged):
            self.assertEqual(found[run], list(range(len(found[run]))), f"run {run}: a gap, a double or a disorder")
            self.assertGreaterEqual(len(found[run]), count, f"run {run}: acknowledged and not there")
        written = sum(map(len, found))
        print(f"{KILLS} kills: {written} lines, {sum(acknowledged)} acknowledged, "
              f"{written - sum(acknowledged) - len(found[KILLS])} more were whole, {compressed} files compressed")
        self.assertGreater(sum(acknowledged), KILLS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
