"""Plaintext of TLS connections: servers and clients with their own libraries, each held to its own count."""

import collections
import json
import os
import pathlib
import ssl
import subprocess
import unittest
import urllib.request

from harness import PYTHON, Nginx, Process, SondeTest, accepts, free_port, metric_sum, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"


class Tls(SondeTest):
    def setUp(self):
        super().setUp()
        self.certificate, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test,IP:127.0.0.1",
             "-keyout", str(self.key), "-out", str(self.certificate)], check=True, capture_output=True)

    def curl(self, port, paths, *arguments):
        """One curl process, one connection; a tuple (status, head, body, request bytes) per transfer."""
        urls = []
        for path in paths:
            urls += ["-o", "/dev/null", f"https://shop.test:{port}{path}"]
        done = subprocess.run(
            ["curl", "-s", "--http1.1", "--cacert", str(self.certificate), "--resolve",
             f"shop.test:{port}:127.0.0.1", "-w",
             "%{http_code} %{size_header} %{size_download} %{size_request}\\n", *arguments, *urls],
            check=True, capture_output=True, text=True, cwd=self.directory)
        return [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines() if line]

    def fetch(self, url):
        context = ssl._create_unverified_context()  # what is tested is not Python's trust
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return answer.read().decode()

    def assert_tls(self, transactions):
        self.assertTrue(all(t["tls"] for t in transactions))
        self.assertTrue(all(t["duration_ns"] > 0 for t in transactions))
        self.assertEqual([t["unobserved"] for t in transactions if "server" in t["unobserved"]], [])

    def assert_client(self, seen, sent):
        """Request for request: status, head and body bytes."""
        self.assertEqual(
            collections.Counter((t["status"], t["response_bytes"], t["response_body_bytes"], t["request_bytes"])
                                for t in seen),
            collections.Counter((status, head + body, body, request) for status, head, body, request in sent))
        self.assert_tls(seen)

    def test_nginx_and_curl(self):
        server = self.start(Nginx(self.directory, tls=(self.certificate, self.key)))
        www = server.root / "www"
        for name, size in (("small", 100), ("page", 20_000), ("large", 3_000_000)):
            (www / name).write_bytes(b"x" * size)
        sonde = self.start_sonde()
        sent = self.curl(server.port, ["/small", "/page", "/large", "/missing"] * 25)
        for _ in range(20):
            sent += self.curl(server.port, ["/page"])
        server.stop()
        self.assertEqual(sonde.stop(), 0)
        seen = sonde.transactions("server", server.port)
        self.assertEqual(
            collections.Counter((t["status"], t["response_bytes"], t["response_body_bytes"], t["request_bytes"],
                                 t["method"], t["path"]) for t in seen),
            collections.Counter(server.truth()))
        self.assert_tls(seen)
        self.assertEqual({t["process"]["comm"] for t in seen}, {"nginx"})
        self.assertTrue(all(t["phases"]["queue_ns"] is not None for t in seen))
        client = sonde.transactions("client", server.port)
        self.assert_client(client, sent)
        self.assertEqual({t["process"]["comm"] for t in client}, {"curl"})
        print(f"nginx and curl over TLS: {len(seen)} server and {len(client)} client transactions equal")

    def check_counting_server(self, sonde, port, name, comm):
        """A server that tells on /truth what it answered, with curl on the other side."""
        sent = self.curl(port, ["/", "/missing"] * 30)
        self.curl(port, ["/chunked"] * 30)  # curl tells the size of its body without the framing
        for _ in range(10):
            sent += self.curl(port, ["/"])
        # a body in several writes and records
        (self.directory / "body").write_bytes(b"c" * 300_000)
        self.curl(port, ["/upload"], "--data-binary", f"@{self.directory}/body", "-H", "Expect:")
        # many connections on one thread: each request has to be its own connection's
        base = f"https://127.0.0.1:{port}"
        # (ab closes after the last answer: no request is left without one)
        subprocess.run(["ab", "-q", "-k", "-n", "3000", "-c", "16", base + "/load"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        truth = {key: n for key, n in json.loads(self.fetch(base + "/truth")).items() if " /go " not in key}
        self.assertEqual(sonde.stop(), 0)
        seen = [t for t in sonde.transactions("server") if t["tls"] and t["process"] and t["process"]["comm"] == comm
                and t["path"] not in ("/truth", "/go")]
        counted = collections.Counter(f"{t['method']} {t['path']} {t['status']}" for t in seen)
        self.assertEqual(dict(counted), truth)
        self.assert_tls(seen)
        self.assertEqual({t["server"]["port"] for t in seen}, {port})
        uploads = [(t["request_body_bytes"], t["status"]) for t in seen if t["path"] == "/upload"]
        self.assertEqual(uploads, [(300_000, 200)])
        self.assertEqual([t for t in seen if t["phases"]["queue_ns"] is None], [])
        client = [t for t in sonde.transactions("client", port) if t["process"] and t["process"]["comm"] == "curl"
                  and t["path"] not in ("/upload", "/chunked")]
        self.assert_client(client, sent)
        # both ends of one connection are tied to the two ends of one socket pair
        ends = collections.Counter((t["client"]["port"], t["path"]) for t in seen if t["user_agent"].startswith("curl"))
        others = [t for t in sonde.transactions("client", port) if t["user_agent"].startswith("curl")]
        self.assertEqual(ends, collections.Counter((t["client"]["port"], t["path"]) for t in others))
        print(f"{name}: {len(seen)} server and {len(client)} client transactions equal")

    def uvicorn(self, loop):
        port = free_port()
        self.start(Process([PYTHON, "-m", "uvicorn", "--app-dir", str(TRIGGERS), "--port", str(port), "--loop", loop,
                            "--http", "h11" if loop == "asyncio" else "httptools", "--log-level", "error",
                            "--ssl-certfile", str(self.certificate), "--ssl-keyfile", str(self.key),
                            "asgi_count:application"]))
        wait_for(lambda: accepts(port), "uvicorn listens")
        self.check_counting_server(self.start_sonde(), port, f"uvicorn, {loop}", "python3")

    def test_uvicorn_on_asyncio_with_memory_bios(self):
        self.uvicorn("asyncio")

    def test_uvicorn_on_uvloop_with_memory_bios(self):
        self.uvicorn("uvloop")

    def test_node_with_openssl_inside(self):
        port = free_port()
        self.start(Process(["node", str(TRIGGERS / "node_server.js"), str(port), str(self.certificate),
                            str(self.key)]))
        wait_for(lambda: accepts(port), "the Node server listens")
        self.check_counting_server(self.start_sonde(), port, "Node", "node")

    def go_program(self):
        program = self.directory / "go_https"
        environment = dict(os.environ, GOCACHE=str(self.directory / "go-cache"), GOPROXY="off", GOFLAGS="-mod=mod",
                           GOTOOLCHAIN="local", GOPATH=str(self.directory / "go"))
        subprocess.run(["go", "build", "-o", str(program), str(TRIGGERS / "go_https.go")], check=True, env=environment)
        return program

    def test_go_server_and_client(self):
        program = self.go_program()
        port = free_port()
        self.start(Process([program, "serve", str(port), str(self.certificate), str(self.key)]))
        wait_for(lambda: accepts(port), "the Go server listens")
        sonde = self.start_sonde()
        # the client is executed once before: a new file is attached to within milliseconds, not at once
        lines = []
        for count in (1, 300):
            done = subprocess.run([program, "fetch", f"https://127.0.0.1:{port}/go", str(count)], check=True,
                                  capture_output=True, text=True)
            lines += done.stdout.splitlines()
        self.assertEqual(lines, ["200 10"] * 301)
        self.check_counting_server(sonde, port, "Go", "go_https")
        client = [t for t in sonde.transactions("client", port) if t["path"] == "/go"]
        self.assertEqual([(t["status"], t["response_body_bytes"]) for t in client], [(200, 10)] * 301)
        self.assert_tls(client)

    def test_caddy_without_a_symbol_table(self):
        www = self.directory / "www"
        www.mkdir()
        for name, size in (("small", 100), ("large", 3_000_000)):
            (www / name).write_bytes(b"x" * size)
        port = free_port()
        log = self.directory / "caddy.log"
        (self.directory / "Caddyfile").write_text(
            f"{{\n admin off\n auto_https off\n}}\nhttps://shop.test:{port} {{\n bind 127.0.0.1\n"
            f" tls {self.certificate} {self.key}\n root * {www}\n file_server\n log {{\n  output file {log}\n }}\n}}\n")
        environment = dict(os.environ, HOME=str(self.directory), XDG_DATA_HOME=str(self.directory))
        self.start(Process(["caddy", "run", "--adapter", "caddyfile", "--config", str(self.directory / "Caddyfile")],
                           env=environment))
        wait_for(lambda: accepts(port), "caddy listens")
        sonde = self.start_sonde()
        sent = self.curl(port, ["/small", "/large", "/missing"] * 20)
        for _ in range(10):
            sent += self.curl(port, ["/small"])

        def truth():
            return collections.Counter((entry["status"], entry["size"], entry["request"]["uri"])
                                       for entry in map(json.loads, log.read_text().splitlines()))

        wait_for(lambda: truth().total() == len(sent), "caddy has logged everything")
        self.assertEqual(sonde.stop(), 0)
        seen = sonde.transactions("server", port)
        self.assertEqual(collections.Counter((t["status"], t["response_body_bytes"], t["path"]) for t in seen), truth())
        self.assertEqual(collections.Counter((t["status"], t["response_bytes"]) for t in seen),
                         collections.Counter((status, head + body) for status, head, body, _ in sent))
        self.assert_tls(seen)
        print(f"caddy: {len(seen)} transactions equal")

    def test_clients_that_begin_while_the_dead_are_swept(self):
        """The end of a process that used TLS has all processes looked at, which takes a while where there are many. Whoever
        began meanwhile is no dead one."""
        server = self.start(Nginx(self.directory, tls=(self.certificate, self.key)))
        (server.root / "www" / "small").write_bytes(b"x" * 100)
        for _ in range(400):
            self.start(Process(["sleep", "600"]))
        sonde = self.start_sonde()
        sent = []
        for _ in range(40):
            sent += self.curl(server.port, ["/small"] * 150)
        self.assertEqual(sonde.stop(), 0)
        self.assert_client(sonde.transactions("client", server.port), sent)

    def test_a_library_that_appears_later(self):
        """Node has its own OpenSSL: nobody had it mapped when sonde began, and nobody has it in the end."""
        sonde = self.start_sonde()
        ports = []
        for _ in range(2):
            port = free_port()
            node = self.start(Process(["node", str(TRIGGERS / "node_server.js"), str(port), str(self.certificate),
                                       str(self.key)]))
            wait_for(lambda: accepts(port), "the Node server listens")
            # the first look comes 20 ms after exec, the second after a second
            attached = lambda: self.curl(port, ["/probe"]) and metric_sum(
                sonde.metrics(), "http_server_request_duration_seconds_count", server_port=str(port)) > 0
            wait_for(attached, "requests to it are seen")
            self.curl(port, ["/"] * 50)
            node.stop()
            ports.append(port)
        self.assertEqual(sonde.stop(), 0)
        for port in ports:
            seen = [t for t in sonde.transactions("server", port) if t["path"] == "/"]
            self.assertEqual([t["status"] for t in seen], [200] * 50)
            self.assert_tls(seen)

    def test_unreadable_tls_is_counted_by_server_name(self):
        store = self.directory / "store.p12"
        subprocess.run(["openssl", "pkcs12", "-export", "-in", str(self.certificate), "-inkey", str(self.key),
                        "-out", str(store), "-passout", "pass:changeit"], check=True)
        port = free_port()
        self.start(Process(["java", str(TRIGGERS / "JavaHttps.java"), str(port), str(store)]))
        wait_for(lambda: accepts(port), "the Java server listens", timeout_s=60)
        sonde = self.start_sonde()
        for _ in range(7):
            self.curl(port, ["/", "/"])

        def connections(**labels):
            return metric_sum(sonde.metrics(), "sonde_tls_connections_total", server_name="shop.test", **labels)

        wait_for(lambda: connections(side="server") == 7, "every connection is counted")
        self.assertEqual(connections(side="server", readable="false", version="1.3", alpn="http/1.1"), 7)
        self.assertEqual(connections(side="client", readable="true", version="1.3", alpn="http/1.1"), 7)
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_tls_connection_duration_seconds_count",
                                    server_name="shop.test", side="server", readable="false"), 7)
        self.assertEqual(sonde.stop(), 0)
        self.assertEqual(sonde.transactions("server", port), [])
        self.assertEqual(len(sonde.transactions("client", port)), 14)  # curl's side can be read

    def test_gnutls_client(self):
        server = self.start(Nginx(self.directory, tls=(self.certificate, self.key)))
        (server.root / "www" / "page").write_bytes(b"x" * 20_000)
        sonde = self.start_sonde()
        base = f"https://127.0.0.1:{server.port}"
        for _ in range(10):
            subprocess.run(["wget", "-q", "-O", "/dev/null", f"--ca-certificate={self.certificate}"]
                           + [f"{base}/page"] * 5, check=True)
        server.stop()
        self.assertEqual(sonde.stop(), 0)
        truth = collections.Counter((row[0], row[1], row[3], row[5]) for row in server.truth())
        for side in ("server", "client"):
            seen = sonde.transactions(side, server.port)
            self.assertEqual(collections.Counter((t["status"], t["response_bytes"], t["request_bytes"], t["path"])
                                                 for t in seen), truth)
            self.assert_tls(seen)
        print(f"nginx and wget (GnuTLS): {len(seen)} transactions equal on both sides")


if __name__ == "__main__":
    unittest.main(verbosity=2)
