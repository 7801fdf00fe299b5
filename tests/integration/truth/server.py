"""How a server of the matrix is described and run. The families (web_servers.py and so on) hold only descriptions."""

import collections
import dataclasses
import os
import pathlib
import re
import socket
import subprocess
import time

from harness import Process, accepts, free_port, wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
# what is the same for every run and slow to make (npm packages, compiled programs); git ignores it
CACHE = REPOSITORY / "build" / "truth"

OK_BODY = b"ok\n"
BIG_BODY = b"0123456789abcdef" * (200 * 64)  # 200 KiB

# One line of a server's own log: "METHOD PATH STATUS BYTES", BYTES of the whole response or "-" where it cannot tell
OWN_LOG = r"(?P<method>[A-Z]+) (?P<path>/[^ ?]*)\S* (?P<status>\d{3}) (?P<bytes>\d+|-)"
# "GET /ok HTTP/1.1" 200: the common log format, whatever stands around it
COMMON_LOG = r'"(?P<method>[A-Z]+) (?P<path>/[^ ?"]*)[^ "]* HTTP/[0-9.]+" (?P<status>\d{3})'

Logged = collections.namedtuple("Logged", "method path status bytes")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to run one server on one site. argv starts the server in the foreground; log is a file in the site's
    directory ("output": what it writes to stdout and stderr; None: it counts nothing, its client does); companions start after it and end with it; socket: the
    Unix socket that it listens on instead of a port."""

    argv: list
    log: str = "access.log"
    pattern: str = OWN_LOG
    environment: dict = dataclasses.field(default_factory=dict)
    companions: list = dataclasses.field(default_factory=list)
    socket: str = None


@dataclasses.dataclass(frozen=True)
class Server:
    """A server of the matrix. plan(site) writes its files and says how to start it.

    protocols: what it is driven with; loads: by which clients, None: all; tls: it can terminate TLS; upstream: plan
    of a server behind it, on site.upstream_port; limits: what is known to differ, by load ("*": every load), with
    the reason that the table prints. A row that differs without a limit fails the matrix.

    posts: over HTTP/2, curl may send it POST; where False it answers before the body is there and resets the stream,
    which curl 7.88 takes for an error.

    A row compares sonde's transactions on `side` with the server's own log: those of its port, or, where host(site)
    tells a name, those with that Host field. own_bytes_only: the client gets other bytes than those of the log."""

    name: str
    plan: object
    protocols: tuple = ("http/1.1",)
    loads: tuple = None
    tls: bool = False
    upstream: object = None
    limits: dict = dataclasses.field(default_factory=dict)
    posts: bool = True
    side: str = "server"
    host: object = None
    own_bytes_only: bool = False


class Site:
    """A directory, a port and files to serve: what one server needs."""

    def __init__(self, directory, tls=False, protocol="http/1.1", posts=True):
        self.directory = pathlib.Path(directory)
        self.posts = posts
        self.tls = tls
        self.protocol = protocol
        self.port = free_port()
        self.upstream_port = free_port()
        self.www = self.directory / "www"
        self.www.mkdir()
        os.chmod(self.directory, 0o755)
        (self.www / "ok").write_bytes(OK_BODY)
        (self.www / "big").write_bytes(BIG_BODY)
        self.certificate = self.directory / "certificate.pem"
        self.key = self.directory / "key.pem"
        if tls:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", str(self.key), "-out", str(self.certificate)], check=True, capture_output=True)
            # servers that drop their privileges read both
            os.chmod(self.key, 0o644)
            both = self.directory / "both.pem"
            both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())

    @property
    def base(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def path(self, name):
        return str(self.directory / name)


def accepts_on(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


class Running:
    """A server that accepts connections, with its companions and what stands behind it."""

    def __init__(self, server, site):
        self.site = site
        self.plan = server.plan(site)
        self.children = []
        try:
            if server.upstream is not None:
                self.spawn(server.upstream(site), "upstream", site.upstream_port)
            self.spawn(self.plan, "output", site.port)
        except BaseException:
            self.stop()
            raise

    def spawn(self, plan, output, port):
        main = self.child(plan.argv, plan, output)

        def ready():
            if main.child.poll() is not None:
                words = (self.site.directory / output).read_text(errors="replace")[-2000:]
                raise AssertionError(f"{plan.argv[0]} ended with {main.child.returncode}:\n{words}")
            return accepts_on(plan.socket) if plan.socket else accepts(port)

        wait_for(ready, f"{plan.argv[0]} listens on {plan.socket or port}", timeout_s=40)
        for number, argv in enumerate(plan.companions):
            self.child(argv, plan, f"{output}.{number}")

    def child(self, argv, plan, output):
        with open(self.site.directory / output, "wb") as sink:
            process = Process(argv, cwd=self.site.directory, stdout=sink, stderr=subprocess.STDOUT,
                              env={**os.environ, **plan.environment})
        self.children.append(process)
        return process

    def wait_until_logged(self, quiet_s=0.4):
        """Some servers write their log later than their answer: until it has not grown for a while."""
        if self.plan.log is None:
            return
        path = self.site.directory / self.plan.log
        size, since = -1, time.monotonic()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and time.monotonic() - since < quiet_s:
            now = path.stat().st_size if path.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.02)

    def logged(self):
        """Counter of Logged, None without a log; call when all of it is written."""
        if self.plan.log is None:
            return None
        pattern = re.compile(self.plan.pattern)
        counts = collections.Counter()
        path = self.site.directory / self.plan.log
        for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
            match = pattern.search(line)
            if match:
                size = match.groupdict().get("bytes")
                counts[Logged(match["method"], match["path"], int(match["status"]),
                              int(size) if size and size != "-" else None)] += 1
        return counts

    def stop(self):
        for child in reversed(self.children):
            child.stop()
        self.children = []


def build_once(name, sources, commands):
    """Runs commands in CACHE/name when its sources changed since they last succeeded; returns that directory."""
    directory = CACHE / name
    directory.mkdir(parents=True, exist_ok=True)
    wanted = repr((sorted(sources.items()), commands))
    stamp = directory / ".built"
    if stamp.exists() and stamp.read_text() == wanted:
        return directory
    for path, text in sources.items():
        (directory / path).write_text(text)
    for argv in commands:
        done = subprocess.run(argv, cwd=directory, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    stamp.write_text(wanted)
    return directory
