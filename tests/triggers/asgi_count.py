"""An ASGI application that counts what it answered: GET /truth tells, without counting itself."""

import collections
import json

COUNTS = collections.Counter()


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    received = 0
    more = True
    while more:
        message = await receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    status, body = 200, f"received {received}".encode()
    if scope["path"] == "/truth":
        body = json.dumps(COUNTS).encode()
    else:
        status = 404 if scope["path"] == "/missing" else 200
        COUNTS[f"{scope['method']} {scope['path']} {status}"] += 1
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
