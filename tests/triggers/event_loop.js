// event_loop.js PORT TRUTH_FILE: answers /wait/MS after a timer and /spin/MS after so long on its core. A line of truth per
// request: how long the loop had nothing to run between its begin and its answer, by libuv's own clock.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const { performance } = require("node:perf_hooks");

const truth = fs.openSync(process.argv[3], "a");

http.createServer((request, response) => {
  const [, kind, ms] = request.url.split("/");
  const began = performance.now();
  const before = performance.eventLoopUtilization();
  const answer = () => {
    const idle_ms = performance.eventLoopUtilization(before).idle;
    const service_ms = performance.now() - began;
    response.end("done\n");
    fs.writeSync(truth, JSON.stringify({ path: request.url, idle_ms, service_ms }) + "\n");
  };
  if (kind === "wait") return setTimeout(answer, Number(ms));
  while (performance.now() < began + Number(ms));
  answer();
}).listen(Number(process.argv[2]), "127.0.0.1");
