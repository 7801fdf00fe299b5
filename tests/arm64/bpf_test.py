#!/usr/bin/env python3
"""Every BPF program compiles for the architecture that the tests do not run on. The whole of it: tests/arm64/run.sh."""

import pathlib
import platform
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = {"x86_64": "x86_64", "aarch64": "arm64"}  # of vmlinux, by the name that a machine gives itself
DEFINED = {"x86_64": "x86", "aarch64": "arm64"}


class OtherArchitecture(unittest.TestCase):
    def test_programs_compile(self):
        programs = sorted((ROOT / "bpf").glob("*.bpf.c"))
        self.assertGreater(len(programs), 5)
        for machine, folder in FOLDERS.items():
            if machine == platform.machine():
                continue
            for program in programs:
                with self.subTest(program=program.name, architecture=machine):
                    done = subprocess.run(
                        ["clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", f"-D__TARGET_ARCH_{DEFINED[machine]}", "-Wall", "-Werror",
                         f"-I{ROOT}", f"-I{ROOT / 'vmlinux' / folder}", "-c", str(program), "-o", "/dev/null"],
                        capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
