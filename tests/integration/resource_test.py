"""What processes use, by sonde and by their own account: CPU, memory, disk, network, descriptors."""

import os
import pathlib
import re
import subprocess
import unittest

from harness import PYTHON, SondeTest, metric_sum, wait_for

BURNER = pathlib.Path(__file__).resolve().parents[1] / "triggers" / "burner.py"
ROUND_S = 0.25
MIB = 1 << 20
TOLERANCE = 0.02


class ResourceTest(SondeTest):
    def start_collector(self, *arguments):
        return self.start_sonde("--resource-interval", str(ROUND_S), *arguments)

    def after_rounds(self, sonde, count=3):
        """/metrics after so many rounds that began later than this call."""
        before = metric_sum(sonde.metrics(), "sonde_resource_rounds_total")
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_resource_rounds_total") > before + count, "rounds", 30)
        return sonde.metrics()

    def near(self, what, got, expected, tolerance=TOLERANCE):
        ratio = got / expected if expected else float("inf")
        print(f"{what}: sonde {got:.6g}, truth {expected:.6g}, x{ratio:.4f}")
        self.assertAlmostEqual(ratio, 1, delta=tolerance, msg=what)

    def child(self, argv, **options):
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

        def end():
            if child.poll() is None:
                child.kill()
            child.wait(10)
            child.stdin.close()
            child.stdout.close()

        self.addCleanup(end)
        return child

    def python(self, program, *arguments, **options):
        return self.child([PYTHON, "-c", program, *map(str, arguments)], **options)


