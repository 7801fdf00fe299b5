"""What sonde may do: exactly the documented capabilities are enough, each is needed, and a running agent has less."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from harness import PYTHON, SONDE, Process, Sonde, SondeTest, accepts, fetch, free_port, metric_sum, wait_for  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65533  # nginx's workers are 65534
NUMBERS = {"CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19,
           "CAP_PERFMON": 38, "CAP_BPF": 39}

# Its library is a copy that root alone may read: who finds it has both of the capabilities about other users.
TLS_SERVER = """
import http.server, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def documented():
    """[(capability, kept while running)] of docs/privileges.md."""
    rows = re.findall(r"^\| `(CAP_\w+)` \|.*\| (yes|no) \|$", (ROOT / "docs" / "privileges.md").read_text(), re.M)
    return [(name, kept == "yes") for name, kept in rows]


def mask(names):
    return sum(1 << NUMBERS[name] for name in names)


def limited(capabilities):
    """argv that runs what follows as nobody with these capabilities and none that could be had."""
    listed = "-all" + "".join(f",+{name.lower().removeprefix('cap_')}" for name in capabilities)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps={listed}",
            f"--ambient-caps={listed}", f"--bounding-set={listed}", "--no-new-privs"]


class LimitedSonde(Sonde):
    """sonde as nobody; its files are nobody's, too."""

    def __init__(self, directory, capabilities, *arguments):
        self.place = pathlib.Path(directory) / "nobody"
        self.place.mkdir()
        program = self.place / "sonde"
        shutil.copy(SONDE, program)  # a build directory may be closed to others
        os.chmod(directory, 0o755)
        os.chown(self.place, NOBODY, NOBODY)
        self.port = free_port()
        self.events = self.place / "events"
        self.log = open(pathlib.Path(directory) / "sonde.log", "w+b")
        Process.__init__(
            self, [*limited(capabilities), str(program), "run", "--listen", f"127.0.0.1:{self.port}", "--events",
                   str(self.events), *arguments], stdout=self.log, stderr=subprocess.STDOUT)
        try:
            wait_for(self.ready, "sonde answers on /readyz", timeout_s=60)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.output()}") from None


