"""An application that works 1 ms for each request, for nginx_overhead.py: one_ms_server.py PORT.

One thread, HTTP/1.1 with connections that stay open, requests of one segment. The work is hashing, the same amount for
each request, fitted to a millisecond of CPU time at the start. /used tells how many others were answered and the CPU
time that the thread has taken, in ns."""

import hashlib
import selectors
import socket
import sys
import time


def work(rounds):
    hashlib.pbkdf2_hmac("sha256", b"order", b"customer", rounds)


def rounds_of_1_ms():
    work(100_000)  # the core is awake by now
    best_ns = min(timed_ns(20_000) for _ in range(20))
    return round(20_000 * 1e6 / best_ns)


def timed_ns(rounds):
    started = time.thread_time_ns()
    work(rounds)
    return time.thread_time_ns() - started


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def serve(port, rounds):
    page, answered = answer(b"x" * 1024), 0
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                try:
                    request = key.fileobj.recv(65536)
                except ConnectionResetError:
                    request = b""
                if not request:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                elif request.startswith(b"GET /used "):
                    key.fileobj.sendall(answer(b"%d %d" % (answered, time.thread_time_ns())))
                else:
                    work(rounds)
                    key.fileobj.sendall(page)
                    answered += 1


serve(int(sys.argv[1]), rounds_of_1_ms())
