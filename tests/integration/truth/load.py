"""The clients of the matrix. Each is bounded, and returns what it counted itself as a Sent."""

import collections
import dataclasses
import re
import subprocess

# Requests that curl sends, in this order, ROUNDS times over one connection
CURL_ROUND = (("GET", "/ok"), ("GET", "/missing"), ("GET", "/big"), ("POST", "/echo"), ("HEAD", "/ok"),
              ("GET", "/ok?secret=1"))
CURL_ROUNDS = 25
POST_BYTES = 10_000
TIMEOUT_S = 120

Exchange = collections.namedtuple("Exchange", "method path status bytes")


@dataclasses.dataclass
class Sent:
    """What the client knows: how many answers it got, and as far as it tells, each of them, or their bytes."""

    count: int
    exchanges: collections.Counter = None  # of Exchange
    response_bytes: int = None             # all answers, heads and bodies
    cut: bool = False                      # it stopped in the middle of requests


def run(argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, **options)
    if done.returncode != 0:
        raise AssertionError(f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-1000:]}")
    return done.stdout


def curl(site):
    """One curl process, one connection as long as the server keeps it. Bodies are kept --raw, with their chunk
    framing: curl's own size_download leaves that out."""
    (site.directory / "post").write_bytes(b"p" * POST_BYTES)
    bodies = site.directory / "bodies"
    bodies.mkdir()
    transfers = []
    requests = [(method, path) for method, path in CURL_ROUND * CURL_ROUNDS
                if method != "POST" or site.posts or site.protocol != "h2"]
    for number, (method, path) in enumerate(requests):
        lines = [f'url = "{site.base}{path}"', "raw", "silent", f'output = "{bodies}/{number}"', "max-time = 30",
                 f'write-out = "{method} {path} {number} %{{http_code}} %{{size_header}}\\n"']
        if site.tls:
            lines += [f'cacert = "{site.certificate}"', "http2" if site.protocol == "h2" else "http1.1"]
        elif site.protocol == "h2":
            lines.append("http2-prior-knowledge")
        if method == "HEAD":
            lines.append("head")
        if method == "POST":
            lines.append(f'data-binary = "@{site.directory}/post"')
        transfers.append("\n".join(lines))
    # curl 7.88 cannot use a connection twice that began as HTTP/2 without TLS
    batches = [[one] for one in transfers] if site.protocol == "h2" and not site.tls else [transfers]
    exchanges = collections.Counter()
    for line in "".join(run(["curl", "--config", site.write("curl.config", "\nnext\n".join(batch) + "\n")])
                        for batch in batches).splitlines():
        method, path, number, status, head = line.split()
        # what curl writes of a HEAD is the head
        body = 0 if method == "HEAD" else (bodies / number).stat().st_size
        exchanges[Exchange(method, path.split("?")[0], int(status), int(head) + body)] += 1
    if site.protocol == "h2":
        # curl tells sizes as if it had spoken HTTP/1
        exchanges = collections.Counter({key._replace(bytes=None): count for key, count in exchanges.items()})
    return Sent(exchanges.total(), exchanges)


def ab(site):
    """HTTP/1.0: kept alive, then a connection per request, whose close ends a large answer of unknown length."""
    count = total = 0
    for arguments, path, requests in ((["-c8", "-k"], "/ok", 1000), (["-c4"], "/big", 300)):
        text = run(["ab", "-q", "-n", str(requests), "-s", "30", *arguments, f"{site.base}{path}"])
        count += int(re.search(r"Complete requests:\s+(\d+)", text)[1])
        total += int(re.search(r"Total transferred:\s+(\d+)", text)[1])
    return Sent(count, response_bytes=total)


WRK_SCRIPT = """
local n = 0
local body = string.rep("p", 700)
request = function()
  n = n + 1
  if n % 4 == 1 then return wrk.format("GET", "/missing") end
  if n % 4 == 3 then return wrk.format("POST", "/echo", nil, body) end
  return wrk.format("GET", "/ok")
end
"""


def wrk(site, seconds=2):
    """As fast as it goes on eight connections; it closes them in the middle of requests."""
    text = run(["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", site.write("wrk.lua", WRK_SCRIPT), site.base])
    return Sent(int(re.search(r"(\d+) requests in", text)[1]), cut=True)


def h2load(site):
    """Many requests at once on each connection: streams in HTTP/2, a pipeline in HTTP/1.1, which a server that closes
    the connection after an answer leaves unfinished."""
    count, cut = 0, False
    version = ["--h1"] if site.protocol == "http/1.1" else []
    for path, requests in (("/ok", 1500), ("/missing", 300), ("/big", 200)):
        text = run(["h2load", *version, "-n", str(requests), "-c", "4", "-m", "8", f"{site.base}{path}"])
        answered = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        count += sum(int(number) for number in answered.groups())
        cut = cut or not re.search(r" 0 errored, 0 timeout", text)
    return Sent(count, cut=cut)


GRPC_CLIENT = """
import grpc
import sys

channel = grpc.insecure_channel(sys.argv[1])
if len(sys.argv) > 2:
    channel = grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials(open(sys.argv[2], "rb").read()))
raw = {"request_serializer": None, "response_deserializer": None}
ok, missing = (channel.unary_unary(f"/truth.Truth/{name}", **raw) for name in ("Ok", "Missing"))
many = channel.unary_stream("/truth.Truth/Many", **raw)
for _ in range(200):
    ok(b"a")
    try:
        missing(b"b")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert sum(1 for _ in many(b"c")) == 10
"""
GRPC_METHODS = ("Ok", "Missing", "Many")
GRPC_ROUNDS = 200


def grpc(site):
    """Unary calls that end well and not, and a stream of answers; each a POST that HTTP answers with 200."""
    program = site.write("grpc_client.py", GRPC_CLIENT)
    run(["/usr/bin/python3", program, f"127.0.0.1:{site.port}", *([str(site.certificate)] if site.tls else [])])
    exchanges = collections.Counter({Exchange("POST", f"/truth.Truth/{name}", 200, None): GRPC_ROUNDS
                                     for name in GRPC_METHODS})
    return Sent(exchanges.total(), exchanges)


LOADS = {"curl": curl, "ab": ab, "wrk": wrk, "h2load": h2load, "grpc": grpc}
# what is known to differ, whatever the server: by protocol and load
LIMITS = {("http/1.1", "h2load"): "requests of a pipeline behind what is captured of a segment are not seen "
                                  "(sonde_requests_unseen_pipelined_total), nor are answers that end and begin in one segment"}
# what a server is driven with where it does not say; the first protocol is the default
LOADS_OF = {"http/1.1": ("curl", "ab", "wrk", "h2load"), "h2": ("curl", "h2load")}
