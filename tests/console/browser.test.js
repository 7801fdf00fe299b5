// The console in a browser, on a real agent under the demo's load.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe_source, launch_browser, open_page, Stage, until } from "./support.js";
import { row } from "./unit/rows.js";

const stage = new Stage();
let browser, agent, demo;

before(async () => {
  browser = await launch_browser();
  agent = await stage.sonde({ args: ["--resource-interval", "1"] });
  demo = await stage.demo("calm");
  await until(async () => (await orders()).count >= 20, "the demo's orders are seen");
}, { timeout: 120_000 });

after(async () => {
  await browser?.close();
  await stage.end();
});

async function orders() {
  const { endpoints } = await api(agent, `endpoints?side=server&port=${demo.ports.orders}&route=${encodeURIComponent("/orders/{id}")}`);
  return endpoints[0] ?? { count: 0 };
}

const no_errors = (page) => assert.deepEqual(page.errors, []);

async function first_request(row) {
  const query = new URLSearchParams({ service: row.service, route: row.route, side: "server", sort: "duration", limit: 1 });
  return (await api(agent, `transactions?${query}`)).transactions[0];
}

async function every_view() {
  const row = await orders();
  const key = new URLSearchParams({ service: row.service, route: row.route, method: row.method, side: row.side, port: row.port });
  return ["now", "requests", "logs", "map", "resources", "agent", `endpoint?${key}`, `transaction?id=${(await first_request(row)).id}`];
}

