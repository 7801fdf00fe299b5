// With a token configured: the page comes, its data only for whoever has the token.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { launch_browser, open_page, Stage, until } from "./support.js";

const stage = new Stage();
let browser;
after(async () => {
  await browser?.close();
  await stage.end();
});

test("asks for the token, refuses a wrong one, keeps it out of the address", { timeout: 120_000 }, async () => {
  const file = path.join(stage.directory, "token");
  writeFileSync(file, "correct-horse-battery\n", { mode: 0o600 });
  const agent = await stage.sonde({ args: ["--token-file", file] });
  assert.equal((await fetch(`${agent.url}api/v1/endpoints`)).status, 401);
  assert.equal((await fetch(agent.url)).status, 200);
  browser = await launch_browser();
  const page = await open_page(browser, agent);
  await page.goto(agent.url);
  const input = page.locator("dialog.token input");
  await input.fill("wrong-horse-battery");
  await page.keyboard.press("Enter");
  await until(async () => (await input.count()) === 1 && (await input.inputValue()) === "", "it asks again");
  await input.fill("correct-horse-battery");
  await page.keyboard.press("Enter");
  await page.locator("#live.good").waitFor();
  assert.doesNotMatch(page.url(), /horse/);
  await page.reload();
  await page.locator("#live.good").waitFor();
  assert.deepEqual(page.errors.filter((text) => !text.includes("401")), []);
});
