"""Servers that serve requests in different ways: request_models.py threads|prefork|asyncio PORT TRUTH_FILE.

/cpu/N burns 20 ms of CPU, /sleep/N waits 20 ms, /x/N answers at once. What CPU time each request took on its thread
goes to TRUTH_FILE, a line of JSON each: cpu_s from after the read of the request to before the write of the response,
and most_s with both calls in it: what an interrupt or a stolen CPU takes within these calls is in most_s only."""

import asyncio
import json
import os
import socket
import sys
import threading
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndone\n"


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def note(path, cpu_s, most_s):
    # one write, so that processes and threads do not mix their lines
    os.write(truth, (json.dumps({"path": path, "cpu_s": cpu_s, "most_s": most_s}) + "\n").encode())


def serve(connection):
    """One connection on this thread, request after request."""
    with connection:
        idle = time.thread_time()
        while request := connection.recv(4096):
            before = time.thread_time()
            path = request.split(b" ", 2)[1].decode()
            if path.startswith("/cpu/"):
                burn(0.020)
            if path.startswith("/sleep/"):
                time.sleep(0.020)
            used = time.thread_time() - before
            connection.sendall(ANSWER)
            note(path, used, time.thread_time() - idle)
            idle = time.thread_time()


def threads(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def prefork(listener):
    for _ in range(3):
        if os.fork() == 0:
            while True:
                serve(listener.accept()[0])
    os.wait()


async def converse(reader, writer):
    idle = time.thread_time()
    while request := await reader.read(4096):
        path = request.split(b" ", 2)[1].decode()
        before = time.thread_time()
        if path.startswith("/cpu/"):
            burn(0.020)
        used = time.thread_time() - before
        if path.startswith("/sleep/"):
            await asyncio.sleep(0.020)
        writer.write(ANSWER)
        note(path, used, time.thread_time() - idle)
        idle = time.thread_time()
    writer.close()


async def loop(listener):
    await (await asyncio.start_server(converse, sock=listener)).serve_forever()


truth = os.open(sys.argv[3], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=64)
if sys.argv[1] == "asyncio":
    asyncio.run(loop(listener))
else:
    {"threads": threads, "prefork": prefork}[sys.argv[1]](listener)
