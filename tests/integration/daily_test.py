"""Daily operation: top and tail on terminals of two sizes, query on real files, doctor in each state it must name."""

import gzip
import json
import os
import shutil
import socket
import subprocess
import threading
import unittest

import yaml
from harness import SONDE, Process, Sonde, SondeTest, free_port, wait_for
from terminal import Terminal


def sonde(*arguments, **options):
    return subprocess.run([SONDE, *arguments], capture_output=True, text=True, timeout=120, **options)


class Load:
    """Requests until the end of the with block."""

    def __init__(self, nginx):
        self.port = nginx.port
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def run(self):
        i = 0
        while not self.stop.wait(0.02):
            i += 1
            for path in ("file", f"orders/{i}"):
                subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{self.port}/{path}"])


class DailyTest(SondeTest):
    def start_both(self, *arguments):
        nginx = self.start_nginx("location /orders { return 503; }")
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        return nginx, self.start_sonde(*arguments)

    def on_terminal(self, argv, rows, columns):
        terminal = Terminal([SONDE, *argv], rows, columns)
        self.addCleanup(terminal.stop)
        return terminal


class Top(DailyTest):
    def test_at_two_sizes(self):
        nginx, agent = self.start_both()
        with Load(nginx):
            for rows, columns in ((24, 80), (50, 200)):
                with self.subTest(columns=columns):
                    top = self.on_terminal(["top", "--connect", f"127.0.0.1:{agent.port}"], rows, columns)
                    top.type("/nginx:%d\r" % nginx.port)
                    top.wait_for("/orders/{id}")
                    seen = top.wait_for("(nginx:%d)" % nginx.port)
                    lines = top.screen()
                    self.assertEqual(len(lines), rows)
                    self.assertLessEqual(max(map(len, lines)), columns)
                    row = next(line for line in lines if "/orders/{id}" in line)
                    self.assertIn(" 100 ", row, "each of them is an error")
                    self.assertEqual("VS 1H" in seen, columns == 200)
                    self.assertNotIn("/api/v1", seen, "its own questions are not shown")
                    top.type("t")
                    top.wait_for("COMMAND")
                    top.type("h")
                    top.wait_for("PgDn")
                    top.type("q")
                    self.assertEqual(top.stop(), 0)
                    self.assertTrue(top.output.endswith("\x1b[?1049l"), "the terminal is as it was")

    def test_survives_the_agents_end(self):
        _, agent = self.start_both()
        top = self.on_terminal(["top", "--connect", f"127.0.0.1:{agent.port}"], 24, 80)
        top.wait_for("health: ok")
        agent.stop()
        top.wait_for("no agent answers")
        top.type("q")
        self.assertEqual(top.stop(), 0)

    def test_no_agent(self):
        address = f"127.0.0.1:{free_port()}"
        for command in ("top", "tail"):
            done = sonde(command, "--connect", address)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr, f"sonde: no agent answers at {address}: Connection refused: start one with "
                                          "`sonde run`, or name its address with --connect HOST:PORT\n")


