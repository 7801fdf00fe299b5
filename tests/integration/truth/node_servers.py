"""Node.js: its http module, and the frameworks that npm brings. Each application writes its own log."""

from truth.server import Plan, Server, build_once

# "finish": all of the answer was handed to the kernel; "close" without it: the client left first
LOG = '''
const fs = require("fs");
const log = fs.createWriteStream(process.argv[3], {flags: "a"});
const count = (request, response) => response.on("finish", () =>
  log.write(`${request.method} ${request.originalUrl || request.url} ${response.statusCode} -\\n`));
const big = Buffer.alloc(100 * 1024, "0123456789abcdef");
const tls = process.argv[4] && {cert: fs.readFileSync(process.argv[4]), key: fs.readFileSync(process.argv[5])};
const port = Number(process.argv[2]);
'''

HTTP = LOG + '''
const answer = (request, response) => {
  count(request, response);
  let received = 0;
  request.on("data", (chunk) => (received += chunk.length));
  request.on("end", () => {
    const path = request.url.split("?")[0];
    if (path === "/big") {
      response.write(big);
      setImmediate(() => response.end(big));
      return;
    }
    if (path === "/echo") return response.end(`received ${received}\\n`);
    if (path !== "/ok") response.statusCode = 404;
    response.end(path === "/ok" ? "ok\\n" : "no\\n");
  });
};
(tls ? require("https").createServer(tls, answer) : require("http").createServer(answer)).listen(port, "127.0.0.1");
'''

EXPRESS = LOG + '''
const express = require("express");
const app = express();
app.use((request, response, next) => (count(request, response), next()));
app.use(express.raw({type: () => true, limit: "8mb"}));
app.get("/ok", (request, response) => response.send("ok\\n"));
app.get("/big", (request, response) => {
  response.write(big);
  setImmediate(() => response.end(big));
});
app.post("/echo", (request, response) => response.send(`received ${request.body.length}\\n`));
(tls ? require("https").createServer(tls, app) : require("http").createServer(app)).listen(port, "127.0.0.1");
'''

FASTIFY = LOG + '''
const {Readable} = require("stream");
const app = require("fastify")(tls ? {https: tls} : {});
app.addHook("onRequest", (request, reply, done) => (count(request.raw, reply.raw), done()));
app.addContentTypeParser("*", {parseAs: "buffer"}, (request, body, done) => done(null, body));
app.addContentTypeParser("application/x-www-form-urlencoded", {parseAs: "buffer"},
                         (request, body, done) => done(null, body));
app.get("/ok", async () => "ok\\n");
app.get("/big", (request, reply) => reply.send(Readable.from([big, big])));
app.post("/echo", async (request) => `received ${(request.body || "").length}\\n`);
app.listen({port, host: "127.0.0.1"});
'''


def node(program, *packages):
    def plan(site):
        environment = {}
        if packages:
            install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", ".", *packages]
            modules = build_once("-".join(["node", *(name.split("@")[0] for name in packages)]), {}, [install])
            environment["NODE_PATH"] = str(modules / "node_modules")
        argv = ["node", site.write("app.js", program), str(site.port), site.path("access.log")]
        tls = [str(site.certificate), str(site.key)] if site.tls else []
        return Plan([*argv, *tls], environment=environment)

    return plan


SERVERS = (
    Server("Node http", node(HTTP), tls=True),
    Server("express", node(EXPRESS, "express@5.1.0"), tls=True),
    Server("fastify", node(FASTIFY, "fastify@5.6.0"), tls=True),
)
