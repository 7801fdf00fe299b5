"""nginx in front of an application over a Unix socket: what crosses that socket, by nginx's own count of it.

A row is held to nginx's log of its upstream, once for the application's side and once for nginx's own. What the
client counts is what nginx made of it: other heads, so other bytes."""

from truth.compiled_servers import RACK
from truth.python_servers import ASGI, PYTHON, WSGI
from truth.server import Plan, Server
from truth.web_servers import nginx_configuration, run_nginx


def host(site):
    """Only requests of this row have it: a Unix socket has no port to tell it by."""
    return f"truth-{site.port}"


def nginx(reuse):
    """nginx's default is HTTP/1.0 and a connection per request; reuse: HTTP/1.1 over connections that it keeps."""
    keep = 'keepalive 8;' if reuse else ""
    version = 'proxy_http_version 1.1; proxy_set_header Connection "";' if reuse else ""

    def plan(site):
        return run_nginx(site, nginx_configuration(
            site, f"127.0.0.1:{site.port}",
            f"""location / {{
              proxy_pass http://application; proxy_set_header Host {host(site)}; {version}
              proxy_ignore_client_abort on; }}""",
            top="user root;",
            http=f"upstream application {{ server unix:{site.path('socket')}; {keep} }}",
            log_format="$request_method $uri $upstream_status $upstream_bytes_received"))

    return plan


def gunicorn(site):
    site.write("truth_app.py", WSGI)
    return Plan([PYTHON, "-m", "gunicorn", "truth_app:app", "--bind", f"unix:{site.path('socket')}", "--worker-class",
                 "gthread", "--threads", "4"], socket=site.path("socket"))


def uvicorn(site):
    site.write("truth_app.py", ASGI)
    return Plan([PYTHON, "-m", "uvicorn", "truth_app:app", "--uds", site.path("socket"), "--loop", "uvloop", "--http",
                 "httptools"], socket=site.path("socket"))


def puma(site):
    return Plan(["/usr/bin/puma", "--bind", f"unix://{site.path('socket')}", "--threads", "4:4", "--environment",
                 "production", site.write("config.ru", RACK)], socket=site.path("socket"),
                environment={"TRUTH_LOG": site.path("application.log")})


def both_sides(name, application, reuse):
    for side, label in (("server", name), ("client", f"{name} (nginx)")):
        yield Server(f"unix {label}", nginx(reuse), upstream=application, side=side, host=host, own_bytes_only=True)


SERVERS = (
    *both_sides("gunicorn", gunicorn, reuse=False),
    *both_sides("uvicorn", uvicorn, reuse=True),
    *both_sides("puma", puma, reuse=True),
)
