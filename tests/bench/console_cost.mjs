// What the console costs: console_cost.mjs [ROUNDS] [SECONDS]. nginx serves 2,000 routes, each asked for every two
// seconds; the agent's CPU without a console and with five of them that show Now, in turns, paired; then, with one
// console, view by view, how long the page's thread works per task (what a frame waits for), by Chromium's own trace. A
// benchmark, not a test: it asserts nothing but that the routes are there.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { api, free_port, launch_browser, open_page, Stage, until } from "../console/support.js";

const rounds = Number(process.argv[2] ?? 4), seconds = Number(process.argv[3] ?? 20);
const routes = 2000, services = 4;
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const stage = new Stage();

// A service is a port; below each prefix stand at most 50 words, which is what the route table takes for words.
async function start_nginx() {
  const ports = await Promise.all(Array.from({ length: services }, free_port));
  const root = path.join(stage.directory, "nginx");
  mkdirSync(root);
  writeFileSync(path.join(root, "nginx.conf"), `daemon off; pid ${root}/pid; error_log ${root}/error.log; events {}
    http { access_log off; keepalive_requests 1000000; ${ports.map((port) => `server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`).join(" ")} }`);
  const child = spawn("nginx", ["-p", root, "-c", path.join(root, "nginx.conf")], { stdio: "ignore" });
  stage.children.push({ stop: async () => child.kill("SIGTERM") });
  return ports;
}

function start_load(ports) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const words = (n) => `/${"abcdefghij"[n % 10]}section/${"abcdefghij"[Math.floor(n / 10) % 10]}${"klmno"[Math.floor(n / 100)]}part`;
  let next = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < 50; ++i, ++next) {
      const request = http.get({ host: "127.0.0.1", port: ports[next % services], path: words(Math.floor(next / services) % (routes / services)), agent });
      request.on("response", (answer) => answer.resume()).on("error", () => {});
    }
  }, 50);
  stage.children.push({ stop: async () => clearInterval(timer) });
}

const cpu_s = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
async function share(pid) {
  const before = cpu_s(pid);
  await rest(seconds * 1000);
  return (cpu_s(pid) - before) / seconds;
}
const percent = (value) => `${(100 * value).toFixed(2)}%`;

// Durations in ms of what the page's main thread did in one piece, over 1 ms.
async function page_tasks(browser, page) {
  await browser.startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"] });
  await rest(seconds * 1000);
  const { traceEvents: events } = JSON.parse((await browser.stopTracing()).toString());
  const mains = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid}:${e.tid}`));
  return events.filter((e) => /RunTask$/.test(e.name) && e.ph === "X" && mains.has(`${e.pid}:${e.tid}`)).map((e) => [e.dur / 1000, (e.tdur ?? e.dur) / 1000]);
}

let browser;
try {
  const ports = await start_nginx();
  // the load itself is no endpoint
  const config = path.join(stage.directory, "sonde.yaml");
  writeFileSync(config, JSON.stringify({ discovery: { exclude: [{ executables: [process.execPath] }] } }));
  const agent = await stage.sonde({ args: ["--config", config] });
  start_load(ports);
  const here = async () => (await api(agent, "endpoints?side=server&limit=5000")).endpoints.filter((row) => ports.includes(row.port)).length;
  let known = 0;
  await until(async () => (known = await here()) >= routes * 0.95, "the routes are seen", 60_000).catch(() => {});
  console.log(`${known} routes, ${routes / 2} requests a second`);
  browser = await launch_browser();
  console.log("round   agent's CPU alone   with five consoles   more");
  const more = [];
  for (let round = 1; round <= rounds; ++round) {
    const alone = await share(agent.process.pid);
    const pages = [];
    for (let i = 0; i < 5; ++i) pages.push(await open_page(browser, agent));
    for (const page of pages) await page.show("now");
    const watched = await share(agent.process.pid);
    for (const page of pages) await page.context().close();
    more.push(watched - alone);
    console.log(`${String(round).padStart(5)} ${percent(alone).padStart(19)} ${percent(watched).padStart(20)} ${percent(watched - alone).padStart(6)}`);
  }
  more.sort((a, b) => a - b);
  const median = (more[Math.floor((more.length - 1) / 2)] + more[Math.floor(more.length / 2)]) / 2;
  console.log(`five consoles: ${percent(median)} of a core more (median)`);
  const { service, route, method, side, port } = (await api(agent, "endpoints?side=server&limit=1")).endpoints[0];
  const endpoint = new URLSearchParams({ service, route, method, side, port });
  for (const hash of ["now", "map", "requests", `endpoint?${endpoint}`, "logs", "resources", "alerts", "agent"]) {
    const view = hash.split("?")[0];
    const page = await open_page(browser, agent);
    await page.show(hash);
    await rest(3000);
    const tasks = await page_tasks(browser, page);
    for (const [name, at] of [["elapsed", 0], ["CPU", 1]]) {
      const sorted = tasks.map((task) => task[at]).sort((a, b) => a - b);
      const over = sorted.filter((ms) => ms > 16).length;
      console.log(`${view.padEnd(9)} ${name.padEnd(8)} tasks ${sorted.length}  p99 ${sorted[Math.floor(sorted.length * 0.99)]?.toFixed(1)} ms  longest ${sorted.at(-1)?.toFixed(1)} ms  over 16 ms: ${over}`);
    }
    await page.context().close();
  }
} finally {
  await browser?.close();
  await stage.end();
}
