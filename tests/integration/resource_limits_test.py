"""What holds processes back: no core, a throttled cgroup, a memory limit, a full accept queue, and a machine full of
processes."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

from harness import PYTHON, metric_sum, wait_for
from resource_test import MIB, ResourceTest

BUSY = "import sys\nprint(1, flush=True)\nwhile True: pass"


def cgroup_mount(controller):
    """(where the controller's hierarchy is mounted, whether it is v2)"""
    unified = None
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        point = pathlib.Path(before.split()[4])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            return point, False
        if kind == "cgroup2":
            unified = point
    return unified, True


class LimitsTest(ResourceTest):
    def make_cgroup(self, controller, **files):
        """A cgroup with one limit; files: name in v1 and v2, separated by __, to its content in each."""
        mount, unified = cgroup_mount(controller)
        if unified and controller not in (mount / "cgroup.subtree_control").read_text().split():
            (mount / "cgroup.subtree_control").write_text(f"+{controller}")
        path = mount / f"sonde-test-{os.getpid()}-{controller}"
        path.mkdir()
        self.addCleanup(self.remove_cgroup, path)
        for name, content in files["v2" if unified else "v1"].items():
            (path / name).write_text(content)
        return path

    def remove_cgroup(self, path):
        def empty():
            for pid in (path / "cgroup.procs").read_text().split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                path.rmdir()
                return True
            except OSError:
                return False
        wait_for(empty, f"{path} is empty")

    def in_cgroup(self, path, program, *arguments):
        return self.python(program, *arguments,
                           preexec_fn=lambda: (path / "cgroup.procs").write_text(str(os.getpid())))


class HeldBack(LimitsTest):
    def test_run_queue_delay_beside_a_burner(self):
        sonde = self.start_collector()
        pinned = [self.python(BUSY, preexec_fn=lambda: os.sched_setaffinity(0, {0})) for _ in range(2)]
        for child in pinned:
            child.stdout.readline()

        def waited_s(pid):
            return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
        wait_for(lambda: all(waited_s(child.pid) > 2 for child in pinned), "each has waited 2 s for the core")
        text = self.after_rounds(sonde)
        for child in pinned:
            pid = str(child.pid)
            truth = waited_s(pid)
            waited = metric_sum(text, "process_cpu_runqueue_seconds_total", process_pid=pid)
            ran = metric_sum(text, "process_cpu_time_seconds_total", process_pid=pid)
            print(f"two burners on one core: {pid} ran {ran:.2f} s, waited for the core {waited:.2f} s, "
                  f"by schedstat a moment later {truth:.2f} s")
            self.assertGreater(waited, 1)
            self.assertLessEqual(waited, truth)
            # what the kernel had counted at the last round, a few tenths of a second ago
            self.assertGreater(waited, truth - 1.5)

    def test_throttled_cgroup(self):
        path = self.make_cgroup("cpu", v1={"cpu.cfs_quota_us": "20000"}, v2={"cpu.max": "20000 100000"})
        sonde = self.start_collector()
        child = self.in_cgroup(path, BUSY)
        child.stdout.readline()

        def kernel():
            return dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())
        wait_for(lambda: int(kernel()["nr_throttled"]) > 25, "the kernel has throttled it 25 times")
        text = self.after_rounds(sonde)
        truth = kernel()
        truth_s = int(truth["throttled_time"]) / 1e9 if "throttled_time" in truth else int(truth["throttled_usec"]) / 1e6
        label = {"id": "/" + path.name}
        throttled = metric_sum(text, "container_cpu_cfs_throttled_periods_total", **label)
        seconds = metric_sum(text, "container_cpu_cfs_throttled_seconds_total", **label)
        print(f"quota of 0.2 cores: throttled in {throttled:.0f} of "
              f"{metric_sum(text, 'container_cpu_cfs_periods_total', **label):.0f} periods for {seconds:.2f} s; "
              f"the kernel a moment later: {truth['nr_throttled']} of {truth['nr_periods']}, {truth_s:.2f} s")
        self.assertEqual(metric_sum(text, "container_spec_cpu_quota", **label), 20000)
        self.assertEqual(metric_sum(text, "container_spec_cpu_period", **label), 100000)
        self.assertGreater(throttled, 10)
        self.assertLessEqual(throttled, int(truth["nr_throttled"]))
        self.assertGreater(seconds, 0.5 * truth_s)
        self.assertLessEqual(seconds, truth_s)

    def test_oom_kill_in_a_small_cgroup(self):
        limit = 64 * MIB
        path = self.make_cgroup("memory", v1={"memory.limit_in_bytes": str(limit)}, v2={"memory.max": str(limit)})
        for name in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
            if (path / name).exists():
                (path / name).write_text(str(limit) if "memsw" in name else "0")
        sonde = self.start_collector()
        victim = self.in_cgroup(path, "import sys\nsys.stdin.readline()\nb = []\n"
                                      "while True: b.append(b'x' * (1 << 20))")
        label = {"cgroup": path.name}
        self.after_rounds(sonde)  # its cgroup has been seen alive
        victim.stdin.write("\n")
        victim.stdin.flush()
        self.assertEqual(victim.wait(30), -signal.SIGKILL)
        text = self.after_rounds(sonde)
        memory = metric_sum(text, "process_oom_victim_memory_bytes", **label)
        got_limit = metric_sum(text, "process_oom_limit_bytes", **label)
        line = next(line for line in text.splitlines() if line.startswith("process_oom_kills_total{"))
        print(f"{line}; victim's memory {memory / MIB:.1f} MiB, limit {got_limit / MIB:.0f} MiB")
        self.assertEqual(metric_sum(text, "process_oom_kills_total", process_command="python3", **label), 1)
        self.assertEqual(got_limit, limit)
        self.assertGreater(memory, 0.8 * limit)
        self.assertLess(memory, 1.2 * limit)  # pages of libraries are charged elsewhere
        self.assertGreaterEqual(metric_sum(text, "process_exits_total", process_command="python3", how="signal 9"), 1)

    def test_full_accept_queue(self):
        program = ("import socket, sys\nl = socket.create_server(('127.0.0.1', 0), backlog=2)\n"
                   "print(l.getsockname()[1], flush=True)\nsys.stdin.readline()")
        ports = {}
        for name in ("full", "idle"):
            script = self.directory / f"{name}_queue.py"
            script.write_text(program)
            ports[name] = int(self.child([PYTHON, str(script)]).stdout.readline())
        sonde = self.start_collector()
        clients = []
        for _ in range(12):
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", ports["full"]))
            clients.append(client)

        def with_drops():
            text = self.after_rounds(sonde)
            return text if metric_sum(text, "process_listen_queue_drops_total", server_port=str(ports["full"])) > 0 else None
        text = wait_for(with_drops, "connections are dropped")
        values = {}
        for name, port in ports.items():
            label = {"server_port": str(port), "service_name": f"{name}_queue:{port}"}
            values[name] = [metric_sum(text, f"process_listen_queue_{what}", **label)
                            for what in ("length", "limit", "drops_total")]
            print(f"{label['service_name']}: {values[name][0]:.0f} wait, {values[name][1]:.0f} may, "
                  f"{values[name][2]:.0f} dropped")
        self.assertEqual(values["full"][:2], [3, 2])  # the queue is full when it holds one more than the backlog
        self.assertGreater(values["full"][2], 0)
        self.assertEqual(values["idle"], [0, 2, 0])
        self.assertGreater(metric_sum(text, "system_network_tcp_listen_overflows_total"), 0)


