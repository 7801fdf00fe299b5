// The sentence of Now: which endpoint hurts most, how much against its own past hour, and why, out of its phases.
// Pure: rows of /api/v1/endpoints in, parts of a sentence out.

import { duration, rate, share } from "./format.js";

// From where on something is worth a sentence. Below: noise of a healthy machine.
const FAILING_SHARE = 0.01;
const FAILING_COUNT = 3;
const SLOWER = 2; // times the p95 of the past hour
const SLOWER_BY_NS = 20e6;
const QUEUE_SHARE = 0.3;
const QUEUE_NS = 20e6; // mean
const ENOUGH = 5; // transactions, to speak of a percentile
const ENOUGH_PAST = 20;
const OWN_REASON = 0.5; // part of the time that one phase must hold to be the reason
const MUCH_OF = 0.3; // a call that takes so much of the caller's p95 may be what it waits for
const WAYS_MOST = 20; // slow endpoints that are followed
const HOPS = 4; // how far a slow call is followed through services of this machine

const WHY = {
  queue: "waiting in the socket until a worker of its service is free",
  upload: "waiting for the rest of the request from the client",
  cpu: "its own work on a core",
  runqueue: "ready to run, but no core is free",
  blocked: "waiting for I/O, locks or calls to others",
  transfer: "sending the response",
};

// "orders:8080" serves, "orders" calls: the same service, where the port is the one it listens on.
export function caller_name(row) {
  const tail = `:${row.port}`;
  return row.side === "server" && row.service?.endsWith(tail) ? row.service.slice(0, -tail.length) : row.service;
}

export const endpoint_key = (row) => [row.side, row.service, row.port, row.method, row.route].join("\n");

export function slower_than_usual(row) {
  const usual = row.past_hour;
  if (!usual || usual.count < ENOUGH_PAST || row.count < ENOUGH || !usual.p95_ns) return null;
  const times = row.p95_ns / usual.p95_ns;
  return times >= SLOWER && row.p95_ns - usual.p95_ns >= SLOWER_BY_NS ? times : null;
}

export function failing(row) {
  return row.outcomes.error >= FAILING_COUNT && row.error_share >= FAILING_SHARE;
}

export function queueing(row) {
  const queue = row.phases.queue;
  return Boolean(queue) && row.count >= ENOUGH && part_of(row, "queue") >= QUEUE_SHARE && queue.mean_ns >= QUEUE_NS;
}

export const hurts = (row) => failing(row) || slower_than_usual(row) !== null || queueing(row);

// What part of all the time of these requests is known to be the phase. Not the API's `share`, which speaks only of the
// requests in which the phase was observed: those may be the quick ones.
export function part_of(row, name) {
  const phase = row.phases[name];
  return phase && row.mean_ns ? phase.sum_ns / (row.count * row.mean_ns) : null;
}

// The phase that holds most of the time: [name, part], or null when nothing but the whole was observed.
export function main_phase(row) {
  let best = null;
  for (const name of Object.keys(row.phases)) {
    const part = part_of(row, name);
    if (part && (!best || part > best[1])) best = [name, part];
  }
  return best;
}

// How many requests of this endpoint were being served at once, on average: what holds a worker is all but the queue.
const served_at_once = (row, window_s) =>
  (row.count * Math.max(0, row.mean_ns - (row.phases.queue?.mean_ns ?? 0))) / 1e9 / window_s;

// Who holds the workers of the service that row waits for: {row, share, at_once}, or null.
export function holder(row, rows, window_s) {
  const same = rows.filter((r) => r.side === "server" && r.service === row.service && r.port === row.port);
  const all = same.reduce((sum, r) => sum + served_at_once(r, window_s), 0);
  if (!all) return null;
  const most = same.reduce((a, b) => (served_at_once(b, window_s) > served_at_once(a, window_s) ? b : a));
  return { row: most, share: served_at_once(most, window_s) / all, at_once: all };
}

// The call of the row's service that takes most of its time: a row of side client, or null.
export function slowest_call(row, rows) {
  const name = caller_name(row);
  const calls = rows.filter((r) => r.side === "client" && r.service === name && r.port !== row.port);
  const likely = calls.filter((r) => r.route === row.route && r.method === row.method); // a proxy passes the path on
  const pool = likely.length ? likely : calls;
  return pool.length ? pool.reduce((a, b) => (b.p95_ns > a.p95_ns ? b : a)) : null;
}

// Follows a row that waits for others to the endpoint of this machine that it waits for. Returns the rows of the way.
function way_to_cause(row, rows) {
  const way = [row];
  const seen = new Set([endpoint_key(row)]);
  for (let at = row; way.length <= HOPS; ) {
    const phase = main_phase(at);
    // it has a reason of its own; for requests that pass between threads none can be told
    if (phase && phase[0] !== "blocked" && phase[1] >= OWN_REASON) break;
    const call = slowest_call(at, rows);
    if (!call || call.p95_ns < MUCH_OF * at.p95_ns) break;
    // who answers that call, seen from the other side: same port, method and route
    const next = rows.find((r) => r.side === "server" && r.port === call.port && r.method === call.method && r.route === call.route);
    if (!next || next.p95_ns < MUCH_OF * at.p95_ns || seen.has(endpoint_key(next))) break;
    seen.add(endpoint_key(next));
    way.push((at = next));
  }
  return way;
}