class Privileges(SondeTest):
    def setUp(self):
        super().setUp()
        self.certificate, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=shop.test", "-keyout", str(self.key), "-out",
                        str(self.certificate)], check=True, capture_output=True)

    def start_tls_server(self):
        libraries = self.directory / "closed"
        libraries.mkdir(mode=0o700, exist_ok=True)
        for name in ("libssl.so.3", "libcrypto.so.3"):
            copy = libraries / name
            shutil.copy(f"/usr/lib/x86_64-linux-gnu/{name}", copy)
            copy.chmod(0o600)
        port = free_port()
        self.start(Process([PYTHON, "-c", TLS_SERVER, str(port), str(self.certificate), str(self.key)],
                           env={**os.environ, "LD_LIBRARY_PATH": str(libraries)}))
        wait_for(lambda: accepts(port), "the TLS server listens")
        return port

    def get(self, port):
        subprocess.run(["curl", "-sk", "--http1.1", f"https://127.0.0.1:{port}/orders/7"], check=True,
                       capture_output=True)

    def count(self, sonde, side, port):
        return metric_sum(sonde.metrics(), f"http_{side}_request_duration_seconds_count", server_port=str(port))

    def seen(self, capabilities):
        """What sonde tells of a root's TLS server, and of nginx, with these capabilities."""
        tls = self.start_tls_server()
        nginx = self.start_nginx("location / { return 200 ok; }")
        sonde = self.start(LimitedSonde(self.directory, capabilities))
        for _ in range(5):
            fetch(f"http://127.0.0.1:{nginx.port}/x")
            self.get(tls)
        wait_for(lambda: self.count(sonde, "server", nginx.port) == 5, "sonde counts nginx's requests")
        features = re.findall(r'sonde_feature_enabled\{feature="(\w+)"\} 0', sonde.metrics())
        self.assertEqual(sonde.stop(), 0, sonde.output())
        return {
            "features missing": features,
            "nginx": {t["process"]["exe"] for t in sonde.transactions("server", nginx.port)},
            "tls": len(sonde.transactions("server", tls)),
        }

    def test_the_documented_set_is_enough(self):
        seen = self.seen([name for name, _ in documented()])
        self.assertEqual(seen, {"features missing": [], "nginx": {"/usr/sbin/nginx"}, "tls": 5})

    def test_each_that_loading_needs_is_named(self):
        every = [name for name, _ in documented()]
        for missing in ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"):
            with self.subTest(missing):
                shutil.copy(SONDE, self.directory / "sonde")
                os.chmod(self.directory, 0o755)
                done = subprocess.run(
                    [*limited([name for name in every if name != missing]), str(self.directory / "sonde"), "run",
                     "--listen", f"127.0.0.1:{free_port()}"], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"cannot load the probes without {missing}: run sonde as root, or give it", done.stderr)

    def test_without_ptrace_other_users_programs_are_strangers(self):
        seen = self.seen([name for name, _ in documented() if name != "CAP_SYS_PTRACE"])
        self.assertEqual(seen, {"features missing": [], "nginx": {None}, "tls": 0})

    def test_without_reading_closed_libraries_are_not_found(self):
        seen = self.seen([name for name, _ in documented() if name != "CAP_DAC_READ_SEARCH"])
        self.assertEqual(seen, {"features missing": [], "nginx": {"/usr/sbin/nginx"}, "tls": 0})

    def test_a_running_agent_has_less(self):
        sonde = self.start_sonde()
        kept = mask(name for name, stays in documented() if stays)
        wait_for(lambda: metric_sum(sonde.metrics(), "sonde_system_calls_filtered") == 1, "system calls are filtered")
        for task in pathlib.Path(f"/proc/{sonde.pid}/task").iterdir():
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            for each in ("CapPrm", "CapEff"):
                self.assertEqual(int(status[each], 16), kept, f"{each} of {status['Name']}")
            self.assertEqual([int(status[each], 16) for each in ("CapInh", "CapAmb")], [0, 0], status["Name"])
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), status["Name"])
        # what begins only now is found and attached to all the same
        tls = self.start_tls_server()
        wait_for(lambda: self.get(tls) or self.count(sonde, "server", tls) > 0, "a new TLS program is seen", 30)
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_system_calls_refused_total"), 0, sonde.output())
        self.assertEqual(sonde.stop(), 0, sonde.output())
        self.assertGreater(len(sonde.transactions("server", tls)), 0)

    def test_it_can_be_told_to_keep_all(self):
        sonde = self.start_sonde("--set", "privileges.drop=false", "--set", "privileges.seccomp=false")
        status = pathlib.Path(f"/proc/{sonde.pid}/status").read_text()
        self.assertRegex(status, r"Seccomp:\t0")
        self.assertEqual(int(re.search(r"CapEff:\t(\w+)", status)[1], 16) & mask(NUMBERS), mask(NUMBERS))
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_system_calls_filtered"), 0)

    def test_a_directory_of_another_user_is_written_to(self):
        (self.directory / "events").mkdir(mode=0o755)
        os.chown(self.directory / "events", NOBODY, NOBODY)
        sonde = self.start_sonde()
        self.assertIn("keeps CAP_DAC_OVERRIDE: ", sonde.output())
        fetch(f"http://127.0.0.1:{sonde.port}/readyz")
        self.assertEqual(sonde.stop(), 0, sonde.output())
        self.assertGreater(len(sonde.lines()), 0)

    def test_the_service_manager_is_told(self):
        path = self.directory / "notify"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        listener.settimeout(60)
        os.environ.update(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="1000000")
        try:
            sonde = self.start_sonde()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        words = [listener.recv(4096).decode()]
        while words[-1] != "WATCHDOG=1":
            words.append(listener.recv(4096).decode())
        self.assertEqual(words, ["STATUS=loading the probes",
                                 f"READY=1\nSTATUS=watches this machine; metrics: http://127.0.0.1:{sonde.port}/metrics",
                                 "WATCHDOG=1"])
        self.assertEqual(sonde.stop(), 0)
        while words[-1] == "WATCHDOG=1":
            words.append(listener.recv(4096).decode())
        self.assertEqual(words[-1], "STOPPING=1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
