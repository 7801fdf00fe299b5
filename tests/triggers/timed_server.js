// timed_server.py's twin on Node.js: timed_server.js http/1.1|h2 PORT LOG [CERTIFICATE KEY]. It sleeps on its only
// thread.
const fs = require("fs");
const [protocol, port, path, certificate, key] = process.argv.slice(2);
const log = fs.openSync(path, "w");
const nobody = new Int32Array(new SharedArrayBuffer(4));

const answer = (method, url, end) => {
  const started = process.hrtime.bigint();
  Atomics.wait(nobody, 0, 0, Number(url.split("/")[2]));
  end("slept\n");
  fs.writeSync(log, `${method} ${url} 200 - ${started} ${process.hrtime.bigint()}\n`);
};

const pair = certificate && {cert: fs.readFileSync(certificate), key: fs.readFileSync(key)};
const on_request = (request, response) => answer(request.method, request.url, (text) => response.end(text));
const on_stream = (stream, fields) => answer(fields[":method"], fields[":path"], (text) => {
  stream.respond();
  stream.end(text);
});
let server;
if (protocol === "h2") {
  const http2 = require("http2");
  server = (pair ? http2.createSecureServer(pair) : http2.createServer()).on("stream", on_stream);
} else server = pair ? require("https").createServer(pair, on_request) : require("http").createServer(on_request);
server.listen(Number(port), "127.0.0.1");
