#!/usr/bin/env python3
"""Rules that the compiler does not hold: layering, one emit path, formatting, nothing that does not belong."""

import pathlib
import re
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def includes(path):
    return INCLUDE.findall(path.read_text(errors="replace"))


class Layering(unittest.TestCase):
    def test_sinks_know_only_the_model(self):
        for path in tracked("sinks/*.hpp", "sinks/*.cpp"):
            for name in includes(path):
                top = name.split("/")[0]
                if top in ("agent", "bpf", "sinks", "tests"):
                    self.assertTrue(name.startswith(("sinks/", "agent/base/", "agent/model/")), f"{path}: {name}")

    def test_only_the_probe_knows_libbpf(self):
        for path in tracked("agent/*.hpp", "agent/*.cpp", "sinks/*.hpp", "sinks/*.cpp"):
            if ROOT / "agent" / "probe" in path.parents:
                continue
            for name in includes(path):
                self.assertFalse(name.startswith("bpf/") and not name.startswith("bpf/shared/"), f"{path}: {name}")
                self.assertFalse(name.endswith(".skel.h"), f"{path}: {name}")

    def test_lower_layers_do_not_look_up(self):
        allowed = {
            "agent/base": ("agent/base/",),
            "agent/model": ("agent/base/", "agent/model/", "bpf/shared/"),
            "agent/protocol": ("agent/base/", "agent/model/", "agent/protocol/", "bpf/shared/"),
            "agent/redact": ("agent/base/", "agent/model/", "agent/redact/", "agent/protocol/"),
            "agent/route": ("agent/base/", "agent/model/", "agent/route/"),
            "agent/identity": ("agent/base/", "agent/model/", "agent/identity/"),
            "agent/metric": ("agent/base/", "agent/model/", "agent/route/", "agent/metric/"),
        }
        for folder, good in allowed.items():
            for path in tracked(f"{folder}/*.hpp", f"{folder}/*.cpp"):
                for name in includes(path):
                    if name.split("/")[0] in ("agent", "bpf", "sinks"):
                        self.assertTrue(name.startswith(good), f"{path}: {name}")

    def test_one_emit_path(self):
        for path in tracked("bpf/*.c", "bpf/*.h"):
            if path.name != "emit.bpf.h":
                self.assertNotIn("bpf_ringbuf_", path.read_text(), path)


class Cleanliness(unittest.TestCase):
    def test_no_build_products(self):
        for path in tracked():
            self.assertNotRegex(path.name, r"\.(o|a|so|skel\.h|pyc)$", path)

    def test_no_path_of_a_machine(self):
        words = re.compile(r"/(work|root|home/[a-z]+)/")
        for path in tracked("*.cpp", "*.hpp", "*.h", "*.c", "*.sh", "*.md", "*.cmake", "*CMakeLists.txt"):
            if path.name in ("vmlinux.h", "tidy_test.py"):
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                self.assertIsNone(words.search(line), f"{path}:{number}: {line}")

    def test_formatting(self):
        self.assertIsNotNone(shutil.which("clang-format"), "clang-format is missing: tests/run.sh installs it")
        files = [str(path) for path in tracked("*.cpp", "*.hpp", "bpf/*.c", "bpf/*.h") if path.name != "vmlinux.h"]
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[:3000])

    def test_shell_scripts(self):
        self.assertIsNotNone(shutil.which("shellcheck"), "shellcheck is missing: tests/run.sh installs it")
        scripts = [str(path.relative_to(ROOT)) for path in [*tracked("*.sh"), ROOT / ".ci" / "run"]]
        done = subprocess.run(["shellcheck", "-x", *scripts], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[:3000])


if __name__ == "__main__":
    unittest.main(verbosity=1)
