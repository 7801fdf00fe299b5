"""Servers that speak HTTP/2, with prior knowledge where it is not over TLS."""

from truth.python_servers import hypercorn
from truth.server import Plan, Server
from truth.web_servers import apache2, caddy, nginx, nginx_upstream

NODE = '''
const http2 = require("http2");
const fs = require("fs");
const [port, path, certificate, key] = process.argv.slice(2);
const log = fs.createWriteStream(path, {flags: "a"});
const big = Buffer.alloc(100 * 1024, "0123456789abcdef");
const server = certificate
  ? http2.createSecureServer({cert: fs.readFileSync(certificate), key: fs.readFileSync(key)})
  : http2.createServer();
server.on("stream", (stream, headers) => {
  const method = headers[":method"];
  const path = headers[":path"].split("?")[0];
  let received = 0;
  stream.on("data", (chunk) => (received += chunk.length));
  stream.on("end", () => {
    const status = ["/ok", "/big", "/echo"].includes(path) ? 200 : 404;
    log.write(`${method} ${path} ${status} -\\n`);
    stream.respond({":status": status});
    if (method === "HEAD") return stream.end();
    if (path === "/big") return stream.write(big), stream.end(big);
    stream.end(path === "/echo" ? `received ${received}\\n` : status === 200 ? "ok\\n" : "no\\n");
  });
});
server.listen(Number(port), "127.0.0.1");
'''


def node(site):
    tls = [str(site.certificate), str(site.key)] if site.tls else []
    return Plan(["node", site.write("app.js", NODE), str(site.port), site.path("access.log"), *tls])


def nghttpd(site):
    """It keeps no log."""
    tls = [str(site.key), str(site.certificate)] if site.tls else []
    return Plan(["/usr/sbin/nghttpd", *([] if site.tls else ["--no-tls"]), "-a", "127.0.0.1", "-d", str(site.www),
                 str(site.port), *tls], log=None)


def nghttpx(site):
    frontend = f"127.0.0.1,{site.port}{'' if site.tls else ';no-tls'}"
    tls = [str(site.key), str(site.certificate)] if site.tls else []
    return Plan(["/usr/sbin/nghttpx", f"--frontend={frontend}", f"--backend=127.0.0.1,{site.upstream_port}",
                 "--workers=1", f"--accesslog-file={site.path('access.log')}", "--accesslog-format=$method $path $status -",
                 "--errorlog-file=" + site.path("error.log"), "--conf=" + site.write("nghttpx.conf", ""), *tls])


SERVERS = (
    Server("nghttpd", nghttpd, protocols=("h2",), tls=True),
    Server("nghttpx", nghttpx, protocols=("http/1.1", "h2"), tls=True, upstream=nginx_upstream),
    Server("nginx http2", nginx("http2"), protocols=("h2",), tls=True, posts=False),
    Server("apache2 http2", apache2, protocols=("h2",), tls=True, posts=False),
    Server("hypercorn http2", hypercorn, protocols=("h2",), tls=True),
    Server("caddy http2", caddy, protocols=("h2",), tls=True, posts=False),
    Server("Node http2", node, protocols=("h2",), tls=True),
)
