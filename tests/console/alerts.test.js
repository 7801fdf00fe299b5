// The console's Alerts view, on a real agent with a service that fails.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { api, axe_source, launch_browser, open_page, Stage, until } from "./support.js";

const CONFIG = `
alerts:
  rules:
    http_5xx: {window: 10s, for: 1s, resolve_after: 1s, min_requests: 5}
    http_errors: {window: 10s, for: 1s, resolve_after: 1s, min_requests: 5}
    node_cpu: {enabled: false}
    node_memory: {enabled: false}
    node_disk: {enabled: false}
`;

const stage = new Stage();
let browser, agent, service, load, failing = true;

before(async () => {
  browser = await launch_browser();
  const config = path.join(stage.directory, "sonde.yaml");
  writeFileSync(config, CONFIG);
  agent = await stage.sonde({ args: ["--config", config] });
  service = http.createServer((request, response) => response.writeHead(failing ? 500 : 200).end("done")).listen(0, "127.0.0.1");
  await until(() => service.listening, "the service listens");
  const url = `http://127.0.0.1:${service.address().port}/shaky`;
  load = setInterval(() => fetch(url).then((answer) => answer.text()).catch(() => {}), 50);
  await until(async () => (await fired()).length > 0, "the alert fires", 60_000);
}, { timeout: 120_000 });

after(async () => {
  clearInterval(load);
  service?.close();
  await browser?.close();
  await stage.end();
});

const fired = async () => (await api(agent, "alerts")).alerts.filter((alert) => alert.rule === "http_5xx" && alert.state === "firing");
// other agents on the machine may have their own troubles
const card = (page) => page.locator("article.alert.critical", { hasText: "/shaky" }).first();

test("what fires, with its evidence; accessible, on a phone too", async () => {
  for (const [width, theme] of [[1440, "light"], [390, "dark"]]) {
    const page = await open_page(browser, agent, { width, theme });
    await page.show("alerts");
    await card(page).waitFor();
    const text = await card(page).innerText();
    for (const part of ["critical", "5xx", "/shaky", "http_5xx: status_share", "Worst requests"]) assert.ok(text.includes(part), `${part} in ${text}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${over} px too wide at ${width}`);
    const session = await page.context().newCDPSession(page); // the policy rightly bars adding a script
    await session.send("Runtime.evaluate", { expression: axe_source() });
    const { result } = await session.send("Runtime.evaluate", { expression: "axe.run().then(r => JSON.stringify(r.violations.filter(v => ['serious','critical'].includes(v.impact)).map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))])))", awaitPromise: true, returnByValue: true });
    assert.deepEqual(JSON.parse(result.value), [], `${theme} ${width}`);
    if (process.env.SONDE_SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SONDE_SCREENSHOTS, `alerts-${width}.png`), fullPage: true });
    assert.deepEqual(page.errors, []);
    await page.context().close();
  }
});

test("a silence with a reason and an end, and its end by hand", async () => {
  const page = await open_page(browser, agent);
  await page.show("alerts");
  await card(page).getByRole("button", { name: "Silence" }).click();
  await page.getByLabel("Why").fill("the <b>database</b> moves");
  await page.getByLabel("How long").selectOption("14400");
  if (process.env.SONDE_SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SONDE_SCREENSHOTS, "silence.png") });
  await page.locator("dialog.silence").getByRole("button", { name: "Silence" }).click();
  await page.getByText("the <b>database</b> moves").waitFor();
  await card(page).getByText("silenced").waitFor();
  const [silence] = (await api(agent, "alerts")).silences;
  assert.equal(silence.reason, "the <b>database</b> moves");
  assert.ok(Math.abs(silence.ends - silence.starts - 14400) < 2);
  await page.getByRole("button", { name: "End now" }).click();
  await until(async () => (await page.getByRole("button", { name: "End now" }).count()) === 0, "the silence is gone");
  assert.equal((await fired())[0].mute, null);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("what is over is history", async () => {
  failing = false;
  const page = await open_page(browser, agent);
  await page.show("alerts");
  const ours = page.getByRole("table", { name: "History" }).getByRole("row").filter({ hasText: "/shaky" });
  await ours.getByText("http_5xx").waitFor({ timeout: 60_000 });
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
