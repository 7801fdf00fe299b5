"""Python's http.server, a Node server and curl as the client, each held to its own count."""

import collections
import json
import pathlib
import socket
import subprocess
import unittest

from harness import PYTHON, Process, SondeTest, accepts, fetch, free_port, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"


class Servers(SondeTest):
    def curl(self, *arguments):
        """One curl process; what it wrote with -w, a line per transfer."""
        done = subprocess.run(
            ["curl", "-s", "-w", "%{http_code} %{size_header} %{size_download} %{size_request} %{size_upload}\\n",
             *arguments], check=True, capture_output=True, text=True, cwd=self.directory)
        return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines() if line]

    def discard(self, urls):
        out = []
        for url in urls:
            out += ["-o", "/dev/null", url]
        return out

    def raw_size(self, port, path):
        """Bytes of a response on the wire: curl tells the size of a chunked body without its framing."""
        size = 0
        with socket.create_connection(("127.0.0.1", port)) as connection:
            # a request like curl's, whose connection stays open, so that the head is the same
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"\r\n0\r\n\r\n"):
                received += connection.recv(4096)
            size = len(received)
        return size

    def test_python_http_server_and_curl(self):
        root = self.directory / "www"
        root.mkdir()
        (root / "small").write_bytes(b"a" * 100)
        (root / "large").write_bytes(b"b" * 3_000_000)
        port = free_port()
        log = open(self.directory / "server.log", "wb")
        self.addCleanup(log.close)
        server = self.start(Process([PYTHON, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
                                    cwd=root, stderr=log))
        wait_for(lambda: accepts(port), "http.server listens")
        sonde = self.start_sonde()
        base = f"http://127.0.0.1:{port}"
        urls = [f"{base}/small", f"{base}/large", f"{base}/missing", f"{base}/"] * 25
        sent = self.curl(*self.discard(urls))
        self.assertEqual(len(sent), 100)
        server.stop()
        self.assertEqual(sonde.stop(), 0)

        # the server's own log: "127.0.0.1 - - [date] "GET /small HTTP/1.1" 200 -"
        truth = collections.Counter()
        for line in (self.directory / "server.log").read_text().splitlines():
            if '" ' in line:
                request, rest = line.split('"')[1], line.split('"')[2].split()
                truth[(request.split()[1], int(rest[0]))] += 1
        seen = sonde.transactions("server", port)
        self.assertEqual(collections.Counter((t["path"], t["status"]) for t in seen), truth)
        self.assertEqual({t["service"] for t in seen}, {f"http.server:{port}"})

        # the client's own count, request for request: status, head and body bytes
        client = sonde.transactions("client", port)
        self.assertEqual(collections.Counter((t["status"], t["response_bytes"], t["response_body_bytes"], t["request_bytes"])
                                             for t in client),
                         collections.Counter((s, head + body, body, request) for s, head, body, request, _ in sent))
        self.assertEqual({t["process"]["comm"] for t in client}, {"curl"})
        print(f"http.server: {len(seen)} server and {len(client)} client transactions equal")

    def test_node_http_server(self):
        # a connection that the kernel refused its storage is lost, and counted (truth_test.py): then once more
        for _ in range(2):
            try:
                return self.node_http_server()
            except AssertionError as error:
                if not any(line["type"] == "loss" and line["lost"] for line in self.sonde.lines()):
                    raise
                print(f"records were lost, and counted: once more ({error})")
        self.node_http_server()

    def node_http_server(self):
        port = free_port()
        self.start(Process(["node", str(TRIGGERS / "node_server.js"), str(port)]))
        wait_for(lambda: accepts(port), "the Node server listens")
        sonde = self.sonde = self.start_sonde()
        base = f"http://127.0.0.1:{port}"
        sent = self.curl(*self.discard([f"{base}/", f"{base}/missing", f"{base}/fail", f"{base}/chunked"] * 25))
        sizes = [0, 1, 10_000, 2_000_000]  # curl announces the last one with Expect: 100-continue
        for size in sizes:
            (self.directory / "body").write_bytes(b"c" * size)
            self.curl("--data-binary", f"@{self.directory}/body", "-o", "/dev/null", f"{base}/upload")
        subprocess.run(["wrk", "-t1", "-c8", "-d2s", base + "/load"], check=True, stdout=subprocess.DEVNULL)
        on_the_wire = self.raw_size(port, "/chunked")
        truth = json.loads(fetch(base + "/truth"))
        self.assertEqual(sonde.stop(), 0)
        seen = [t for t in sonde.transactions("server", port) if t["path"] != "/truth"]
        counted = collections.Counter(f"{t['method']} {t['path']} {t['status']}" for t in seen)
        # wrk stops in the middle of requests: Node may have answered what nobody waited for
        self.assertEqual(dict(counted), truth)
        curled = [t for t in sonde.transactions("client", port) if t["process"] and t["process"]["comm"] == "curl"]
        self.assertEqual(
            collections.Counter((t["status"], t["response_bytes"], t["request_bytes"])
                                for t in curled if t["path"] != "/upload"),
            collections.Counter((status, on_the_wire if body == len("first second") else head + body, request)
                                for status, head, body, request, _ in sent))
        for side in (seen, curled):
            uploads = [(t["status"], t["request_body_bytes"]) for t in side if t["path"] == "/upload"]
            self.assertEqual(uploads, [(200, size) for size in sizes])
        print(f"Node: {len(seen)} server and {len(curled)} curl transactions equal")


if __name__ == "__main__":
    unittest.main(verbosity=2)
