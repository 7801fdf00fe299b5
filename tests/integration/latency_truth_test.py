"""Duration and queue time against the clocks of the server and of the client, which are one clock: CLOCK_MONOTONIC.

    client   send ──┐
    socket          arrives ············ read
    server                               started ── sleeps ── answers, done
                    ├───── queue ────────┤
                    ├─────────────────── duration ─────────────────┤

At the median both must be within 2% + 0.2 ms. Servers are rows of KINDS: program, protocol, TLS."""

import collections
import dataclasses
import os
import pathlib
import select
import socket
import ssl
import statistics
import tempfile
import time
import unittest

import h2.connection
import h2.events

from harness import PYTHON, SONDE, Process, SondeTest, accepts, wait_for
from truth.server import Site, accepts_on, build_once

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
URING = pathlib.Path(SONDE).parent / "tests" / "uring_server"
SLEEPS_MS = (1, 10, 100)
ROUNDS = 11
WARM_UP = 100  # requests that are not measured: between the read and the handler lies what is compiled first
RELATIVE, ABSOLUTE_MS = 0.02, 0.2
# a core for the server and one for the client: who is woken does not push the other off its core
CORES = sorted(os.sched_getaffinity(0))


@dataclasses.dataclass(frozen=True)
class Kind:
    """argv(site) starts a server that answers /sleep/MS/NUMBER and writes the log of timed_server.py.

    queue: a request that arrives while the server sleeps stays in its socket until the server turns to it. Where
    the kernel takes it for the server before that, or another of its threads, the socket's queue ends there, and what
    remains is service; so it is where the server's own clock begins later than its read.

    sends_later: the server cannot tell when its answer left: its library sends it after that, at some moment before the
    client has all of it."""

    name: str
    argv: object
    protocol: str = "http/1.1"
    tls: bool = False
    unix: bool = False
    queue: bool = True
    sends_later: bool = False


def python(kind, unix=False):
    return lambda site: [PYTHON, str(TRIGGERS / "timed_server.py"), kind, site.path("socket") if unix else str(site.port),
                         site.path("log"), *keys(site)]


def go(site):
    source = (TRIGGERS / "timed_server.go").read_text()
    program = build_once("timed_server_go", {"timed_server.go": source}, [["go", "build", "timed_server.go"]])
    return [str(program / "timed_server"), str(site.port), site.path("log"), *keys(site)]


def keys(site):
    return [str(site.certificate), str(site.key)] if site.tls else []


def node(site):
    return ["node", str(TRIGGERS / "timed_server.js"), site.protocol, str(site.port), site.path("log"), *keys(site)]


def uring(mode):
    return lambda site: [str(URING), str(site.port), site.path("log"), mode]


KINDS = (
    Kind("blocking", python("blocking")),
    Kind("asyncio", python("asyncio")),
    Kind("Node", node),
    Kind("unix blocking", python("blocking", unix=True), unix=True),
    Kind("unix asyncio", python("asyncio", unix=True), unix=True),
    Kind("io_uring defer", uring("defer")),
    # a completion interrupts the sleeping thread, or a worker thread waits in recv: both take the bytes at once
    Kind("io_uring default", uring("default"), queue=False),
    Kind("io_uring async", uring("async"), queue=False),
    Kind("Go", go, queue=False),
    Kind("blocking, TLS", python("blocking"), tls=True),
    Kind("asyncio, TLS", python("asyncio"), tls=True),
    Kind("Node, TLS", node, tls=True),
    Kind("Go, TLS", go, tls=True, queue=False),
    Kind("HTTP/2", python("h2"), "h2"),
    Kind("HTTP/2, TLS", python("h2"), "h2", tls=True),
    # its clock begins when it has taken TLS and frames apart, a fifth of a millisecond after its read
    Kind("Node, HTTP/2", node, "h2", queue=False, sends_later=True),
    Kind("Node, HTTP/2, TLS", node, "h2", tls=True, queue=False, sends_later=True),
    Kind("Go, HTTP/2, TLS", go, "h2", tls=True, queue=False, sends_later=True),
    Kind("grpcio", python("grpc"), "grpc", queue=False, sends_later=True),
    Kind("grpcio, TLS", python("grpc"), "grpc", tls=True, queue=False, sends_later=True),
)


