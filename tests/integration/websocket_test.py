"""WebSocket connections, held to what both ends count."""

import asyncio
import collections
import json
import pathlib
import subprocess
import unittest

import websockets

from harness import PYTHON, Process, SondeTest, accepts, free_port, metric_sum, wait_for

TRIGGERS = pathlib.Path(__file__).resolve().parents[1] / "triggers"
ECHO = str(TRIGGERS / "websocket_echo.py")


def told(rows):
    """What an end counted, as a Counter."""
    return collections.Counter((row["path"], *row["messages"], *row["bytes"], row["code"]) for row in rows)


def seen(transactions):
    return collections.Counter(
        (t["path"], t["websocket"]["messages_received"], t["websocket"]["messages_sent"],
         t["websocket"]["bytes_received"], t["websocket"]["bytes_sent"], t["websocket"]["close_code"])
        for t in transactions)


class WebSocket(SondeTest):
    def serve(self, *arguments):
        port = free_port()
        server = self.start(Process([PYTHON, ECHO, "serve", str(port), *arguments], stdout=subprocess.PIPE, text=True))
        self.addCleanup(server.child.stdout.close)
        wait_for(lambda: accepts(port), "the WebSocket server listens")
        return port, server

    def check(self, scheme, port, server):
        rounds = 30
        sonde = self.start_sonde()
        called = json.loads(subprocess.run([PYTHON, ECHO, "call", f"{scheme}://127.0.0.1:{port}", str(rounds)],
                                           check=True, capture_output=True, text=True).stdout)
        for side in ("server", "client"):
            closed = lambda: metric_sum(sonde.metrics(), "sonde_websocket_closed_total", side=side,
                                        server_port=str(port)) == rounds
            wait_for(closed, f"every connection has ended on the {side} side")
        metrics = sonde.metrics()
        server.stop()
        handled = json.loads(server.child.stdout.read())
        self.assertEqual(sonde.stop(), 0)
        for side, rows in (("server", handled), ("client", called)):
            lines = sonde.transactions(side, port)
            self.assertEqual(seen(lines), told(rows), side)
            self.assertEqual({(t["protocol"], t["status"], t["outcome"], t["tls"]) for t in lines},
                             {("websocket", 101, "ok", scheme == "wss")})
            # the server closes with 4001, the client with the others
            self.assertEqual({(t["websocket"]["close_code"], t["websocket"]["closed_by"]) for t in lines},
                             {(4001, "server"), (1000, "client"), (1001, "client")})
            labels = {"side": side, "server_port": str(port), "http_route": "/echo"}
            self.assertEqual(metric_sum(metrics, "sonde_websocket_opened_total", **labels), rounds)
            self.assertEqual(metric_sum(metrics, "sonde_websocket_connections", **labels), 0)
            self.assertEqual(metric_sum(metrics, "sonde_websocket_unobserved_total", **labels), 0)
            self.assertEqual(metric_sum(metrics, "sonde_websocket_closed_total", code="4xxx", by="server", **labels),
                             rounds / 3)
            self.assertEqual(
                metric_sum(metrics, "sonde_websocket_connection_duration_seconds_count", **labels), rounds)
            for index, direction in enumerate(("received", "sent")):
                for what in ("messages", "bytes"):
                    self.assertEqual(
                        metric_sum(metrics, f"sonde_websocket_{what}_total", direction=direction, **labels),
                        sum(row[what][index] for row in rows), (side, what, direction))
        messages = sum(sum(row["messages"]) for row in called)
        print(f"{scheme}: {rounds} connections, {messages} messages, bytes and codes equal on both sides")

    def test_both_ends_count_the_same(self):
        self.check("ws", *self.serve())

    def test_inside_tls(self):
        certificate, key = self.directory / "certificate.pem", self.directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True)
        self.check("wss", *self.serve(str(certificate), str(key)))

    def test_a_client_that_breaks_off_and_one_that_stays(self):
        port, _ = self.serve()
        sonde = self.start_sonde()
        program = ("import asyncio, os, sys, websockets\n"
                   "async def main():\n"
                   f"    socket = await websockets.connect('ws://127.0.0.1:{port}/echo')\n"
                   "    await socket.send('hello')\n"
                   "    await socket.recv()\n"
                   "    print('open', flush=True)\n"
                   "    sys.stdin.readline()\n"
                   "    os._exit(0)\n"
                   "asyncio.run(main())\n")
        children = [self.start(Process([PYTHON, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)) for _ in range(2)]
        for child in children:
            self.addCleanup(child.child.stdout.close)
            self.addCleanup(child.child.stdin.close)
            self.assertEqual(child.child.stdout.readline(), "open\n")
        labels = {"side": "server", "server_port": str(port)}
        active = lambda: metric_sum(sonde.metrics(), "sonde_websocket_connections", **labels)
        wait_for(lambda: active() == 2, "two connections are open")
        counted = lambda: metric_sum(sonde.metrics(), "sonde_websocket_messages_total", direction="received", **labels)
        wait_for(lambda: counted() == 2, "their messages are counted while they are open")
        children[0].child.stdin.write("\n")
        children[0].child.stdin.flush()
        wait_for(lambda: active() == 1, "one connection is open")
        self.assertEqual(metric_sum(sonde.metrics(), "sonde_websocket_closed_total", code="none", by="client", **labels),
                         1)
        self.assertEqual(sonde.stop(), 0)
        lines = sonde.transactions("server", port)
        self.assertEqual([(t["outcome"], t["websocket"]["messages_received"], t["websocket"]["close_code"],
                           t["websocket"]["closed_by"]) for t in lines], [("aborted", 1, None, "client")])

    def test_node_with_compression(self):
        port = free_port()
        server = self.start(Process(["node", str(TRIGGERS / "websocket_node.js"), str(port)], stdout=subprocess.PIPE,
                                    text=True))
        self.addCleanup(server.child.stdout.close)
        wait_for(lambda: accepts(port), "the Node server listens")
        sonde = self.start_sonde()

        async def call():
            for number in range(20):
                async with websockets.connect(f"ws://127.0.0.1:{port}/node") as socket:
                    for size in (10, 1000, 100_000):
                        await socket.send("word " * (size // 5))
                        await socket.recv()
                        await socket.send(bytes(size))
                        await socket.recv()

        asyncio.run(call())
        closed = lambda: metric_sum(sonde.metrics(), "sonde_websocket_closed_total", side="server",
                                    server_port=str(port)) == 20
        wait_for(closed, "every connection has ended")
        server.stop()
        rows = json.loads(server.child.stdout.read())
        self.assertEqual(sonde.stop(), 0)
        lines = sonde.transactions("server", port)
        self.assertEqual(
            collections.Counter((t["path"], t["websocket"]["messages_received"], t["websocket"]["messages_sent"],
                                 t["websocket"]["close_code"]) for t in lines),
            collections.Counter((row["path"], *row["messages"], row["code"]) for row in rows))
        # the wire carries less than was said
        self.assertTrue(all(t["websocket"]["bytes_received"] < 20_000 for t in lines))


if __name__ == "__main__":
    unittest.main(verbosity=2)
