"""A WebSocket server and client that count: websocket_echo.py serve PORT [CERTIFICATE KEY], call URI ROUNDS.

The server echoes messages; "close CODE" makes it close with that code. SIGTERM ends it, and it prints per connection
(path, messages and bytes received, sent, its close code) as JSON. The client prints the same of its connections."""

import asyncio
import json
import signal
import ssl
import sys

import websockets

SIZES = (0, 1, 125, 126, 65_535, 65_536, 200_000)


class Count:
    def __init__(self, path):
        self.path, self.messages, self.bytes = path, [0, 0], [0, 0]  # received, sent

    def add(self, direction, message):
        self.messages[direction] += 1
        self.bytes[direction] += len(message.encode() if isinstance(message, str) else message)

    def row(self, code):
        return {"path": self.path, "messages": self.messages, "bytes": self.bytes, "code": code}


async def serve(port, tls):
    rows = []

    async def echo(socket):
        count = Count(socket.path)
        try:
            async for message in socket:
                count.add(0, message)
                if isinstance(message, str) and message.startswith("close "):
                    await socket.close(int(message.split()[1]), "as asked")
                    break
                await socket.send(message)
                count.add(1, message)
        except websockets.ConnectionClosed:
            pass
        await socket.wait_closed()
        rows.append(count.row(socket.close_code))

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with websockets.serve(echo, "127.0.0.1", port, ssl=tls, max_size=None, compression=None):
        await stopped.wait()
    print(json.dumps(rows), flush=True)


async def call(uri, rounds):
    tls = None
    if uri.startswith("wss"):
        tls = ssl._create_unverified_context()  # what is tested is not Python's trust
    rows = []
    for number in range(rounds):
        path = f"/rooms/{number}/talk" if number % 2 else "/echo"
        async with websockets.connect(uri + path, ssl=tls, max_size=None, compression=None) as socket:
            count = Count(path)
            for size in SIZES:
                message = "t" * size if number // 2 % 2 else b"b" * size
                await socket.send(message)
                count.add(1, message)
                count.add(0, await socket.recv())
            pieces = ["one ", "message ", "in pieces"]
            await socket.send(pieces)
            count.add(1, "".join(pieces))
            count.add(0, await socket.recv())
            await (await socket.ping())
            if number % 3 == 0:
                await socket.send("close 4001")
                count.add(1, "close 4001")
                await socket.wait_closed()
            else:
                await socket.close(1000 if number % 3 == 1 else 1001)
        rows.append(count.row(socket.close_code))
    print(json.dumps(rows))


def main(argv):
    if argv[0] == "serve":
        tls = None
        if len(argv) > 2:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(argv[2], argv[3])
        asyncio.run(serve(int(argv[1]), tls))
    else:
        asyncio.run(call(argv[1], int(argv[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
