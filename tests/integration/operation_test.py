"""What an operator meets: clean metrics, recordings that replay, and clear words for bad input."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import unittest

from harness import SONDE, Process, SondeTest, accepts, fetch, free_port, wait_for


class Metrics(SondeTest):
    def test_promtool_is_silent(self):
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        sonde = self.start_sonde()
        for path in ("file", "missing", "orders/1", "orders/2"):
            subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/{path}"], check=True)
        text = wait_for(
            lambda: 'http_route="/orders/{id}"' in (seen := sonde.metrics()) and "http_client_" in seen and seen,
            "the route of /orders/1 in /metrics")
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))
        self.assertEqual(fetch(f"http://127.0.0.1:{sonde.port}/healthz"), "alive\n")


class Recordings(SondeTest):
    def replay(self, file, *arguments):
        return subprocess.run([SONDE, "replay", str(file), *arguments], capture_output=True, text=True)

    def record(self):
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        file = self.directory / "traffic.sonde"
        log = open(self.directory / "record.log", "w+b")
        self.addCleanup(log.close)
        recorder = self.start(Process([SONDE, "record", str(file)], stderr=log))
        wait_for(lambda: b"recording to" in pathlib.Path(log.name).read_bytes(), "the recorder is ready")
        for i in range(20):
            subprocess.run(["curl", "-s", "-o", "/dev/null", "-H", "Authorization: Bearer hunter2-token",
                            "-H", "Cookie: session=hunter2", f"http://127.0.0.1:{nginx.port}/file?key=hunter2-{i}"],
                           check=True)
        self.assertEqual(recorder.stop(), 0)
        return nginx, file

    def test_replay_gives_the_transactions_and_no_secret(self):
        nginx, file = self.record()
        self.assertNotIn(b"hunter2", file.read_bytes())
        events = self.directory / "replayed"
        done = self.replay(file, "--events", str(events))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in (events / "transactions.jsonl").read_text().splitlines()]
        server = [t for t in lines if t.get("side") == "server" and t["server"]["port"] == nginx.port]
        self.assertEqual([(t["status"], t["path"], t["service"]) for t in server],
                         [(200, "/file", f"nginx:{nginx.port}")] * 20)
        self.assertEqual([t["status"] for t in lines if t.get("side") == "client" and
                          t["server"]["port"] == nginx.port], [200] * 20)
        self.assertIn(f"{sum(t['type'] == 'transaction' for t in lines)} transactions", done.stdout)

    def test_damaged_recordings(self):
        _, file = self.record()
        whole = file.read_bytes()
        cases = {
            "truncated": (whole[: len(whole) // 2], "was cut off"),
            "foreign": (b"\x7fELF" + bytes(100), "is not a sonde recording"),
            "empty": (b"", "is not a sonde recording"),
            "flipped": (whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], "checksum"),
            "other version": (whole[:12] + b"\x63\0\0\0" + whole[16:], "incompatible"),
        }
        for name, (content, words) in cases.items():
            with self.subTest(name):
                bad = self.directory / "bad.sonde"
                bad.write_bytes(content)
                done = self.replay(bad)
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(words, done.stderr)


class BadInput(SondeTest):
    def refused(self, argv, words, code=1, **options):
        before = set(os.listdir(self.directory))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertEqual(set(os.listdir(self.directory)), before, "something was left behind")

    def run_sonde(self, *arguments):
        return [SONDE, "run", "--listen", "127.0.0.1:0", *arguments]

    def test_not_root(self):
        # the checkout may lie where others cannot look: give them the program alone
        program = self.directory / "sonde"
        shutil.copy(SONDE, program)
        os.chmod(self.directory, 0o755)
        self.refused(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(program), "run"],
                     "run sonde as root")

    def test_no_btf(self):
        self.refused(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh",
                      *self.run_sonde()], "no type information")

    def test_no_cgroup2(self):
        unmount = """awk '$0 ~ / - cgroup2 / {print $5}' /proc/self/mountinfo | while read m; do umount "$m"; done"""
        self.refused(["unshare", "-m", "sh", "-c", unmount + '; exec "$@"', "sh", *self.run_sonde()],
                     "cgroup v2 is not mounted")

    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refused([SONDE, "run", "--listen", address, "--events", str(self.directory / "events")],
                         f"cannot listen on {address}")

    def test_unwritable_directory(self):
        (self.directory / "file").write_text("")
        self.refused(self.run_sonde("--events", str(self.directory / "file" / "events")), "choose another directory")
        self.refused(self.run_sonde("--events", "/proc/events"), "choose another directory")

    def test_bad_address(self):
        self.refused([SONDE, "run", "--listen", "nonsense"], "HOST:PORT", code=2)

    def test_wrong_usage(self):
        for arguments in (["run", "--no-such-option"], ["dance"], [], ["run", "--capture-bytes", "1"], ["replay"]):
            done = subprocess.run([SONDE, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, arguments)

    def test_recording_cannot_be_written(self):
        self.refused([SONDE, "record", "/proc/nothing"], "choose another file")

    def test_missing_recording(self):
        self.refused([SONDE, "replay", str(self.directory / "none")], "No such file")


if __name__ == "__main__":
    unittest.main(verbosity=2)
