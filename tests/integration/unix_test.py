"""Unix sockets one call at a time: what the kernel side makes of each way to send, receive and end."""

import os
import socket
import threading
import time
import unittest

from harness import SondeTest, metric_sum, wait_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class UnixSockets(SondeTest):
    def setUp(self):
        super().setUp()
        self.sonde = self.start_sonde("--ring-kib", "65536")

    def pair(self):
        """A connected client and server, both in this process."""
        path = str(self.directory / "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            server, _ = listener.accept()
        os.unlink(path)
        for end in (client, server):
            self.addCleanup(end.close)
            end.settimeout(10)
        return client, server

    def request(self, path="/x", method="GET", extra=b""):
        return f"{method} {path} HTTP/1.1\r\nHost: {self.id()}\r\n".encode() + extra + b"\r\n"

    def seen(self, count):
        """(server's, client's) transactions of this test, once there are that many of each."""
        name = "http_server_request_duration_seconds_count"
        wait_for(lambda: metric_sum(self.sonde.metrics(), name) >= count, f"{count} transactions in /metrics")
        self.assertEqual(self.sonde.stop(), 0)
        sides = []
        for side in ("server", "client"):
            mine = [t for t in self.sonde.transactions(side) if t["host"] == self.id()]
            self.assertEqual(len(mine), count, side)
            for t in mine:
                self.assertEqual(t["server"], {"address": "unix", "port": None})
                self.assertIsNone(t["client_ip"])
                self.assertNotIn("client_ip", t["unobserved"])
                self.assertEqual(t["process"]["pid"], os.getpid())
            sides.append(mine)
        return sides

    def check(self, count, request_bytes, response_bytes, status=200, outcome="ok"):
        for side in self.seen(count):
            for t in side:
                got = (t["status"], t["outcome"], t["request_bytes"], t["response_bytes"])
                self.assertEqual(got, (status, outcome, request_bytes, response_bytes), t["side"])

    def exchange(self, client, server, request, answer=OK):
        client.sendall(request)
        self.read(server, len(request))
        server.sendall(answer)
        self.read(client, len(answer))

    def read(self, end, count):
        got = b""
        while len(got) < count:
            got += end.recv(count - len(got))
        return got

    def test_vectors(self):
        """More pieces than are looked at, and the other way in by recvmsg."""
        client, server = self.pair()
        request = self.request(extra=b"".join(b"X-%d: y\r\n" % n for n in range(30)))
        os.writev(client.fileno(), [request[at : at + 16] for at in range(0, len(request), 16)])
        server.recvmsg(65536)
        body = [b"%x\r\n%s\r\n" % (n, b"z" * n) for n in range(1, 40)]
        answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", b"\r\n", *body]
        server.sendmsg(answer)
        server.sendall(b"0\r\n\r\n")
        total = sum(len(piece) for piece in answer) + 5
        self.read(client, total)
        self.check(1, len(request), total)

    def test_a_byte_at_a_time(self):
        client, server = self.pair()
        request = self.request("/slow")
        for number in range(len(request)):
            client.send(request[number : number + 1])
            server.recv(1)
        for number in range(len(OK)):
            server.send(OK[number : number + 1])
            client.recv(1)
        self.check(1, len(request), len(OK))

    def test_peek_takes_nothing(self):
        client, server = self.pair()
        request = self.request()
        client.sendall(request)
        server.recv(10, socket.MSG_PEEK)
        server.recv(4096, socket.MSG_PEEK)
        time.sleep(0.05)
        server.recv(4096)
        server.sendall(OK)
        client.recv(4096)
        (server_side,), _ = self.seen(1)
        self.assertEqual(server_side["request_bytes"], len(request))
        self.assertGreater(server_side["phases"]["queue_ns"], 50_000_000)

    def test_two_requests_in_one_send(self):
        client, server = self.pair()
        request = self.request()
        client.sendall(request * 2)
        server.recv(4096)
        server.sendall(OK)
        server.sendall(OK)
        self.read(client, 2 * len(OK))
        self.check(2, len(request), len(OK))

    def test_the_end_of_the_connection_ends_the_response(self):
        client, server = self.pair()
        request = self.request()
        answer = b"HTTP/1.0 200 OK\r\n\r\n" + b"b" * 5000
        client.sendall(request)
        server.recv(4096)
        server.sendall(answer[:1000])
        server.sendall(answer[1000:])
        server.close()
        self.read(client, len(answer))
        self.assertEqual(client.recv(4096), b"")
        self.check(1, len(request), len(answer))

    def test_a_shut_direction_ends_the_response(self):
        client, server = self.pair()
        request = self.request()
        answer = b"HTTP/1.0 200 OK\r\n\r\nall of it"
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        server.recv(4096)
        self.assertEqual(server.recv(4096), b"")
        server.sendall(answer)
        server.shutdown(socket.SHUT_WR)
        self.read(client, len(answer))
        self.assertEqual(client.recv(4096), b"")
        self.check(1, len(request), len(answer))

    def test_a_client_that_leaves(self):
        client, server = self.pair()
        request = self.request()
        client.sendall(request)
        server.recv(4096)
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        client.recv(4096)
        client.close()
        with self.assertRaises(BrokenPipeError):
            server.sendall(b"c" * 100)
        for side in self.seen(1):
            self.assertEqual([t["outcome"] for t in side], ["aborted"], side)

    def test_sendfile(self):
        """Its bytes lie in no buffer of the caller; their number is known."""
        client, server = self.pair()
        request = self.request()
        size = 100_000
        with open(self.directory / "file", "wb+") as file:
            file.write(b"f" * size)
            file.flush()
            client.sendall(request)
            server.recv(4096)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
            reader = threading.Thread(target=self.read, args=(client, len(head) + size))
            reader.start()
            server.sendall(head)
            server.sendfile(file, 0)
            reader.join()
        self.check(1, len(request), len(head) + size)

    def test_joined_in_the_middle(self):
        """A connection that was open before: the next request opens it, on both sides."""
        self.sonde.stop()
        client, server = self.pair()
        for _ in range(3):
            self.exchange(client, server, self.request("/before"))
        self.sonde = self.start_sonde("--ring-kib", "65536")
        request = self.request("/after")
        for _ in range(3):
            self.exchange(client, server, request)
        self.check(3, len(request), len(OK))

    def test_what_is_not_http_costs_no_record(self):
        client, server = self.pair()
        for _ in range(100):
            self.exchange(client, server, b"\x00\x01binary", b"\x02answer")
        other, there = self.pair()
        self.exchange(other, there, self.request())
        self.check(1, len(self.request()), len(OK))


if __name__ == "__main__":
    unittest.main(verbosity=2)
