"""A server with one thread that times itself: timed_server.py KIND PORT|PATH LOG [CERTIFICATE KEY].

KIND: `blocking` takes one connection's request after the other with poll(2); `asyncio` serves in an event loop. Both
sleep in /sleep/MS, so that whoever comes meanwhile waits in its socket. `h2` does so as `blocking`,
in HTTP/2. `grpc` answers calls of any method by four threads. PATH: of a Unix socket to listen on. LOG gets a line per answer, like that of
uring_server: METHOD PATH STATUS BYTES STARTED_NS DONE_NS (CLOCK_MONOTONIC: right after the request was read, and
after the answer was handed over)."""

import asyncio
import select
import socket
import ssl
import sys
import time


def answer(request, send, started):
    """Sleeps, answers and writes the line."""
    method, path = request.split(b" ", 2)[:2]
    time.sleep(int(path.split(b"/")[2]) / 1e3)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nslept\n"
    send(response)
    log.write(f"{method.decode()} {path.decode()} 200 {len(response)} {started} {time.monotonic_ns()}\n")


class Http2:
    """One connection's frames: what answers the requests among the bytes that were read."""

    def __init__(self):
        import h2.config
        import h2.connection
        import h2.events
        self.received = h2.events.RequestReceived
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.connection.initiate_connection()

    def answer(self, request, send, started):
        for event in self.connection.receive_data(request):
            if not isinstance(event, self.received):
                continue
            fields = dict(event.headers)
            time.sleep(int(fields[":path"].split("/")[2]) / 1e3)
            self.connection.send_headers(event.stream_id, [(":status", "200")])
            self.connection.send_data(event.stream_id, b"slept\n", end_stream=True)
            send(self.connection.data_to_send())
            log.write(f"{fields[':method']} {fields[':path']} 200 - {started} {time.monotonic_ns()}\n")
        send(self.connection.data_to_send())


def serve_blocking(listener, context, speaks_http2):
    connections, http2, poll = {}, {}, select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                connection, _ = listener.accept()
                if listener.family == socket.AF_INET:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    connection = context.wrap_socket(connection, server_side=True) if context else connection
                except OSError:  # somebody looks whether the port is open
                    continue
                connections[connection.fileno()] = connection
                http2[connection.fileno()] = Http2() if speaks_http2 else None
                poll.register(connection, select.POLLIN)
                continue
            connection = connections[descriptor]
            request = connection.recv(65536)
            started = time.monotonic_ns()
            if request:
                (http2[descriptor].answer if speaks_http2 else answer)(request, connection.sendall, started)
            else:
                poll.unregister(descriptor)
                connections.pop(descriptor).close()


class Timed(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        answer(data, self.transport.write, time.monotonic_ns())


async def serve_asyncio(listener, context):
    server = await asyncio.get_running_loop().create_server(Timed, sock=listener, ssl=context)
    await server.serve_forever()


def serve_grpc(port, pair):
    import concurrent.futures
    import grpc

    class Any(grpc.GenericRpcHandler):
        def service(self, details):
            def call(request, context):
                started = time.monotonic_ns()
                time.sleep(int(details.method.split("/")[2]) / 1e3)
                log.write(f"POST {details.method} 200 - {started} {time.monotonic_ns()}\n")
                return b"slept\n"
            return grpc.unary_unary_rpc_method_handler(call)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Any(),))
    if pair:
        certificate, key = (open(path, "rb").read() for path in pair)
        server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


kind, where = sys.argv[1:3]
log = open(sys.argv[3], "w", buffering=1)
if kind == "grpc":
    serve_grpc(where, sys.argv[4:])
tls = None
if len(sys.argv) > 4:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[4], sys.argv[5])
address, family = (where, socket.AF_UNIX) if "/" in where else (("127.0.0.1", int(where)), socket.AF_INET)
with socket.create_server(address, family=family) as accepting:
    if kind == "asyncio":
        asyncio.run(serve_asyncio(accepting, tls))
    else:
        if tls and kind == "h2":
            tls.set_alpn_protocols(["h2"])
        serve_blocking(accepting, tls, kind == "h2")
