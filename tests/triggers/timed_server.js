// timed_server.py's twin on Node.js: timed_server.js http/1.1|h2 PORT LOG [CERTIFICATE KEY]. It sleeps on its only
// thread.
const fs = require("fs");
const [protocol, port, path, certificate, key] = process.argv.slice(2);
const log = fs.openSync(path, "w");
const nobody = new Int32Array(new SharedArrayBuffer(4));

const answer = (request, response) => {
  const started = process.hrtime.bigint();
  Atomics.wait(nobody, 0, 0, Number(request.url.split("/")[2]));
  response.end("slept\n");
  fs.writeSync(log, `${request.method} ${request.url} 200 - ${started} ${process.hrtime.bigint()}\n`);
};

const http2 = protocol === "h2";
const server = certificate
  ? require(http2 ? "http2" : "https")[http2 ? "createSecureServer" : "createServer"](
      {cert: fs.readFileSync(certificate), key: fs.readFileSync(key)}, answer)
  : require(http2 ? "http2" : "http").createServer(answer);
server.listen(Number(port), "127.0.0.1");
