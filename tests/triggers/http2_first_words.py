"""HTTP/2 by hand, in which the server's SETTINGS cross the client's preface: http2_first_words.py CONNECTIONS.

Server and client are two processes, on a CPU each where there are two, and the client waits a random while before it
speaks: some of the time both write at once. Three requests per connection; each is answered with 200 or the run fails.
Prints the port first, then waits for a line on stdin before it begins.
"""

import os
import random
import socket
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000 04 00 00000000")
SETTINGS_ACK = bytes.fromhex("000000 04 01 00000000")
HEADERS_BYTES = 9 + 3
ANSWER_BYTES = 9 + 1
LONGEST_WAIT_NS = 60_000  # about what a server needs to wake up and accept


def headers(stream, block):  # END_STREAM, END_HEADERS; fields of the static table (RFC 7541 appendix A)
    return len(block).to_bytes(3, "big") + bytes([1, 5]) + stream.to_bytes(4, "big") + block


def request(stream):
    return headers(stream, bytes([0x82, 0x86, 0x84]))  # :method GET, :scheme http, :path /


def answer(stream):
    return headers(stream, bytes([0x88]))  # :status 200


def take(connection, count):
    taken = b""
    while len(taken) < count:
        piece = connection.recv(count - len(taken))
        if not piece:
            raise EOFError("the other side closed the connection")
        taken += piece
    return taken


def serve(listener, connections, client):
    listener.setblocking(False)
    for _ in range(connections):
        while os.getppid() == client:  # asleep, it would always come too late
            try:
                connection, _ = listener.accept()
                break
            except BlockingIOError:
                pass
        with connection:
            connection.setblocking(True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(SETTINGS)
            take(connection, len(PREFACE) + len(SETTINGS) + HEADERS_BYTES)
            connection.sendall(SETTINGS_ACK + answer(1))
            take(connection, len(SETTINGS_ACK) + HEADERS_BYTES)
            connection.sendall(answer(3))
            take(connection, HEADERS_BYTES)
            connection.sendall(answer(5))
            connection.recv(1)  # its end


def ask(port, connections):
    for _ in range(connections):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            until = time.perf_counter_ns() + random.randrange(LONGEST_WAIT_NS)
            while time.perf_counter_ns() < until:
                pass
            connection.sendall(PREFACE + SETTINGS + request(1))
            if take(connection, len(SETTINGS) + len(SETTINGS_ACK) + ANSWER_BYTES)[-ANSWER_BYTES:] != answer(1):
                raise ValueError("no answer to the first request")
            for stream, before in ((3, SETTINGS_ACK), (5, b"")):
                connection.sendall(before + request(stream))
                if take(connection, ANSWER_BYTES) != answer(stream):
                    raise ValueError(f"no answer on stream {stream}")


def main():
    connections = int(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    cpus = sorted(os.sched_getaffinity(0))
    print(listener.getsockname()[1], flush=True)
    sys.stdin.readline()
    port = listener.getsockname()[1]
    client = os.getpid()
    server = os.fork()
    os.sched_setaffinity(0, {cpus[0 if server else -1]})
    if server == 0:
        serve(listener, connections, client)
        os._exit(0)
    listener.close()
    ask(port, connections)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]))


main()