class ManyProcesses(LimitsTest):
    def test_2000_processes_stay_within_the_bound(self):
        sonde = self.start_collector()
        crowd = self.python(
            "import os, sys, time\nfor _ in range(2000):\n"
            "    if os.fork() == 0:\n        sys.stdin.close(); os.close(0)\n        time.sleep(600); os._exit(0)\n"
            "print(1, flush=True); sys.stdin.readline()", start_new_session=True)
        self.addCleanup(lambda: os.killpg(crowd.pid, signal.SIGKILL))
        crowd.stdout.readline()
        text = self.after_rounds(sonde, 12)
        series = metric_sum(text, "sonde_resource_series")
        bound = metric_sum(text, "sonde_resource_series_max")
        print(f"2,000 processes: {metric_sum(text, 'sonde_resource_processes_shown'):.0f} shown, "
              f"{metric_sum(text, 'sonde_resource_processes_other'):.0f} in other, {series:.0f} series of at most "
              f"{bound:.0f}, a round takes {metric_sum(text, 'sonde_resource_round_seconds') * 1e3:.1f} ms")
        self.assertGreater(metric_sum(text, "sonde_resource_processes_other"), 1900)
        self.assertLessEqual(series, bound)
        own = [line for line in text.splitlines()
               if re.match(r"(process|container|system|sonde_service|sonde_resource|sonde_cgroups|sonde_node)_", line)
               and not line.startswith("#")]
        self.assertLessEqual(len(own), bound)
        self.assertLessEqual(metric_sum(text, "sonde_resource_processes_shown"), 128)
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
