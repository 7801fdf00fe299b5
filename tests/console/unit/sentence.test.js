import assert from "node:assert/strict";
import { test } from "node:test";
import { since, sentence } from "../../../agent/console/page/sentence.js";
import { answer, row, text_of } from "./rows.js";

const say = (...rows) => sentence(answer(...rows));

test("nothing seen", () => {
  assert.equal(say().state, "idle");
  assert.equal(say(row({ count: 0 })).state, "idle");
});

test("calm: says how much passes and what is slowest", () => {
  const said = say(row({ p95_ms: 20, usual_p95_ms: 18 }), row({ route: "/search", p95_ms: 45, usual_p95_ms: 40 }));
  assert.equal(said.state, "calm");
  assert.equal(text_of(said), "Nothing hurts: 3.3/s over 2 endpoints, none failed. The slowest is GET /search with a p95 of 45 ms.");
});

test("a doubled latency of few milliseconds is no news", () => {
  assert.equal(say(row({ p95_ms: 8, usual_p95_ms: 3 })).state, "calm");
});

test("queueing: names who holds the workers", () => {
  const said = say(
    row({ route: "/checkout", count: 60, mean_ms: 900, p95_ms: 2100, usual_p95_ms: 230, phases_ms: { queue: 760, cpu: 20, runqueue: 5, blocked: 115 } }),
    row({ route: "/report", count: 60, mean_ms: 1700, p95_ms: 2200, usual_p95_ms: 1900, phases_ms: { queue: 100, cpu: 1600 } }));
  assert.equal(said.state, "slow");
  assert.equal(said.row.route, "/checkout");
  assert.equal(text_of(said), "GET /checkout in shop:8080: p95 2.1 s, 9.1 times its usual 230 ms. 84% of it is queue: " +
    "waiting in the socket until a worker of its service is free; GET /report takes 92% of the serving time there.");
});

test("queueing without a past hour is still told", () => {
  const said = say(row({ mean_ms: 300, p95_ms: 700, phases_ms: { queue: 280, cpu: 20 } }));
  assert.match(text_of(said), /^GET \/orders in shop:8080: p95 700 ms\. 93% of it is queue/);
});

test("a core that is missing", () => {
  const said = say(row({ mean_ms: 80, p95_ms: 200, usual_p95_ms: 20, phases_ms: { queue: 1, cpu: 10, runqueue: 65, blocked: 4 } }));
  assert.match(text_of(said), /10 times its usual 20 ms\. 81% of it is runqueue: ready to run, but no core is free\.$/);
});

test("failing: share, status and what was usual", () => {
  const said = say(row({ route: "/pay", count: 120, errors: 48, usual_p95_ms: 20, usual_error_share: 0.01 }));
  assert.equal(said.state, "failing");
  assert.equal(text_of(said), "GET /pay in shop:8080 fails: 40% of 2/s with a 5xx status, in its past hour 1%.");
});

test("two stray failures are not a sentence", () => {
  assert.equal(say(row({ count: 50, errors: 2 })).state, "calm");
});

test("a failure is told where it arises, not where it is passed on", () => {
  const said = say(
    row({ service: "nginx:80", port: 80, route: "/pay", errors: 41 }),
    row({ service: "nginx", side: "client", port: 8080, route: "/pay", errors: 41 }),
    row({ service: "shop:8080", port: 8080, route: "/pay", errors: 40 }));
  assert.equal(said.row.service, "shop:8080");
});

const slow_stock = [
  row({ service: "nginx:80", port: 80, route: "/orders/{id}", mean_ms: 290, p95_ms: 400, usual_p95_ms: 20, phases_ms: {} }),
  row({ service: "nginx", side: "client", port: 8080, route: "/orders/{id}", mean_ms: 290, p95_ms: 400, usual_p95_ms: 20 }),
  row({ service: "orders:8080", port: 8080, route: "/orders/{id}", mean_ms: 288, p95_ms: 398, usual_p95_ms: 19, phases_ms: { queue: 5, cpu: 3, blocked: 280 } }),
  row({ service: "orders", side: "client", port: 9000, route: "/items/{id}", mean_ms: 270, p95_ms: 380, usual_p95_ms: 5 }),
];

test("a slow downstream on this machine: the way is followed to it", () => {
  const said = say(...slow_stock, row({ service: "stock:9000", port: 9000, route: "/items/{id}", mean_ms: 269, p95_ms: 379, usual_p95_ms: 5, phases_ms: { queue: 1, cpu: 1, blocked: 267 } }));
  assert.equal(said.row.service, "stock:9000");
  assert.match(text_of(said), /^GET \/items\/\{id\} in stock:9000: p95 379 ms, 76 times its usual 5 ms\. 99% of it is blocked: .* waits for it\.$/);
});

test("a slow downstream elsewhere: the call is named", () => {
  const said = say(...slow_stock);
  assert.equal(said.row.service, "orders:8080");
  assert.match(text_of(said), /blocked: waiting for I\/O, locks or calls to others; its calls of GET \/items\/\{id\} at port 9000 take 380 ms \(p95\)\./);
});

test("phases that were seen in few requests do not explain all of them", () => {
  const one = row({ mean_ms: 500, p95_ms: 900, usual_p95_ms: 20, phases_ms: { cpu: 5 } });
  assert.match(text_of(say(one)), /Where the time goes was not observed\.$/);
});

test("services that call each other in a round do not hold up the sentence", () => {
  const a = row({ service: "a:1", port: 1, route: "/x", mean_ms: 500, p95_ms: 900, usual_p95_ms: 9, phases_ms: { blocked: 490 } });
  const b = { ...a, service: "b:2", port: 2 };
  const said = say(a, b, { ...a, side: "client", service: "a", port: 2 }, { ...b, side: "client", service: "b", port: 1 });
  assert.equal(said.state, "slow");
});

test("calm: of all endpoints, not only of those listed", () => {
  const slowest = { service: "shop:8080", method: "GET", route: "/report", side: "server", port: 8080, p95_ns: 90e6 };
  const said = sentence({ ...answer(row()), sum: { services: 3, server: { endpoints: 2000, count: 60000, rate_per_s: 1000, errors: 2, slowest } } });
  assert.equal(text_of(said), "Nothing hurts: 1000/s over 2000 endpoints, 2 failed. The slowest is GET /report with a p95 of 90 ms.");
});

test("since when: the first of the bad points that last until now", () => {
  const point = (time, p95_ms, count = 10) => ({ time, count, p95_ns: p95_ms * 1e6 });
  const bad = (p) => p.p95_ns > 100e6;
  assert.equal(since([point(10, 5), point(20, 300), point(30, 5), point(40, 300), point(50, 2, 1), point(60, 310)], bad), 40);
  assert.equal(since([point(10, 300), point(20, 300)], bad), null, "always");
  assert.equal(since([point(10, 300), point(20, 5)], bad), null, "over");
});
