"""Python application servers. One small application in each of three forms: ASGI, WSGI, Flask."""

from truth.server import COMMON_LOG, Plan, Server

PYTHON = "/usr/bin/python3"

ASGI = '''
big = b"0123456789abcdef" * (100 * 64)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    received = 0
    while True:
        message = await receive()
        received += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    status, pieces = 200, [b"ok\\n"]
    if scope["path"] == "/big":
        pieces = [big, big]
    elif scope["path"] == "/echo":
        pieces = [b"received %d\\n" % received]
    elif scope["path"] != "/ok":
        status, pieces = 404, [b"no\\n"]
    # without a length two pieces are two chunks
    headers = [] if len(pieces) > 1 else [(b"content-length", b"%d" % len(pieces[0]))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for number, piece in enumerate(pieces):
        await send({"type": "http.response.body", "body": piece, "more_body": number + 1 < len(pieces)})
'''

WSGI = '''
big = b"0123456789abcdef" * (100 * 64)


def app(environment, start_response):
    received = 0
    length = int(environment.get("CONTENT_LENGTH") or 0)
    while received < length:
        received += len(environment["wsgi.input"].read(min(65536, length - received)))
    path = environment["PATH_INFO"]
    status, pieces = "200 OK", [b"ok\\n"]
    if path == "/big":
        pieces = [big, big]
    elif path == "/echo":
        pieces = [b"received %d\\n" % received]
    elif path != "/ok":
        status, pieces = "404 Not Found", [b"no\\n"]
    headers = [] if len(pieces) > 1 else [("Content-Length", str(len(pieces[0])))]
    start_response(status, headers)
    return [] if environment["REQUEST_METHOD"] == "HEAD" else pieces
'''

FLASK = '''
import flask
import sys

app = flask.Flask(__name__)
big = b"0123456789abcdef" * (100 * 64)


@app.get("/ok")
def ok():
    return "ok\\n"


@app.get("/big")
def large():
    return flask.Response(iter([big, big]), mimetype="application/octet-stream")


@app.post("/echo")
def echo():
    return f"received {len(flask.request.get_data())}\\n"


context = tuple(sys.argv[2:]) or None
app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True, ssl_context=context)
'''


def uvicorn(loop, http):
    def plan(site):
        site.write("truth_app.py", ASGI)
        tls = ["--ssl-certfile", str(site.certificate), "--ssl-keyfile", str(site.key)] if site.tls else []
        return Plan([PYTHON, "-m", "uvicorn", "truth_app:app", "--host", "127.0.0.1", "--port", str(site.port),
                     "--loop", loop, "--http", http, "--no-use-colors", *tls], log="output", pattern=COMMON_LOG)

    return plan


def hypercorn(site):
    site.write("truth_app.py", ASGI)
    tls = ["--certfile", str(site.certificate), "--keyfile", str(site.key)] if site.tls else []
    return Plan([PYTHON, "-m", "hypercorn", "truth_app:app", "--bind", f"127.0.0.1:{site.port}", *tls,
                 "--access-logfile", site.path("access.log"), "--access-logformat", "%(m)s %(U)s %(s)s -"])


def gunicorn(worker, *arguments):
    def plan(site):
        site.write("truth_app.py", WSGI)
        tls = ["--certfile", str(site.certificate), "--keyfile", str(site.key)] if site.tls else []
        return Plan([PYTHON, "-m", "gunicorn", "truth_app:app", "--bind", f"127.0.0.1:{site.port}", *tls,
                     "--worker-class", worker, *arguments, "--access-logfile", site.path("access.log"),
                     "--access-logformat", "%(m)s %(U)s %(s)s -"])

    return plan


def flask(site):
    program = site.write("truth_app.py", FLASK)
    tls = [str(site.certificate), str(site.key)] if site.tls else []
    return Plan([PYTHON, program, str(site.port), *tls], log="output", pattern=COMMON_LOG)


SERVERS = (
    Server("uvicorn uvloop", uvicorn("uvloop", "httptools"), tls=True),
    Server("uvicorn asyncio", uvicorn("asyncio", "h11"), tls=True),
    Server("hypercorn", hypercorn, tls=True),
    Server("gunicorn sync", gunicorn("sync"), tls=True),
    Server("gunicorn gthread", gunicorn("gthread", "--threads", "4"), tls=True),
    Server("Flask", flask, tls=True),
)
