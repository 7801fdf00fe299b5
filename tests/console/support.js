// What the tests of the console share: sonde, the demo and a browser; started on free loopback ports, stopped by pid.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, copyFileSync, mkdtempSync, readFileSync, rmSync, openSync, closeSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const sonde = process.env.SONDE_BINARY ?? path.join(root, "build/release/sonde");
const tools = path.join(root, "build/console-tools");

// playwright-core and axe-core, in the versions of package.json; fetched when they are not there yet.
function tool(name) {
  if (!existsSync(path.join(tools, "node_modules", name))) {
    mkdirSync(tools, { recursive: true });
    copyFileSync(path.join(root, "tests/console/package.json"), path.join(tools, "package.json"));
    const done = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", tools], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`npm cannot install the test tools:\n${done.stderr}`);
  }
  return createRequire(path.join(tools, "package.json"));
}

export const axe_source = () => readFileSync(tool("axe-core").resolve("axe-core/axe.min.js"), "utf8");

export async function launch_browser() {
  const { chromium } = tool("playwright-core")("playwright-core");
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}

export async function until(condition, what, timeout_ms = 20_000) {
  const end = Date.now() + timeout_ms;
  for (let last; ; ) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${timeout_ms / 1000} s: ${what}${last ? ` (${last.message})` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const free_port = () => new Promise((resolve, reject) => {
  const server = net.createServer().on("error", reject).listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

class Child {
  constructor(command, args, output) {
    this.output = output;
    const file = openSync(output, "a");
    this.process = spawn(command, args, { stdio: ["pipe", file, file] });
    closeSync(file);
    this.ended = new Promise((resolve) => this.process.once("exit", (code, signal) => resolve(code ?? signal)));
  }
  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 20_000);
    await this.ended;
    clearTimeout(timer);
  }
  said() {
    return readFileSync(this.output, "utf8");
  }
}

// Everything that a test starts, so that one call ends it, in a good end and a bad one.
export class Stage {
  constructor() {
    this.directory = mkdtempSync(path.join(tmpdir(), "sonde-console-"));
    this.children = [];
  }
  #start(name, command, args) {
    const child = new Child(command, args, path.join(this.directory, `${name}.log`));
    this.children.push(child);
    return child;
  }
  // port: to come back where an earlier one was.
  async sonde({ port, args = [] } = {}) {
    const at = port ?? (await free_port());
    const child = this.#start("sonde", sonde, ["run", "--listen", `127.0.0.1:${at}`, ...args]);
    child.port = at;
    child.url = `http://127.0.0.1:${at}/`;
    await until(async () => {
      if (child.process.exitCode !== null) throw new Error(`sonde ended: ${child.said()}`);
      return (await fetch(`${child.url}readyz`)).ok;
    }, "sonde is ready", 60_000);
    return child;
  }
  // state: one of deploy/demo/demo.py, or undefined for all by turns. Returns its child, with the ports.
  async demo(state) {
    const child = this.#start("demo", "/usr/bin/python3", [path.join(root, "deploy/demo/demo.py"), "--seconds", "900", ...(state ? ["--state", state] : [])]);
    await until(() => child.process.exitCode === null && /^front=/m.test(child.said()), "the demo serves");
    child.ports = Object.fromEntries(child.said().trim().split("\n").at(-1).split(" ").map((pair) => pair.split("=")).map(([k, v]) => [k, Number(v)]));
    return child;
  }
  async end() {
    for (const child of this.children.reverse()) await child.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function api(agent, target) {
  const answer = await fetch(`${agent.url}api/v1/${target}`);
  if (!answer.ok) throw new Error(`${target}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// A page whose every error is collected: of the console, of scripts, of the policy.
export async function open_page(browser, agent, { width = 1440, height = 900, theme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.stack));
  page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
  page.on("dialog", (dialog) => {
    page.errors.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  // all of the last answer is on the page
  page.drawn = () => page.locator("body[data-drawing]").waitFor({ state: "detached" });
  page.show = async (hash) => {
    await page.goto(`${agent.url}#/${hash}`);
    await page.locator("#live.good").waitFor({ timeout: 20_000 });
    await page.locator(".loading").waitFor({ state: "detached" });
    await page.drawn();
  };
  return page;
}
