#!/usr/bin/env python3
"""Rotation, retention and compression under load: the disk stays bounded, nothing is lost, nobody waits.

The long form, 200 MB/s for two minutes on a gigabyte at most:
    SONDE_SOAK_SECONDS=120 SONDE_SOAK_MB_PER_S=200 tests/integration/file_rotation_test.py
"""

import os
import pathlib
import shutil
import tempfile
import time
import unittest

import file_sink_load

SECONDS = int(os.environ.get("SONDE_SOAK_SECONDS", "4"))
DIRECTORY = os.environ.get("SONDE_SOAK_DIRECTORY", "/var/tmp")
MB_PER_S = int(os.environ.get("SONDE_SOAK_MB_PER_S", "40"))
ROTATE_KIB = max(4096, MB_PER_S * 1000 // 4)  # about four rotations a second
TOTAL_KIB = ROTATE_KIB * 8


def disk_bytes(directory):
    """What the files take, blocks reserved ahead too."""
    total = 0
    for entry in os.scandir(directory):
        try:
            total += entry.stat().st_blocks * 512
        except FileNotFoundError:
            pass  # rotated, compressed or deleted meanwhile
    return total


class Rotation(unittest.TestCase):
    def load(self, compression):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde_rotation_", dir=DIRECTORY))
        self.addCleanup(shutil.rmtree, directory, True)
        load = file_sink_load.Load(directory, mb_per_s=MB_PER_S, seconds=SECONDS, rotate_kib=ROTATE_KIB,
                                   total_kib=TOTAL_KIB, compression=compression, batch=2000)
        self.addCleanup(lambda: load.child.poll() is None and load.kill())
        largest, started = 0, time.monotonic()
        while load.child.poll() is None:
            largest = max(largest, disk_bytes(directory))
            time.sleep(0.05)
        seconds = time.monotonic() - started
        self.assertEqual(load.wait(), 0, load.errors)
        end = load.end
        self.assertEqual((end["failed"], end["errors"], load.whys), (0, 0, []))
        # beyond the total: for a moment a file that is just being deleted, or the copy that a compression is making
        self.assertLessEqual(largest, (TOTAL_KIB + ROTATE_KIB) * 1024)
        paths = file_sink_load.files(directory)
        found = [number for path in paths for number in file_sink_load.numbers(path)]
        self.assertEqual(found, list(range(found[0], end["records"])), "a gap, a double or a disorder")
        packed = sum(path.suffix != ".jsonl" for path in paths)
        print(f"{compression}: {end['written_bytes'] / 1e6 / seconds:.0f} MB/s for {seconds:.0f} s, "
              f"{end['rotations']} rotations, {end['deleted_files']} files deleted, {packed} of {len(paths)} compressed, "
              f"most on disk {largest / 1e6:.0f} MB of {TOTAL_KIB * 1024 / 1e6:.0f}, "
              f"slowest batch with its flush {end['slowest_call_ms']:.0f} ms, {end['writer']}")
        self.assertGreater(end["rotations"], SECONDS)
        return end

    def test_bounded_and_complete(self):
        for compression in ["none", "zstd", "gzip"] if SECONDS < 20 else ["zstd"]:
            self.load(compression)


if __name__ == "__main__":
    unittest.main(verbosity=2)
