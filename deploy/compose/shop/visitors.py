#!/usr/bin/env python3
"""Who visits the shop: visitors.py PORT. The load of deploy/demo's, with its turns, in one small program: calm, too many
reports, failing payments, a slow stock."""

import contextlib
import http.client
import random
import sys
import threading
import time

TURN = (("calm", 60), ("queueing", 45), ("calm", 20), ("errors", 45), ("calm", 20), ("slow-stock", 45))
PATHS = ("/", "/style.css", "/orders/{}", "/search", "/checkout")
WEIGHTS = (5, 4, 8, 3, 4)


def state_now(began=time.monotonic()):
    at = (time.monotonic() - began) % sum(seconds for _, seconds in TURN)
    for state, seconds in TURN:
        if at < seconds:
            return state
        at -= seconds
    return TURN[0][0]


def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", path, headers={"X-Demo": state_now(), "Host": "shop.local"})
        connection.getresponse().read()


def visit():
    while True:
        get(random.choices(PATHS, WEIGHTS)[0].format(random.randrange(10_000)))
        time.sleep(random.expovariate(6))


def report():
    while True:
        if state_now() == "queueing":
            get("/report")
        time.sleep(0.05 if state_now() == "queueing" else 0.5)


for work in (visit, visit, visit, visit, report, report):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
