// The sentence of Now in each state of the demo: the right endpoint, for the right reason.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, Stage, until } from "./support.js";
import { sentence } from "../../agent/console/page/sentence.js";

const stage = new Stage();
let agent;

before(async () => {
  agent = await stage.sonde();
}, { timeout: 120_000 });
after(() => stage.end());

// Other programs of this machine may have trouble of their own: only the demo's services are looked at.
async function said(demo) {
  const ports = new Set(Object.values(demo.ports));
  const answer = await api(agent, "endpoints?window_s=15&limit=1000&parts=1");
  return sentence({ ...answer, sum: undefined, endpoints: answer.endpoints.filter((row) => ports.has(row.port)) });
}
const text_of = (one) => one.parts.map((part) => part.text ?? part).join("");

async function comes_to_say(demo, state, pattern) {
  demo.process.stdin.write(`${state}\n`);
  let last = "";
  try {
    await until(async () => pattern.test((last = text_of(await said(demo)))), `the sentence of ${state}`, 90_000);
  } catch (error) {
    throw new Error(`${error.message}\nlast: ${last}`);
  }
  console.log(`${state}: ${last}`);
}

test("calm, a slow downstream, queueing, errors", { timeout: 600_000 }, async () => {
  const demo = await stage.demo("calm");
  // slow against what? The sentence compares with the past hour, of which a new agent has to see a minute first.
  await until(async () => (await api(agent, "endpoints?window_s=60")).past_hour_s >= 60, "a minute has passed", 150_000);
  await comes_to_say(demo, "calm", /^Nothing hurts: \S+ over \d+ endpoints, none failed\. The slowest is /);
  await comes_to_say(demo, "slow-stock",
    /^GET \/items\/\{id\} in \S+: p95 \d+ ms, \S+ times its usual \S+ ms\. \d+% of it is blocked: .* in nginx:\d+ waits for it\.$/);
  await comes_to_say(demo, "queueing",
    /^GET \/\S+ in orders:\d+: .*\d+% of it is queue: .*; GET \/report takes \d+% of the serving time there\./);
  await comes_to_say(demo, "errors", /^GET \/checkout in orders:\d+ fails: \d+% of \S+ with a 5xx status/);
});
