// The demo's stock service: stock.js PORT. Quick, unless a request says `X-Demo: slow-stock`.
"use strict";
const http = require("node:http");

http.createServer((request, response) => {
  const found = request.url.startsWith("/items/");
  const slow = request.headers["x-demo"] === "slow-stock";
  const wait_ms = slow ? 180 + Math.random() * 120 : 1 + Math.random() * 2;
  setTimeout(() => {
    response.writeHead(found ? 200 : 404, { "Content-Type": "application/json" });
    response.end('{"in_stock": 3}\n');
  }, wait_ms);
}).listen(Number(process.argv[2]), "127.0.0.1");
