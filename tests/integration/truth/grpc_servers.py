"""gRPC servers: grpcio, which brings its own HTTP/2, and grpc-js on Node's. Messages are raw bytes: no .proto files."""

from truth.python_servers import PYTHON
from truth.server import Plan, Server, build_once

GRPCIO = '''
import concurrent.futures
import grpc
import sys

log = open(sys.argv[2], "w", buffering=1)


def count(method):
    log.write(f"POST /truth.Truth/{method} 200 -\\n")


def ok(request, context):
    count("Ok")
    return b"ok"


def missing(request, context):
    count("Missing")
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def many(request, context):
    for _ in range(10):
        yield b"m" * 1000
    count("Many")


handlers = {"Ok": grpc.unary_unary_rpc_method_handler(ok), "Missing": grpc.unary_unary_rpc_method_handler(missing),
            "Many": grpc.unary_stream_rpc_method_handler(many)}
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("truth.Truth", handlers),))
if len(sys.argv) > 3:
    pair = (open(sys.argv[4], "rb").read(), open(sys.argv[3], "rb").read())
    server.add_secure_port(f"127.0.0.1:{sys.argv[1]}", grpc.ssl_server_credentials([pair]))
else:
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
'''

GRPC_JS = '''
const grpc = require("@grpc/grpc-js");
const fs = require("fs");
const [port, path, certificate, key] = process.argv.slice(2);
const log = fs.createWriteStream(path, {flags: "a"});
const count = (method) => log.write(`POST /truth.Truth/${method} 200 -\\n`);
const same = (bytes) => bytes;
const method = (name, responseStream) => ({
  path: `/truth.Truth/${name}`, requestStream: false, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
const server = new grpc.Server();
server.addService({Ok: method("Ok", false), Missing: method("Missing", false), Many: method("Many", true)}, {
  Ok: (call, done) => (count("Ok"), done(null, Buffer.from("ok"))),
  Missing: (call, done) => (count("Missing"), done({code: grpc.status.NOT_FOUND, details: "no such thing"})),
  Many: (call) => {
    for (let n = 0; n < 10; n++) call.write(Buffer.alloc(1000, "m"));
    count("Many");
    call.end();
  },
});
const credentials = certificate
  ? grpc.ServerCredentials.createSsl(null, [{cert_chain: fs.readFileSync(certificate), private_key: fs.readFileSync(key)}])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
  if (error) throw error;
});
'''


def tls(site):
    return [str(site.certificate), str(site.key)] if site.tls else []


def grpcio(site):
    return Plan([PYTHON, site.write("server.py", GRPCIO), str(site.port), site.path("access.log"), *tls(site)])


def grpc_js(site):
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", ".", "@grpc/grpc-js@1.14.0"]
    modules = build_once("node-grpc-js", {}, [install])
    return Plan(["node", site.write("server.js", GRPC_JS), str(site.port), site.path("access.log"), *tls(site)],
                environment={"NODE_PATH": str(modules / "node_modules")})


SERVERS = (
    Server("grpcio", grpcio, protocols=("h2",), loads=("grpc",), tls=True),
    Server("grpc-js", grpc_js, protocols=("h2",), loads=("grpc",), tls=True),
)
