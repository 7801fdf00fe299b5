// format, address, rates, rows, waterfall, topology: what needs no browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../../agent/console/page/format.js";
import { link, parse } from "../../../agent/console/page/address.js";
import { row_plan } from "../../../agent/console/page/row_plan.js";
import { Rates } from "../../../agent/console/page/rates.js";
import { place_calls, place_downstream, place_holders, place_lines, place_phases } from "../../../agent/console/page/waterfall.js";
import { topology } from "../../../agent/console/page/topology.js";
import { row } from "./rows.js";

test("durations, sizes, shares as people read them; not observed is not zero", () => {
  const shown = [null, 0, 850, 12_345, 999_600, 2_913_000, 84e6, 1.26e9, 59.6e9, 7200e9].map(format.duration);
  assert.deepEqual(shown, ["–", "0", "850 ns", "12.3 µs", "1 ms", "2.9 ms", "84 ms", "1.3 s", "60 s", "2 h"]);
  assert.deepEqual([null, 0, 512, 1023.6, 1536, 16 * 1024 ** 2].map(format.bytes), ["–", "0 B", "512 B", "1 KiB", "1.5 KiB", "16 MiB"]);
  assert.deepEqual([null, 0, 0.0004, 0.042, 0.5, 1].map(format.share), ["–", "0%", "<0.1%", "4.2%", "50%", "100%"]);
  assert.deepEqual([0, 0.05, 3.34, 12_500].map(format.rate), ["0/s", "3/min", "3.3/s", "12.5k/s"]);
});

test("times keep their nanoseconds", () => {
  assert.deepEqual(format.parse_time("2026-11-21T12:25:02.512577694Z"), [Date.UTC(2026, 10, 21, 12, 25, 2) / 1000, 512577694]);
  assert.deepEqual(format.parse_time("2026-11-21T12:25:02Z")[1], 0);
});

test("control characters and marks that turn the text are made visible, long ones cut in the middle", () => {
  assert.equal(format.visible("\u001b[31mred\u202egnp.exe\u0000"), "␛[31mred⟨U+202E⟩gnp.exe␀");
  const cut = format.shortened(`/${"a".repeat(10_000)}/end`, 100);
  assert.equal(cut.length, 99);
  assert.ok(cut.endsWith("/end"));
});

test("the address holds any string and gives it back", () => {
  const route = "/a?b=1&c=#</script>é\u202e";
  const { view, parameters } = parse(link("endpoint", { route, port: 80, service: null, q: "" }));
  assert.equal(view, "endpoint");
  assert.deepEqual([...parameters], [["route", route], ["port", "80"]]);
  assert.equal(parse("").view, "now");
});

test("rates: between moves of the counter, not between looks at it", () => {
  const rates = new Rates();
  const at = (now, value) => {
    rates.begin(now);
    const rate = rates.of("x", value);
    rates.end();
    return rate;
  };
  assert.deepEqual([at(0, 100), at(2, 100), at(5, 150), at(7, 150), at(10, 150)], [null, null, 10, 10, 10]);
  assert.equal(at(40, 150), 0, "at rest for long");
  assert.equal(at(42, 3), null, "started anew");
});

// Does to a list what the plan says, as the page does it to its rows.
function planned(shown, wanted, may_become) {
  const { steps, gone } = row_plan(shown, wanted, may_become);
  const list = shown.map((key) => ({ key }));
  const at = (key) => list.findIndex((row) => row.key === key);
  let moves = 0, fresh = 0;
  steps.forEach(({ key, from, moves: is_moved }, i) => {
    const row = from === null ? { key } : list[at(from)];
    if (from === null) ++fresh;
    else row.key = key;
    if (!is_moved) return;
    if (from !== null) {
      list.splice(list.indexOf(row), 1);
      ++moves;
    }
    list.splice(i > 0 ? at(wanted[i - 1]) + 1 : 0, 0, row);
  });
  assert.deepEqual(list.map((row) => row.key).filter((key) => !gone.includes(key)), wanted);
  return { moves, fresh, gone: gone.join("") };
}