test("every view, both widths: filled, nothing beyond the edge, no error", async () => {
  for (const width of [1440, 390]) {
    const page = await open_page(browser, agent, { width });
    for (const view of await every_view()) {
      await page.show(view);
      assert.ok((await page.locator("main").innerText()).length > 80, `${view} shows something`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${view} at ${width}: ${over} px too wide`);
    }
    no_errors(page);
    await page.context().close();
  }
});

test("Now says what the API says, and goes on by itself", async () => {
  const page = await open_page(browser, agent);
  await page.show("now?q=orders");
  const row = page.locator("tr[data-row]", { hasText: "/orders/{id}" }).filter({ hasText: `orders:${demo.ports.orders}` });
  await row.waitFor();
  const first = await page.locator(".figure .aside").first().innerText();
  await until(async () => (await page.locator(".figure .aside").first().innerText()) !== first, "the numbers move");
  const shown = await row.locator("td").first().innerText();
  assert.match(shown, /^\d+(\.\d+)?\/s$/);
  assert.ok(Math.abs(Number.parseFloat(shown) - (await orders()).rate_per_s) <= 3, shown);
  no_errors(page);
  await page.context().close();
});

test("Now: the sentence speaks of the first row, the figures of all; rows out of sight catch up", async () => {
  const page = await open_page(browser, agent);
  let asked = 0;
  await page.route(/\/api\/v1\/endpoints\?/, async (route) => {
    const seconds = ++asked;
    const rows = Array.from({ length: 25 }, (_, i) => ({ ...row({ route: `/r${String(i).padStart(2, "0")}`, count: 60 * seconds, errors: i === 3 ? 40 : i === 7 ? 50 : 0 }), sparkline: [1, 2] }));
    await route.fulfill({ json: { time: 1, window_s: 60, part_s: 2, complete: true, past_hour_s: 0, transactions: 1, total: 2000, offset: 0, endpoints: rows,
      sum: { services: 7, server: { endpoints: 2000, count: 5000, rate_per_s: 81, errors: 90, slowest: rows[0] }, client: { endpoints: 0, count: 0, rate_per_s: 0, errors: 0, slowest: null } } } });
  });
  await page.show("now");
  assert.equal(await page.locator(".sentence a").first().innerText(), "GET /r07");
  const names = await page.locator("tr[data-row] a").allInnerTexts();
  assert.deepEqual(names.slice(0, 3), ["GET /r07", "GET /r00", "GET /r01"]);
  assert.equal(names.length, 25);
  assert.deepEqual(await page.locator(".figure dd:nth-of-type(1)").allInnerTexts(), ["81/s", "1.8%", "2,000", "7"]);
  const last = page.locator("tr[data-row]").last().locator("td").first();
  const before = await last.textContent(); // without scrolling to it
  await until(async () => (await last.textContent()) !== before, "a row out of sight is brought up to date");
  await page.keyboard.press("p");
  await page.locator("#live.paused").waitFor();
  await last.scrollIntoViewIfNeeded();
  await until(async () => (await last.innerText()) === (await page.locator("tr[data-row]").first().locator("td").first().innerText()), "one that comes into sight shows what the others show");
  no_errors(page);
  await page.context().close();
});

test("Logs: an error line leads to its request, whose waterfall shows it", async () => {
  const page = await open_page(browser, agent);
  demo.process.stdin.write("errors\n");
  await until(async () => (await api(agent, "logs?level=error&match=attached")).logs.length > 0, "the demo's errors are joined", 60_000);
  await page.show("logs?level=error&match=attached");
  const line = page.locator("table.lines tr[data-row]").first();
  await line.waitFor();
  assert.match(await line.innerText(), /payment refused/);
  assert.match(await page.locator("table.templates").innerText(), /payment refused/);
  await page.locator("table.templates a").first().click();
  await page.locator(".chips button").first().waitFor();
  await page.locator("table.lines tr[data-row] td.name a").first().click();
  await page.locator(".waterfall .mark").first().waitFor();
  assert.match(await page.locator("ol.logs").innerText(), /payment refused.*thread, 100% sure/s);
  demo.process.stdin.write("calm\n");
  no_errors(page);
  await page.context().close();
});

test("from the list to an endpoint, to a request, with its downstream call in place", async () => {
  const page = await open_page(browser, agent);
  await page.show("now?q=orders");
  await page.locator("tr[data-row]").filter({ hasText: `orders:${demo.ports.orders}` }).getByRole("link", { name: "/orders/{id}" }).click();
  await page.locator(".charts canvas").first().waitFor();
  assert.equal(await page.locator("h1").innerText(), "GET /orders/{id}");
  await page.locator(".transactions a").first().waitFor();
  await page.getByRole("link", { name: "All of its requests" }).click();
  const list = page.url();
  // a flood elsewhere on this machine may drive the call out of the store: then the next request shows it
  await until(async () => {
    await page.goto(list);
    await page.locator(".transactions a").first().click();
    await page.locator(".waterfall .lane").first().waitFor();
    const lanes = await page.locator(".waterfall .lane .label").allInnerTexts();
    assert.ok(lanes.some((text) => text.startsWith("cpu")), lanes.join());
    return lanes.some((text) => text.includes("/items/") && /by the thread that served it|the only request that its process served/.test(text));
  }, "the downstream call stands in the waterfall");
  assert.match(await page.locator(".facts").innerText(), /Process\s+python3, pid \d+/);
  const link = page.url();
  const other = await open_page(browser, agent);
  await other.goto(link);
  await other.locator(".waterfall .lane").first().waitFor();
  assert.equal(await other.locator("h1").innerText(), await page.locator("h1").innerText(), "the link shows the same to others");
  no_errors(page);
  await page.context().close();
  await other.context().close();
});

test("the map: front calls orders, orders calls stock", async () => {
  const page = await open_page(browser, agent);
  await page.show("map");
  const rows = page.locator("main table tbody tr");
  await until(async () => {
    const calls = (await rows.allInnerTexts()).map((text) => text.split("\t").slice(0, 2).join(" → "));
    return calls.includes("nginx → orders") && calls.includes("orders → stock");
  }, "both calls are on the map");
  no_errors(page);
  await page.context().close();
});

test("state in the address: sort, side, filter survive a reload", async () => {
  const page = await open_page(browser, agent);
  await page.show("now");
  await page.getByRole("button", { name: "p95" }).click();
  await page.locator("main input[type=search]").fill("stock");
  await page.getByLabel("Side").selectOption("any");
  await until(() => page.url().includes("q=stock"), "the filter is in the address");
  assert.match(page.url(), /sort=p95/);
  await page.reload();
  await page.locator("tr[data-row]").first().waitFor();
  assert.equal(await page.locator("main input[type=search]").inputValue(), "stock");
  assert.equal(await page.locator("th[aria-sort]").innerText(), "p95");
  for (const text of await page.locator("tr[data-row] th").allInnerTexts()) assert.match(text, /stock|items/);
  no_errors(page);
  await page.context().close();
});

test("keys: views, filter, rows, pause, theme, help", async () => {
  const page = await open_page(browser, agent);
  await page.show("now");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const name = await page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Enter");
  await page.locator(".charts").waitFor();
  assert.equal(await page.locator("h1").innerText(), name);
  await page.keyboard.press("Backspace");
  await page.locator(".endpoints").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("pt");
  assert.equal(await page.locator("main input[type=search]").inputValue(), "pt", "typing is not a command");
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  await page.locator("h1", { hasText: "Requests" }).waitFor();
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "light");
  await page.keyboard.press("t");
  assert.equal(await theme(), "dark");
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("p");
  await page.locator("#live.paused").waitFor();
  await page.drawn();
  const rows = await page.locator("tr[data-row] a").allInnerTexts();
  await page.waitForTimeout(3000); // longer than the view's pace
  assert.deepEqual(await page.locator("tr[data-row] a").allInnerTexts(), rows, "the picture stands still");
  await page.keyboard.press("p");
  await page.locator("#live.good").waitFor();
  no_errors(page);
  await page.context().close();
});

test("axe-core: no serious or critical finding, light and dark, wide and narrow", async () => {
  const axe = axe_source();
  for (const [theme, width] of [["light", 1440], ["dark", 390]]) {
    const page = await open_page(browser, agent, { theme, width });
    for (const view of await every_view()) {
      await page.show(view);
      const session = await page.context().newCDPSession(page); // the policy rightly bars adding a script
      await session.send("Runtime.evaluate", { expression: axe });
      const { result } = await session.send("Runtime.evaluate", { expression: "axe.run().then(r => JSON.stringify(r.violations.filter(v => ['serious','critical'].includes(v.impact)).map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? ''))])))", awaitPromise: true, returnByValue: true });
      assert.deepEqual(JSON.parse(result.value), [], `${view} ${theme} ${width}`);
    }
    await page.context().close();
  }
});

// Last: it ends the agent that the others use.
test("the agent goes and comes back: said, and gone on with, without a reload", async () => {
  const page = await open_page(browser, agent);
  await page.show("now");
  const { port } = agent;
  await agent.stop();
  await page.locator("#banner:not([hidden])", { hasText: "Trying again" }).waitFor({ timeout: 15_000 });
  assert.ok(await page.locator("tr[data-row]").count(), "what was seen last stays");
  agent = await stage.sonde({ port });
  await page.locator("#live.good").waitFor({ timeout: 15_000 });
  await page.locator("#banner").waitFor({ state: "hidden" });
  await until(async () => (await page.locator("tr[data-row]").count()) > 0, "rows are back");
  // the browser itself notes each refused connection
  assert.deepEqual(page.errors.filter((text) => !text.includes("ERR_CONNECTION_REFUSED") && !text.includes("ERR_EMPTY_RESPONSE")), []);
  await page.context().close();
});
