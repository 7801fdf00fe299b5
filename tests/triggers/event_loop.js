// event_loop.js PORT TRUTH_FILE: answers /wait/MS after a timer and /spin/MS after so long on its core. At SIGTERM it writes a
// line of truth per request: how long the loop had nothing to run between its begin and its answer, by libuv's own clock, and
// how long it had, yet did not run: the hypervisor or an interrupt had its core, or it waited for one.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const { performance } = require("node:perf_hooks");

const truth = []; // not written as they come: a loop that waits for the disk is not idle by that clock
process.on("SIGTERM", () => {
  fs.writeFileSync(process.argv[3], truth.map((row) => JSON.stringify(row) + "\n").join(""));
  process.exit(0);
});

http.createServer((request, response) => {
  const [, kind, ms] = request.url.split("/");
  const began = performance.now();
  const before = performance.eventLoopUtilization();
  const used = process.cpuUsage();
  const answer = () => {
    const idle_ms = performance.eventLoopUtilization(before).idle;
    const service_ms = performance.now() - began;
    const { user, system } = process.cpuUsage(used);
    const kept_off_ms = Math.max(0, service_ms - idle_ms - (user + system) / 1e3);
    response.end("done\n");
    truth.push({ path: request.url, idle_ms, kept_off_ms, service_ms });
  };
  if (kind === "wait") return setTimeout(answer, Number(ms));
  while (performance.now() < began + Number(ms));
  answer();
}).listen(Number(process.argv[2]), "127.0.0.1");
