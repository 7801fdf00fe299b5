#!/usr/bin/env python3
"""The file sink on real file systems that fill up, turn read-only or vanish, and with files that others move."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import file_sink_load
from harness import wait_for


def mounted(test, *arguments, size_mib):
    """A directory on a small file system of its own, unmounted at the end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde_faults_"))
    test.addCleanup(shutil.rmtree, directory, True)
    subprocess.run(["mount", *arguments, str(directory)], check=True)
    test.addCleanup(subprocess.run, ["umount", "-l", str(directory)], check=True)
    free_mib = shutil.disk_usage(directory).total >> 20
    test.assertLessEqual(free_mib, size_mib)
    return directory


@unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
class Faults(unittest.TestCase):
    def start(self, directory, **options):
        load = file_sink_load.Load(directory, **options)
        self.addCleanup(lambda: load.child.poll() is None and load.kill())
        return load

    def finish(self, load):
        self.assertEqual(load.stop(), 0, load.errors)
        self.assertIsNotNone(load.end)
        return load.end

    def assert_run(self, found, to, start=0):
        self.assertEqual(found, list(range(start, to)), "a gap, a double or a disorder")

    def loop_device(self, image):
        device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                                text=True).stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], check=True)
        return device

    def all_numbers(self, directory):
        return [number for path in file_sink_load.files(directory) for number in file_sink_load.numbers(path)]

    def test_full_file_system_is_given_room_by_retention(self):
        directory = mounted(self, "-t", "tmpfs", "-o", "size=24m", "tmpfs", size_mib=24) / "events"
        load = self.start(directory, rotate_kib=2048, total_kib=1 << 20, mb_per_s=60, compression="none")
        wait_for(lambda: load.acknowledged > 150_000 or load.whys, "three times what fits", 120)
        end = self.finish(load)
        self.assertGreater(end["deleted_files"], 10)
        self.assertGreater(end["written_bytes"], 48 << 20)
        self.assertEqual(end["failed"], 0)
        self.assertEqual(load.whys, [])
        found = self.all_numbers(directory)
        self.assert_run(found, end["records"], found[0])

    def test_full_file_system_stops_it_until_there_is_room(self):
        root = mounted(self, "-t", "tmpfs", "-o", "size=24m", "tmpfs", size_mib=24)
        directory = root / "events"
        load = self.start(directory, mb_per_s=5, free=0, compression="none", batch=100)
        wait_for(lambda: load.acknowledged > 1000, "the first records")
        with open(root / "hog", "wb") as hog:
            try:
                while True:
                    hog.write(b"x" * 65536)
                    hog.flush()
            except OSError:
                pass  # full
        wait_for(lambda: load.whys, "the sink to notice")
        before = load.acknowledged
        wait_for(lambda: load.failed > 0, "its memory to be full")
        os.unlink(root / "hog")
        wait_for(lambda: load.acknowledged > before + 20_000, "it to go on by itself")
        end = self.finish(load)
        self.assertEqual(load.whys, [f"cannot write to {directory}/transactions.jsonl: No space left on device"])
        found = self.all_numbers(directory)
        self.assertEqual(len(found) + end["failed"], end["records"], "written + refused = handed over")
        self.assertEqual(found, sorted(set(found)), "a double or a disorder")
        print(f"full: {end['records']} records, {len(found)} written, {end['failed']} refused and counted")

    def test_read_only_file_system(self):
        """ext4 turns read-only after an error; somebody repairs it and mounts it again at the same place."""
        image = tempfile.NamedTemporaryFile(prefix="sonde_ext4_")
        self.addCleanup(image.close)
        image.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image.name], check=True)
        device = self.loop_device(image.name)
        directory = mounted(self, "-o", "errors=remount-ro", device, size_mib=64)
        load = self.start(directory, mb_per_s=2, compression="none", batch=100, fsync="batch")
        wait_for(lambda: load.acknowledged > 1000, "the first records")
        (pathlib.Path("/sys/fs/ext4") / pathlib.Path(device).name / "trigger_fs_error").write_text("a test\n")
        wait_for(lambda: load.whys, "the sink to notice")
        self.assertRegex(" ".join(load.whys), "Read-only file system|Input/output error")
        load.signal(signal.SIGSTOP)  # what it made in the bare mount point meanwhile would be covered
        durable = load.acknowledged
        subprocess.run(["umount", "-l", str(directory)], check=True)
        subprocess.run(["e2fsck", "-fy", image.name], capture_output=True)
        # another device: the file that is still open keeps the old one, and its file system, as they are
        subprocess.run(["mount", self.loop_device(image.name), str(directory)], check=True)
        load.signal(signal.SIGCONT)
        wait_for(lambda: load.acknowledged > durable + 2000, "it to go on by itself")
        end = self.finish(load)
        found = self.all_numbers(directory)
        self.assertEqual(found, sorted(set(found)), "a double or a disorder")
        self.assertEqual(found[:durable], list(range(durable)), "acknowledged as durable and not there")
        self.assertGreaterEqual(len(found) + end["failed"], end["records"] - 200, "only what was being synced may go")
        self.assertEqual(end["reopened"], 1)
        print(f"read-only: {end['records']} records, {durable} durable before, {len(found)} there, "
              f"{end['failed']} refused; {load.whys}")

    def test_directory_vanishes(self):
        root = pathlib.Path(tempfile.mkdtemp(prefix="sonde_faults_"))
        self.addCleanup(shutil.rmtree, root, True)
        directory = root / "a" / "events"
        load = self.start(directory, mb_per_s=20, batch=500, compression="none")
        for _ in range(5):
            before = load.acknowledged
            wait_for(lambda: load.acknowledged > before + 2000, "records")
            shutil.rmtree(root / "a")
            gone_at = load.acknowledged
            wait_for(lambda: load.acknowledged > gone_at + 1000, "records in a new file")
        end = self.finish(load)
        found = self.all_numbers(directory)
        self.assert_run(found, end["records"], found[0])
        self.assertLessEqual(found[0], gone_at, "lines written after the directory went are all there")
        self.assertGreaterEqual(end["reopened"], 5)
        self.assertEqual(end["failed"], 0)

    def test_logrotate_moves_the_file(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde_faults_"))
        self.addCleanup(shutil.rmtree, directory, True)
        load = self.start(directory, mb_per_s=20, batch=500, compression="none")
        for turn in range(20):
            before = load.acknowledged
            wait_for(lambda: load.acknowledged > before + 500, "records")
            os.rename(directory / file_sink_load.CURRENT, directory / f"moved.{turn:02}")
            load.signal(signal.SIGUSR1)
            wait_for((directory / file_sink_load.CURRENT).exists, "a new file")
        end = self.finish(load)
        moved = [directory / f"moved.{turn:02}" for turn in range(20)]
        found = [number for path in [*moved, *file_sink_load.files(directory)]
                 for number in file_sink_load.numbers(path)]
        self.assert_run(found, end["records"])
        self.assertEqual((end["reopened"], end["failed"]), (20, 0))

    def test_rotation_on_a_signal_and_compression(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="sonde_faults_"))
        self.addCleanup(shutil.rmtree, directory, True)
        for compression, suffix in [("zstd", ".zst"), ("gzip", ".gz")]:
            load = self.start(directory / compression, mb_per_s=10, batch=100, compression=compression, idle=0)
            for turn in range(5):
                wait_for(lambda: load.acknowledged > 500 * (turn + 1), "records")
                load.signal(signal.SIGUSR1)
                wait_for(lambda: len(file_sink_load.files(directory / compression)) >= turn + 2, "a rotated file")
            packed = lambda: [path for path in file_sink_load.files(directory / compression) if path.suffix == suffix]
            wait_for(lambda: len(packed()) == 5, "the compressions", 60)
            end = self.finish(load)
            self.assert_run(self.all_numbers(directory / compression), end["records"])
            self.assertEqual(end["rotations"], 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