class Tail(DailyTest):
    def test_each_once_and_filters(self):
        nginx, agent = self.start_both()
        connect = ["--connect", f"127.0.0.1:{agent.port}"]
        tail = self.start(Process([SONDE, "tail", *connect, "--json", "--last", "0", "--route", "/orders/{id}", "--side",
                                   "server", "--status", "5xx"], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        wait_for(lambda: "/api/v1/transactions" in agent.metrics(), "tail asks")
        for i in range(50):
            subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/orders/{i}"], check=True)
            subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/file"], check=True)
        rows = []
        while len(rows) < 50:
            rows.append(json.loads(tail.child.stdout.readline()))
        self.assertEqual([row["path"] for row in rows], [f"/orders/{i}" for i in range(50)])
        self.assertEqual(len({row["id"] for row in rows}), 50)
        self.assertEqual(tail.stop(), 0)
        tail.child.stdout.close()
        tail.child.stderr.close()

    def test_at_two_sizes(self):
        nginx, agent = self.start_both()
        with Load(nginx):
            for rows, columns in ((24, 80), (50, 200)):
                tail = self.on_terminal(["tail", "--connect", f"127.0.0.1:{agent.port}", "--side", "server", "--seconds",
                                         "3"], rows, columns)
                while tail.read(5):
                    pass
                lines = [line for line in tail.screen() if f"nginx:{nginx.port}"[:12] in line]
                self.assertTrue(lines, tail.output)
                self.assertLessEqual(max(map(len, lines)), columns)
                self.assertIn("GET /file", "\n".join(lines))
                self.assertIn("cpu ", "\n".join(lines))
                self.assertEqual(tail.stop(), 0)


class Query(DailyTest):
    def test_real_files_compressed_and_torn(self):
        nginx, agent = self.start_both()
        for i in range(40):
            for path in ("file", f"orders/{i}"):
                subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/{path}"], check=True)
        self.assertEqual(agent.stop(), 0)
        source = agent.events / "transactions.jsonl"
        truth = [json.loads(line) for line in source.read_text().splitlines()]
        truth = [t for t in truth if t["type"] == "transaction" and (t["service"] or "") == f"nginx:{nginx.port}"]
        self.assertEqual(len(truth), 80)
        text = source.read_bytes()
        files = self.directory / "files"
        files.mkdir()
        (files / "1.jsonl.gz").write_bytes(gzip.compress(text))
        subprocess.run(["zstd", "-q", str(source), "-o", str(files / "2.jsonl.zst")], check=True)
        transaction = next(line for line in text.splitlines() if f'"service":"nginx:{nginx.port}"'.encode() in line)
        (files / "3.jsonl").write_bytes(text + transaction[:300])
        where = [str(files), "--service", f"nginx:{nginx.port}"]
        done = sonde("query", *where, "--group-by", "route,status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0 damaged and 1 torn lines", done.stderr)
        groups = {(g["route"], g["status"]): g for g in map(json.loads, done.stdout.splitlines())}
        self.assertEqual({key: g["count"] for key, g in groups.items()}, {("/file", "200"): 120, ("/orders/{id}", "503"): 120})
        self.assertEqual(groups["/orders/{id}", "503"]["error_share"], 1)
        durations = sorted(t["duration_ns"] for t in truth if t["route"] == "/file")
        self.assertAlmostEqual(groups["/file", "200"]["p50_ns"] / durations[19], 1, delta=0.04)
        self.assertEqual(groups["/file", "200"]["max_ns"], durations[-1])
        slowest = sonde("query", str(source), *where[1:], "--slowest", "5", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line)["duration_ns"] for line in slowest],
                         sorted((t["duration_ns"] for t in truth), reverse=True)[:5])
        later = sonde("query", str(source), "--from", truth[40]["time"], *where[1:], "--json").stdout.splitlines()
        self.assertEqual(len(later), sum(t["time"] >= truth[40]["time"] for t in truth))
        table = sonde("query", str(source), *where[1:], "--status", "5xx", "--limit", "3").stdout.splitlines()
        self.assertEqual(len(table), 4)
        self.assertIn("GET /orders/0", table[1])
        with_logs = {**truth[0], "logs": [{"time": "2026-01-02T03:04:05.678901234Z", "level": "error", "message": "no \x1b[1mroom"}]}
        one = self.directory / "one.jsonl"
        one.write_text(json.dumps(with_logs) + "\n")
        lines = sonde("query", str(one), "--logs").stdout.splitlines()
        self.assertEqual(lines[2:], ["2026-01-02T03:04:05.678  | error no ?[1mroom"])
        query = self.on_terminal(["query", str(source), "--group-by", "route"], 24, 80)
        while query.read(5):
            pass
        self.assertRegex(query.output, r"lines match of [\d.k]+; .* in \d+\.\d\d s: .*/s")

    def test_missing_directory(self):
        done = sonde("query", str(self.directory / "none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("name the directory that sonde runs with", done.stderr)


class Doctor(DailyTest):
    def checks(self, *arguments, **options):
        done = sonde("doctor", "--json", *arguments, **options)
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if answer["ok"] else 1)
        return {check["name"]: check for check in answer["checks"]}

    def wrapped(self, argv, *arguments):
        done = subprocess.run([*argv, SONDE, "doctor", "--json", "--listen", f"127.0.0.1:{free_port()}", *arguments],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 1, done.stdout)
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def expect(self, check, state, text, todo=""):
        self.assertEqual(check["state"], state, check)
        self.assertIn(text, check["text"])
        self.assertIn(todo, check["todo"])

    def test_good_without_an_agent(self):
        checks = self.checks("--listen", f"127.0.0.1:{free_port()}", "--events", str(self.directory))
        for name in ("kernel", "privileges", "btf", "cgroup2", "packets", "address", "events"):
            self.assertEqual(checks[name]["state"], "ok", checks[name])

    def test_port_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            checks = self.checks("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        self.expect(checks["address"], "problem", "address already in use", "stop the other program")

    def test_no_root_and_a_missing_capability(self):
        program = self.directory / "sonde"
        shutil.copy(SONDE, program)
        os.chmod(self.directory, 0o755)
        for arguments, missing in ((["--reuid=65534", "--regid=65534", "--clear-groups"], "CAP_BPF"),
                                   (["--bounding-set=-net_admin", "--inh-caps=-net_admin"], "CAP_NET_ADMIN")):
            done = subprocess.run(["setpriv", *arguments, str(program), "doctor", "--json", "--listen",
                                   f"127.0.0.1:{free_port()}"], capture_output=True, text=True, timeout=120)
            checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
            self.assertEqual(done.returncode, 1)
            self.expect(checks["privileges"], "problem", missing, "run sonde as root")

    def test_no_btf(self):
        checks = self.wrapped(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"])
        self.expect(checks["btf"], "problem", "no type information", "CONFIG_DEBUG_INFO_BTF")

    def test_io_uring_off(self):
        switch = self.directory / "switch"
        switch.write_text("2\n")
        done = subprocess.run(["unshare", "-m", "sh", "-c",
                               f'mount --bind {switch} /proc/sys/kernel/io_uring_disabled && exec "$@"', "sh", SONDE,
                               "doctor", "--json", "--listen", f"127.0.0.1:{free_port()}"],
                              capture_output=True, text=True, timeout=120)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        self.expect(checks["io_uring"], "warn", "written by pwrite")

    def small_disk(self, name):
        """A directory on a small file system of its own."""
        disk = self.directory / name
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)])
        return disk

    def fill(self, disk):
        with open(disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                return

    def test_disk_full(self):
        disk = self.small_disk("disk")
        self.fill(disk)
        checks = self.checks("--listen", f"127.0.0.1:{free_port()}", "--events", str(disk))
        self.expect(checks["events"], "problem", "No space left on device", "free some space")
        self.assertEqual(os.listdir(disk), ["filler"], "nothing was left behind")

    def test_bench(self):
        address = f"127.0.0.1:{free_port()}"
        units = {"ring": "records/s", "pipeline": "records/s", "file_sink": "MB/s"}
        events = self.directory / "events"
        events.mkdir()
        done = sonde("doctor", "--bench", "--json", "--listen", address, "--events", str(events))
        measured = {row["name"]: row for row in json.loads(done.stdout)["bench"]}
        self.assertEqual({name: row["unit"] for name, row in measured.items()}, units, measured)
        for row in measured.values():
            self.assertGreater(row["value"], 0, row)
        self.assertIn(str(events), measured["file_sink"]["text"])
        self.assertEqual(os.listdir(events), [], "nothing was left behind")

        program = self.directory / "sonde"
        shutil.copy(SONDE, program)
        os.chmod(self.directory, 0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(program), "doctor",
                               "--bench", "--listen", address, "--events", str(events)],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        ring, pipeline, sink = done.stdout.splitlines()
        self.assertRegex(ring, "^ring +not measured  .*run sonde as root")
        self.assertRegex(pipeline, "^pipeline +[0-9.]+[kM]? records/s  ")
        self.assertRegex(sink, "^file_sink +not measured  cannot write to .*: Permission denied; ")

    def test_bench_beside_an_agent(self):
        _, agent = self.start_both()
        done = sonde("doctor", "--bench", "--json", "--listen", f"127.0.0.1:{agent.port}")
        ring, pipeline, sink = json.loads(done.stdout)["bench"]
        self.assertIsNone(ring["value"])
        self.assertIn("stop it first", ring["text"])
        self.assertGreater(min(pipeline["value"], sink["value"]), 0)

    def test_running_agent(self):
        _, agent = self.start_both()
        checks = self.checks("--listen", f"127.0.0.1:{agent.port}")
        for name in ("agent", "packets", "pipeline", "ring", "queue/file", "sink/file", "events"):
            self.assertEqual(checks[name]["state"], "ok", checks[name])
        self.assertNotIn("address", checks)

    def test_a_second_agent(self):
        def more(check):
            return int(check["text"].split()[0]) if check["state"] == "warn" else 0

        address = f"127.0.0.1:{free_port()}"
        before = more(self.checks("--listen", address)["agents"])  # of this machine's own
        _, agent = self.start_both()
        own = self.checks("--listen", f"127.0.0.1:{agent.port}")["agents"]
        self.assertEqual(more(own), before, own)
        self.expect(self.checks("--listen", address)["agents"], "warn", f"{before + 1} watch this machine", "stop all but one")
        (self.directory / "second").mkdir()
        second = self.start(Sonde(self.directory / "second"))
        wait_for(lambda: "this machine already" in second.output(), "the second one tells")

    def test_a_queue_is_nearly_full(self):
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x")
        with socket.socket() as hangs:  # takes connections and never answers
            hangs.bind(("127.0.0.1", 0))
            hangs.listen(64)
            config = self.directory / "sonde.yaml"
            config.write_text(yaml.safe_dump({"sinks": {"slow": {
                "type": "http", "http": {"url": f"http://127.0.0.1:{hangs.getsockname()[1]}/", "timeout": "60s"},
                "queue": {"records": 1024}, "batch": {"records": 10}}}}))
            agent = self.start_sonde("--config", str(config))
            address = f"127.0.0.1:{agent.port}"
            with Load(nginx):
                checks = wait_for(lambda: (seen := self.checks("--listen", address))["queue/slow"]["state"] != "ok" and seen,
                                  "doctor sees the queue", 60)
            self.expect(checks["queue/slow"], "warn", "of 1024 places in use", "make it faster, or sample")

    def test_ring_overflows(self):
        nginx, agent = self.start_both("--ring-kib", "4")
        address = f"127.0.0.1:{agent.port}"
        load = self.start(Process(["wrk", "-t1", "-c64", "-d60", f"http://127.0.0.1:{nginx.port}/file"]))
        wait_for(lambda: self.checks("--listen", address)["ring"]["state"] != "ok", "doctor sees the losses", 40)
        load.stop()
        self.expect(self.checks("--listen", address)["ring"], "warn", "records lost", "larger ring")

    def test_sink_down(self):
        disk = self.small_disk("events")  # where the harness lets sonde write
        nginx = self.start_nginx()
        (nginx.root / "www" / "file").write_bytes(b"x" * 1024)
        agent = self.start_sonde()
        self.fill(disk)
        address = f"127.0.0.1:{agent.port}"
        with Load(nginx):
            checks = wait_for(lambda: (seen := self.checks("--listen", address))["sink/file"]["state"] == "problem" and seen,
                              "doctor sees that the sink fails", 60)
        self.expect(checks["sink/file"], "problem", "the last write failed", "see the agent's messages")
        self.expect(checks["events"], "problem", "No space left on device")


if __name__ == "__main__":
    unittest.main(verbosity=2)