class KnownPrograms(ResourceTest):
    def test_cpu_of_a_quarter_core(self):
        sonde = self.start_collector()
        burner = self.child([PYTHON, str(BURNER), "8"])
        used = float(burner.stdout.readline())
        text = self.after_rounds(sonde)
        got = metric_sum(text, "process_cpu_time_seconds_total", process_pid=str(burner.pid))
        self.near("CPU burner of a quarter core, s", got, used)

    def test_memory_of_an_allocator(self):
        sonde = self.start_collector()
        allocator = self.python("import sys; b = bytearray(200 << 20)\n"
                                "for i in range(0, len(b), 4096): b[i] = 1\nprint(1, flush=True); sys.stdin.readline()")
        allocator.stdout.readline()
        text = self.after_rounds(sonde)
        status = pathlib.Path(f"/proc/{allocator.pid}/status").read_text()
        truth = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
        got = metric_sum(text, "process_memory_usage_bytes", process_pid=str(allocator.pid))
        self.near("RSS of an allocator of 200 MiB, bytes", got, truth)
        self.assertGreater(got, 200 * MIB)
        faults = metric_sum(text, "process_paging_faults_total", process_pid=str(allocator.pid),
                            process_paging_fault_type="minor")
        stat = pathlib.Path(f"/proc/{allocator.pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.near("its minor page faults", faults, int(stat[7]))

    def test_disk_of_a_writer_with_fsync(self):
        sonde = self.start_collector()
        # not in the tests' directory, which may lie in memory
        path = pathlib.Path(__file__).resolve().parents[2] / f"writer-{os.getpid()}.tmp"
        self.addCleanup(path.unlink, missing_ok=True)
        writer = self.python(
            "import os, sys\nf = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)\n"
            "for i in range(1024):\n    os.write(f, b'x' * (1 << 20))\n    if i % 64 == 63: os.fsync(f)\n"
            "print(1, flush=True); sys.stdin.readline()", path)
        writer.stdout.readline()
        text = self.after_rounds(sonde)
        labels = {"process_pid": str(writer.pid), "disk_io_direction": "write"}
        got = metric_sum(text, "process_disk_io_bytes_total", **labels)
        io = pathlib.Path(f"/proc/{writer.pid}/io").read_text()
        self.near("writer of 1 GiB by its own account, bytes", got, 1024 * MIB)
        self.near("the same by /proc/PID/io", got, int(re.search(r"\nwrite_bytes: (\d+)", io)[1]))
        operations = metric_sum(text, "process_disk_operations_total", **labels)
        latency = metric_sum(text, "process_disk_operation_time_seconds_total", **labels)
        writeback = metric_sum(text, "process_disk_operations_total", process_pid="kernel", disk_io_direction="write")
        print(f"its block writes: {operations:.0f}, mean latency {latency / max(1, operations) * 1e3:.2f} ms; "
              f"writeback by the kernel meanwhile: {writeback:.0f}")
        self.assertGreater(operations, 0)
        self.assertGreater(latency, 0)

    def test_network_of_a_loopback_transfer(self):
        sonde = self.start_collector()
        size = 256 * MIB
        server = self.python(
            "import socket, sys\nl = socket.create_server(('127.0.0.1', 0))\nprint(l.getsockname()[1], flush=True)\n"
            "c, _ = l.accept()\nn = 0\nb = bytearray(1 << 20)\n"
            "while (k := c.recv_into(b)): n += k\nprint(n, flush=True); sys.stdin.readline()")
        port = server.stdout.readline().strip()
        client = self.python(
            "import socket, sys\ns = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\nb = b'x' * (1 << 20)\n"
            "for i in range(int(sys.argv[2]) >> 20): s.sendall(b)\ns.close()\nprint(1, flush=True); sys.stdin.readline()",
            port, size)
        received = int(server.stdout.readline())
        client.stdout.readline()
        text = self.after_rounds(sonde)
        for what, child, direction in (("sent", client, "transmit"), ("received", server, "receive")):
            got = metric_sum(text, "process_network_io_bytes_total", process_pid=str(child.pid),
                             network_io_direction=direction)
            self.near(f"loopback transfer, bytes {what}", got, received)

    def test_network_of_short_connections(self):
        """300 connections between two rounds, closed in order, by a reset, or with bytes left unread."""
        sonde = self.start_collector()
        server = self.python(
            "import socket, sys\nl = socket.create_server(('127.0.0.1', 0), backlog=64)\n"
            "print(l.getsockname()[1], flush=True)\nn = 0\n"
            "b = bytearray(64 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n"  # large enough for a series
            "for i in range(300):\n    c, _ = l.accept()\n    k = 0\n    while k < 10000: k += len(c.recv(10000 - k))\n"
            "    c.sendall(b'y' * 5000)\n"
            "    try:\n        while c.recv(100): pass\n    except ConnectionResetError: n += 1\n    c.close()\n"
            "print(n, flush=True); sys.stdin.readline()")
        port = server.stdout.readline().strip()
        client = self.python(
            "import socket, struct, sys\nb = bytearray(64 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n"
            "for i in range(300):\n    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
            "    s.sendall(b'x' * 10000)\n    k = 0\n"
            "    while k < (4000 if i % 3 == 2 else 5000): k += len(s.recv((4000 if i % 3 == 2 else 5000) - k))\n"
            "    if i % 3 == 1: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
            "    s.close()\nprint(1, flush=True); sys.stdin.readline()", port)
        resets = int(server.stdout.readline())
        client.stdout.readline()
        text = self.after_rounds(sonde)
        print(f"300 short connections, {resets} ended by a reset")
        self.assertGreaterEqual(resets, 100)
        for what, child, direction, size in (("sent by the client", client, "transmit", 10000),
                                             ("received by the server", server, "receive", 10000),
                                             ("sent by the server", server, "transmit", 5000),
                                             ("received by the client", client, "receive", 5000)):
            got = metric_sum(text, "process_network_io_bytes_total", process_pid=str(child.pid),
                             network_io_direction=direction)
            self.near(f"bytes {what}", got, 300 * size)
        self.assertEqual(metric_sum(text, "sonde_resource_lost_total", kind="socket_owner"), 0)

    def test_descriptors_threads_and_sockets(self):
        sonde = self.start_collector()
        child = self.python(
            "import socket, sys, threading\nfiles = [open('/dev/null') for _ in range(50)]\n"
            "l = socket.create_server(('127.0.0.1', 0))\n"
            "pairs = [(socket.create_connection(l.getsockname()), l.accept()) for _ in range(5)]\n"
            "for _ in range(7): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
            "b = bytearray(64 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\n"  # large enough for a series
            "print(l.getsockname()[1], flush=True); sys.stdin.readline()")
        port = child.stdout.readline().strip()
        text = self.after_rounds(sonde)
        pid = {"process_pid": str(child.pid)}
        self.assertEqual(metric_sum(text, "process_threads", **pid), 8)
        self.assertEqual(metric_sum(text, "process_open_fds", **pid), len(os.listdir(f"/proc/{child.pid}/fd")))
        sockets = {state: metric_sum(text, "process_sockets", network_connection_state=state, **pid)
                   for state in ("established", "listen", "close_wait")}
        self.assertEqual(sockets, {"established": 10, "listen": 1, "close_wait": 0})
        self.assertGreater(metric_sum(text, "process_listen_queue_limit", server_port=port, **pid), 0)
        self.assertIn(f'process_pid="{child.pid}",process_executable_name="python3', text)
        self.assertRegex(text, rf'process_runtime_info{{process_pid="{child.pid}".*process_runtime_name="python",'
                               r'process_runtime_version="3[.0-9]+"')


class ShortProcesses(ResourceTest):
    def test_500_processes_of_5_ms(self):
        sonde = self.start_collector()
        text = self.after_rounds(sonde)
        names = ("system_processes_created_total", "system_processes_ended_total")
        before = {name: metric_sum(text, name) for name in names}
        self.assertEqual(metric_sum(text, "process_exits_total", process_command="burn5ms"), 0)
        burner = self.directory / "burn5ms"
        source = self.directory / "burn.c"
        # it never asks for its time, which would make the kernel's account exact
        source.write_text("#include <stdlib.h>\nint main(int c, char **v) { volatile long i = 0, n = atol(v[c - 1]);"
                          " while (i < n) i++; return 3; }\n")
        subprocess.run(["cc", "-O1", "-o", str(burner), str(source)], check=True)
        used = [self.cpu_s(burner, 10_000_000) for _ in range(3)]
        loops = int(5e-3 / min(used) * 10_000_000)
        used += [self.cpu_s(burner, loops) for _ in range(497)]
        text = self.after_rounds(sonde)
        counted = metric_sum(text, "process_exits_total", process_command="burn5ms", how="exit 3")
        print(f"500 processes of 5 ms: {counted:.0f} ends counted")
        self.assertEqual(counted, 500)
        for name in names:
            self.assertGreaterEqual(metric_sum(text, name) - before[name], 500)
        self.assertEqual(metric_sum(text, "sonde_resource_lost_total", kind="exit"), 0)
        got = metric_sum(text, "process_ended_cpu_seconds_total", process_command="burn5ms")
        self.near("their CPU time, s", got, sum(used), 0.05)

    def test_threads_that_end_together(self):
        """Four threads that burn, and a process that ends while they do."""
        sonde = self.start_collector()
        source, program = self.directory / "crowd.c", self.directory / "crowd4"
        source.write_text("#include <pthread.h>\n#include <unistd.h>\nvoid *burn(void *p) { for (;;) ; return p; }\n"
                          "int main(void) { pthread_t t; for (int i = 0; i < 4; i++) pthread_create(&t, 0, burn, 0);"
                          " usleep(300000); return 0; }\n")
        subprocess.run(["cc", "-O1", "-pthread", "-o", str(program), str(source)], check=True)
        used = 0
        for _ in range(5):
            child = os.posix_spawn(str(program), [str(program)], {})
            usage = os.wait4(child, 0)[2]
            used += usage.ru_utime + usage.ru_stime
        text = self.after_rounds(sonde)
        self.assertEqual(metric_sum(text, "process_exits_total", process_command="crowd4", how="exit 0"), 5)
        got = metric_sum(text, "process_ended_cpu_seconds_total", process_command="crowd4")
        self.near("CPU time of 5 processes of 4 threads, s", got, used, 0.05)

    def cpu_s(self, program, loops):
        child = os.posix_spawn(str(program), [str(program), str(loops)], {})
        _, status, usage = os.wait4(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 3)
        return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    unittest.main(verbosity=2)