class Http1:
    """What one connection says and hears in HTTP/1.1."""

    def __init__(self, host):
        self.host = host

    def request(self, path):
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()

    def answered(self, received):
        return received.endswith(b"slept\n")


class Http2:
    """The same in HTTP/2; grpc: as a call with an empty message."""

    def __init__(self, host, scheme, grpc):
        self.host, self.scheme, self.grpc = host, scheme, grpc
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()

    def request(self, path):
        stream = self.connection.get_next_available_stream_id()
        fields = [(":method", "POST" if self.grpc else "GET"), (":scheme", self.scheme), (":authority", self.host), (":path", path)]
        if self.grpc:
            fields += [("content-type", "application/grpc"), ("te", "trailers")]
        self.connection.send_headers(stream, fields, end_stream=not self.grpc)
        if self.grpc:
            self.connection.send_data(stream, bytes(5), end_stream=True)
        return self.connection.data_to_send()

    def answered(self, received):
        """Takes what came since the last call."""
        events = self.connection.receive_data(received)
        return any(isinstance(event, h2.events.StreamEnded) for event in events)


def has_more(connection):
    if isinstance(connection, ssl.SSLSocket) and connection.pending() > 0:
        return True
    return bool(select.select([connection], [], [], 0)[0])


class Client:
    """Connections that stay open, when each request was handed to the kernel and when its answer was there."""

    def __init__(self, site, unix):
        self.unix = unix
        self.sent_ns, self.received_ns = {}, {}
        self.site = site
        self.host = f"timed-{site.port}"
        self.connections = [self.connect() for _ in range(2)]
        self.speaks = {connection: self.protocol() for connection in self.connections}
        self.asked = {}

    def protocol(self):
        if self.site.protocol == "http/1.1":
            return Http1(self.host)
        return Http2(self.host, "https" if self.site.tls else "http", self.site.protocol == "grpc")

    def connect(self):
        if self.unix:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.site.path("socket"))
            return connection
        connection = socket.create_connection(("127.0.0.1", self.site.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.site.tls:
            context = ssl.create_default_context(cafile=str(self.site.certificate))
            if self.site.protocol != "http/1.1":
                context.set_alpn_protocols(["h2"])
            connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
        return connection

    def send(self, connection, sleep_ms):
        path = f"/sleep/{sleep_ms}/{len(self.sent_ns)}"
        request = self.speaks[connection].request(path)
        self.asked[connection] = path
        self.sent_ns[path] = time.monotonic_ns()
        connection.sendall(request)
        return path

    def receive(self, connection):
        answered, received = False, b""
        while not answered:
            piece = connection.recv(65536)
            now = time.monotonic_ns()
            if not piece:
                raise AssertionError(f"the server closed instead of answering {self.asked[connection]}")
            received += piece
            if has_more(connection):
                continue  # looked at when all is there: that takes time
            answered, received = self.speaks[connection].answered(received), b""
        self.received_ns[self.asked[connection]] = now

    def alone(self, sleep_ms):
        path = self.send(self.connections[0], sleep_ms)
        self.receive(self.connections[0])
        return path

    def behind(self, sleep_ms):
        """A request that arrives while another one is served, as long as that one takes."""
        first, second = self.connections
        self.send(first, sleep_ms)
        # the server has taken it up and is asleep
        time.sleep(min(sleep_ms / 4, 2) / 1e3)
        path = self.send(second, sleep_ms)
        self.receive(first)
        self.receive(second)
        return path

    def close(self):
        for connection in self.connections:
            connection.close()


class LatencyTruth(SondeTest):
    def setUp(self):
        super().setUp()
        os.sched_setaffinity(0, {CORES[0]})
        self.addCleanup(os.sched_setaffinity, 0, CORES)

    def run_kind(self, kind):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="kind-", dir=self.directory))
        directory.chmod(0o755)
        site = Site(directory, kind.tls, kind.protocol)
        server = self.start(Process(["taskset", "-c", str(CORES[-1]), *kind.argv(site)]))
        wait_for(lambda: accepts_on(site.path("socket")) if kind.unix else accepts(site.port), f"{kind.name} listens")
        sonde = self.start_sonde_in(directory)
        client = Client(site, kind.unix)
        self.addCleanup(client.close)
        cases = collections.defaultdict(list)
        for _ in range(WARM_UP):
            client.alone(0)
        for sleep_ms in SLEEPS_MS:
            for _ in range(ROUNDS):
                cases[sleep_ms, "alone"].append(client.alone(sleep_ms))
            for _ in range(ROUNDS):
                cases[sleep_ms, "behind"].append(client.behind(sleep_ms))
        # a server writes its line after its answer
        log = directory / "log"
        wait_for(lambda: log.read_text().count("\n") == len(client.sent_ns), f"{kind.name} has written its log")
        client.close()
        server.stop()
        self.assertEqual(sonde.stop(), 0)
        truth = {}
        for line in log.read_text().splitlines():
            _, path, _, _, started, done = line.split()
            # server's and client's clock: who of them gets a core first after the answer has left says so first
            done_ns = sorted((int(done), client.received_ns[path]))
            if not kind.sends_later:
                done_ns[1] = done_ns[0]
            truth[path] = (int(started) - client.sent_ns[path], [each - client.sent_ns[path] for each in done_ns])
        self.assertEqual(set(truth), set(client.sent_ns), "the server logged what was sent")
        seen = {t["path"]: t for t in sonde.transactions("server") if t["host"] == client.host}
        self.assertEqual(set(seen), set(truth), "sonde saw what the server logged")
        # also where a worker thread of the ring reads for it
        readers = {(t["process"]["pid"], t["process"]["comm"]) for t in seen.values()}
        self.assertEqual({pid for pid, _ in readers}, {server.pid}, readers)
        return cases, truth, seen

    def start_sonde_in(self, directory):
        self.directory, whole = directory, self.directory
        try:
            return self.start_sonde("--ring-kib", "65536")
        finally:
            self.directory = whole

    def held_to(self, what, truth_ns, got_ns):
        """The medians in ms, for the table; what is too far off goes to self.wrong."""
        truth, got = (statistics.median(values) / 1e6 for values in ([most for _, most in truth_ns], got_ns))
        off = statistics.median(max(least - b, b - most, 0) for (least, most), b in zip(truth_ns, got_ns)) / 1e6
        if off > RELATIVE * truth + ABSOLUTE_MS:
            self.wrong.append(f"{what}: server {truth:.3f} ms, sonde {got:.3f} ms, off by {off:.3f} ms")
        return f"{truth:9.3f} {got:9.3f} {off:7.3f}"

    def test_sleep_and_queue(self):
        print(f"{'ms at the median':34}   duration: server, sonde, off |    queue: server, sonde, off")
        for kind in KINDS:
            # where too much else went on for the median of a few, of all of three times as many
            samples = collections.defaultdict(list)
            for _ in range(3):
                cases, truth, seen = self.run_kind(kind)
                for case, paths in cases.items():
                    samples[case] += [(truth[path], seen[path]) for path in paths]
                self.wrong = []
                self.compare(kind, samples)
                if not self.wrong:
                    break
            self.assertEqual(self.wrong, [])

    def compare(self, kind, samples):
        for (sleep_ms, position), pairs in samples.items():
            what = f"{kind.name}, {sleep_ms} ms, {position}"
            duration = self.held_to(f"{what}: duration", [truth[1] for truth, _ in pairs],
                                    [seen["duration_ns"] for _, seen in pairs])
            queues = [seen["phases"]["queue_ns"] for _, seen in pairs]
            self.assertNotIn(None, queues, what)
            if kind.queue:
                queue = self.held_to(f"{what}: queue", [(truth[0], truth[0]) for truth, _ in pairs], queues)
            else:
                # taken from the socket at once
                queue = f"{'-':>9} {statistics.median(queues) / 1e6:9.3f} {'-':>7}"
            print(f"{what:34} {duration}   | {queue}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