test("rows: few of them move, one that goes becomes one that comes", () => {
  const plan = (shown, wanted, may_become) => planned([...shown], [...wanted], may_become);
  const any = () => true;
  assert.deepEqual(plan("", "abc"), { moves: 0, fresh: 3, gone: "" });
  assert.deepEqual(plan("abc", "abc"), { moves: 0, fresh: 0, gone: "" });
  assert.deepEqual(plan("abcdef", "bcdefa"), { moves: 1, fresh: 0, gone: "" }, "one that went down");
  assert.deepEqual(plan("abcdef", "fabcde"), { moves: 1, fresh: 0, gone: "" }, "one that went up");
  assert.deepEqual(plan("abcdef", "aXcdYf", any), { moves: 0, fresh: 0, gone: "" }, "in place");
  assert.deepEqual(plan("abcdef", "XYabcd", any), { moves: 2, fresh: 0, gone: "" }, "from the end to the top");
  assert.deepEqual(plan("abcdef", "XYabcd"), { moves: 0, fresh: 2, gone: "ef" }, "not where rows are not reused");
  assert.deepEqual(plan("abc", "XbYZ", (key) => key !== "a"), { moves: 0, fresh: 2, gone: "a" }, "nor one that is pointed at");
  assert.deepEqual(plan("abcdef", "c", any), { moves: 0, fresh: 0, gone: "abdef" });
  for (let seed = 1; seed <= 200; ++seed) {
    let state = seed;
    const next = (most) => (state = (state * 1103515245 + 12345) % 2 ** 31) % most;
    const some = () => [...new Set(Array.from({ length: next(20) }, () => String.fromCharCode(97 + next(26))))];
    planned(some(), some(), seed % 2 ? any : () => next(2) === 0);
  }
});

const ms = 1e6;
const transaction = (more) => ({ id: "1-1", side: "server", service: "s:1", time: "2026-11-21T12:00:00.100000000Z", duration_ns: 100 * ms, path: "/",
  server: { address: "127.0.0.1", port: 1 }, client: { port: 50 }, process: { pid: 7, tid: 7 }, phases: {}, ...more });

test("waterfall: log lines stand at their time, late ones at the end", () => {
  const at = (time) => ({ time: `2026-11-21T12:00:00.${time}Z`, message: "x" });
  const placed = place_lines(transaction({ logs: [at("099000000"), at("125000000"), at("230000000")] }));
  assert.deepEqual(placed.map((p) => [Number(p.at.toFixed(3)), p.late_ns]), [[0, 0], [0.25, 0], [1, 30 * ms]]);
  assert.deepEqual(place_lines(transaction({})), []);
});

test("waterfall: phases follow each other, those in turns share a span", () => {
  const placed = place_phases(transaction({ phases: { queue_ns: 40 * ms, upload_ns: 0, cpu_ns: 10 * ms, runqueue_ns: null, blocked_ns: 30 * ms, transfer_ns: 20 * ms } }));
  assert.deepEqual(placed.map((p) => [p.phase, p.from, Number(p.width.toFixed(6)), p.span?.from ?? null]),
    [["queue", 0, 0.4, null], ["cpu", 0.4, 0.1, 0.4], ["blocked", 0.4, 0.3, 0.4], ["transfer", 0.8, 0.2, null]]);
});

test("waterfall: calls of its thread in its time, with what the other side saw", () => {
  const call = (id, time, more = {}) => transaction({ id, side: "client", time: `2026-11-21T12:00:00.${time}Z`, duration_ns: 20 * ms, server: { port: 9 }, client: { port: 60 }, path: "/stock", ...more });
  const served = transaction({ id: "p", service: "stock:9", time: "2026-11-21T12:00:00.152000000Z", duration_ns: 16 * ms, server: { port: 9 }, client: { port: 60 }, path: "/stock" });
  const found = place_calls(transaction(), [call("a", "150000000"), call("b", "090000000"), call("c", "195000000"), call("d", "160000000", { process: { pid: 7, tid: 8 } })], [served]);
  assert.deepEqual(found.map((c) => [c.transaction.id, c.certainty, c.from]), [["a", "thread", 0.5], ["d", "process", 0.6]]);
  assert.equal(found[0].peer.id, "p");
  assert.ok(Math.abs(found[0].peer_offset - 0.02) < 1e-9);
});