const link = (row) => ({ row, text: row.method ? `${row.method} ${row.route ?? "?"}` : (row.route ?? "?") });
const times_text = (times) => (times >= 10 ? times.toFixed(0) : times.toFixed(1).replace(/\.0$/, ""));

function latency_parts(row, rows, window_s) {
  const parts = [link(row), ` in ${row.service ?? "an unknown service"}: p95 ${duration(row.p95_ns)}`];
  const times = slower_than_usual(row);
  if (times) parts.push(`, ${times_text(times)} times its usual ${duration(row.past_hour.p95_ns)}`);
  const phase = main_phase(row);
  if (!phase || phase[1] < 0.1) return [...parts, ". Where the time goes was not observed."];
  parts.push(`. ${share(Math.min(1, phase[1]))} of it is ${phase[0]}: ${WHY[phase[0]]}`);
  if (phase[0] === "queue") {
    const busy = holder(row, rows, window_s);
    if (busy && endpoint_key(busy.row) !== endpoint_key(row) && busy.share >= 0.3)
      parts.push("; ", link(busy.row), ` takes ${share(busy.share)} of the serving time there`);
  }
  if (phase[0] === "blocked") {
    const call = slowest_call(row, rows);
    if (call && call.p95_ns >= MUCH_OF * row.p95_ns)
      parts.push("; its calls of ", link(call), ` at port ${call.port} take ${duration(call.p95_ns)} (p95)`);
  }
  return [...parts, "."];
}

function failing_parts(row) {
  const parts = [link(row), ` in ${row.service ?? "an unknown service"} fails: ${share(row.error_share)} of ${rate(row.rate_per_s)}`];
  if (row.statuses["5xx"] >= row.outcomes.error) parts.push(" with a 5xx status");
  const usual = row.past_hour;
  if (usual && usual.count >= ENOUGH_PAST) {
    if (usual.error_share < row.error_share / 2) parts.push(`, in its past hour ${share(usual.error_share)}`);
    else parts.push(", as it has all the past hour");
  }
  return [...parts, "."];
}

const sum_of = (rows) => ({
  endpoints: rows.length,
  rate_per_s: rows.reduce((sum, row) => sum + row.rate_per_s, 0),
  errors: rows.reduce((sum, row) => sum + row.outcomes.error, 0),
  slowest: rows.reduce((a, b) => (b.p95_ns > a.p95_ns ? b : a)),
});

// answer: of /api/v1/endpoints, both sides, sorted by pain; `sum` is of those too that are not in its list. Without it:
// its list is all there is.
// → {state: "idle" | "calm" | "failing" | "slow", row: the endpoint it speaks of or null, parts: [string | {row, text}]}
export function sentence(answer) {
  const rows = answer.endpoints.filter((row) => row.count > 0);
  if (!rows.length) return { state: "idle", row: null, parts: ["No request ended in this time."] };
  const served = rows.filter((row) => row.side === "server");
  const shown = served.length ? served : rows;

  // An endpoint fails either by itself, or because what it calls does: the deepest one tells more.
  const bad = shown.filter(failing);
  if (bad.length) {
    const worst = bad.reduce((a, b) => (b.outcomes.error > a.outcomes.error ? b : a));
    const below = bad.find((r) => r !== worst && r.route === worst.route && r.method === worst.method &&
      rows.some((c) => c.side === "client" && c.service === caller_name(worst) && c.port === r.port));
    return { state: "failing", row: below ?? worst, parts: failing_parts(below ?? worst) };
  }
  const slow = shown.filter((row) => slower_than_usual(row) !== null || queueing(row));
  if (slow.length) {
    const weight = (row) => (slower_than_usual(row) ?? 1) * (row.mean_ns * row.count) ** 0.5;
    const worst = slow.reduce((a, b) => (weight(b) > weight(a) ? b : a));
    const cause = way_to_cause(worst, rows).at(-1);
    const parts = latency_parts(cause, rows, answer.window_s);
    const ways = [worst, ...slow.slice(0, WAYS_MOST)].map((row) => way_to_cause(row, rows)).filter((way) => way.length > 1 && way.at(-1) === cause);
    if (ways.length) {
      const [waits] = ways.reduce((a, b) => (b.length > a.length ? b : a)); // the one nearest to the people who wait
      parts.push(" ", link(waits), ` in ${waits.service} waits for it.`);
    }
    return { state: "slow", row: cause, parts };
  }
  const { rate_per_s, errors, endpoints, slowest } = answer.sum?.[shown[0].side] ?? sum_of(shown);
  return {
    state: "calm",
    row: null,
    parts: [`Nothing hurts: ${rate(rate_per_s)} over ${endpoints} endpoint${endpoints === 1 ? "" : "s"}, `,
      errors ? `${errors} failed` : "none failed", ". The slowest is ", link(slowest), ` with a p95 of ${duration(slowest.p95_ns)}.`],
  };
}

// Since when an endpoint hurts: the time of the first of the points (of /api/v1/endpoint, oldest first) from which on
// all are as bad as `is_bad` says; null when it always was, or is not now. Points with little traffic are passed over.
export function since(points, is_bad) {
  const enough = points.filter((point) => point.count >= 3);
  let at = enough.length;
  while (at > 0 && is_bad(enough[at - 1])) --at;
  return at === enough.length || at === 0 ? null : enough[at].time;
}
