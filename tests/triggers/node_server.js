// A Node http server: node_server.js PORT [CERTIFICATE KEY]; https with the latter two. Counts what it answered; GET /truth tells, without counting itself.
const fs = require("fs");
const [port, certificate, key] = process.argv.slice(2);
const counts = {};
const tls = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
require(certificate ? "https" : "http")
  .createServer(tls, (request, response) => {
    if (request.url === "/truth") {
      response.end(JSON.stringify(counts));
      return;
    }
    let received = 0;
    request.on("data", (chunk) => (received += chunk.length));
    request.on("end", () => {
      const status = request.url.startsWith("/missing") ? 404 : request.url === "/fail" ? 500 : 200;
      const key = `${request.method} ${request.url} ${status}`;
      counts[key] = (counts[key] || 0) + 1;
      response.statusCode = status;
      if (request.url === "/chunked") {
        response.write("first ");
        setImmediate(() => response.end("second"));
      } else {
        response.end(`received ${received}`);
      }
    });
  })
  .listen(Number(port), "127.0.0.1");