test("waterfall: calls that the agent has linked lie where it says, guesses leave those of others out", () => {
  const call = (span_id, start, duration_ns) => ({ span_id, match: "thread", service: "stock:9", method: "GET", route: "/stock",
    peer: { address: "127.0.0.1", port: 9 }, status: 200, start_ns: start, duration_ns });
  const t = transaction({ downstream: [call("a", 10 * ms, 20 * ms), call("b", 60 * ms, null)] });
  const kept = transaction({ id: "c-1", side: "client", trace: { span_id: "a", parent: { span_id: "t", match: "thread" } } });
  const served = transaction({ id: "p", time: "2026-11-21T12:00:00.112000000Z", trace: { parent: { span_id: "a", match: "connection" } } });
  const placed = place_downstream(t, [kept], [served]);
  assert.deepEqual(placed.map((c) => [c.transaction.id, c.from, c.width, c.certainty, c.peer?.id]),
    [["c-1", 0.1, 0.2, "thread", "p"], [undefined, 0.6, 0.4, "thread", undefined]]);
  assert.ok(Math.abs(placed[0].peer_offset - 0.02) < 1e-6);
  assert.equal(placed[1].transaction.duration_ns, 40 * ms);
  assert.deepEqual(place_calls(transaction({ duration_ns: 200 * ms }), [kept], []), []);
});

test("waterfall: who was served while it waited", () => {
  const waiting = transaction({ phases: { queue_ns: 90 * ms } });
  const report = transaction({ id: "r", time: "2026-11-21T12:00:00.050000000Z", duration_ns: 120 * ms, phases: { queue_ns: 10 * ms } });
  const later = transaction({ id: "l", time: "2026-11-21T12:00:00.110000000Z", phases: { queue_ns: 95 * ms } });
  assert.deepEqual(place_holders(waiting, [waiting, report, later]).map((p) => [p.transaction.id, p.from, p.width]), [["r", 0, 0.7]]);
});

test("map: a call goes to the service that saw the same connection, else to the host that was asked for", () => {
  const end = { server: { address: "10.0.0.1", port: 8080 }, client: { address: "10.0.0.1", port: 5000 } };
  const map = topology(
    [row({ service: "nginx:80", port: 80 }), row({ service: "nginx", side: "client", port: 8080 }), row({ service: "shop:8080", port: 8080 }),
      row({ service: "shop", side: "client", port: 443 }), row({ service: "shop", side: "client", port: 7777 })],
    [{ side: "client", service: "nginx", ...end }, { side: "server", service: "shop:8080", ...end },
      { side: "client", service: "shop", host: "bank.example", server: { address: "203.0.113.9", port: 443 }, client: { port: 1 } }]);
  assert.deepEqual(map.edges.map((e) => [e.from, e.to]), [["nginx", "shop"], ["shop", "bank.example:443"], ["shop", "port 7777"]]);
  const node = (id) => map.nodes.find((n) => n.id === id);
  assert.deepEqual([node("nginx").level, node("shop").level, node("bank.example:443").level], [0, 1, 2]);
  assert.deepEqual([node("shop").local, node("bank.example:443").local, node("port 7777").unknown], [true, false, true]);
  assert.deepEqual([node("shop").here, node("bank.example:443").here, node("port 7777").here], [true, false, false]);
});

test("map: sonde, which does not watch itself, and others that are not seen but are on this machine", () => {
  const call = (port, address = "127.0.0.1") => ({ side: "client", service: "browser", host: `${address}:${port}`, server: { address, port }, client: { address, port: 50000 } });
  const map = topology([9745, 6379, 80].map((port) => row({ service: "browser", side: "client", port })),
    [call(9745), call(6379), { ...call(80, "198.51.100.7"), client: { address: "10.0.0.1", port: 50001 } }], new Map(), "127.0.0.1:9745");
  assert.deepEqual(map.nodes.filter((n) => n.id !== "browser").map((n) => [n.name, n.local, n.here]),
    [["this sonde", false, true], ["127.0.0.1:6379", false, true], ["198.51.100.7:80", false, false]]);
});
