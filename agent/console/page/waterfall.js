// Where each phase and each call of a request lies in its time, as shares of its duration. Pure.
//
//   0 ── queue ──┬── upload ──┬──── cpu, runqueue, blocked: in turns ────┬── transfer ── 1
//
// queue, upload and transfer have a place of their own. The three in the middle take turns, and only their sums are
// known: each is drawn from the start of the span that they share.

import { parse_time } from "./format.js";

const EDGES = ["queue", "upload", "transfer"];
const TURNS = ["cpu", "runqueue", "blocked"];

// → [{phase, ns, from, width, span: {from, width} | null}], those that were observed and are not 0, in order.
export function place_phases(t) {
  const whole = Math.max(1, t.duration_ns);
  const ns = (phase) => t.phases[`${phase}_ns`] ?? 0;
  const part = (phase) => Math.min(1, ns(phase) / whole);
  const placed = [];
  const add = (phase, from, span = null) => {
    if (ns(phase) > 0) placed.push({ phase, ns: ns(phase), from, width: Math.min(part(phase), 1 - from), span });
  };
  add("queue", 0);
  add("upload", part("queue"));
  const begin = Math.min(1, part(EDGES[0]) + part(EDGES[1]));
  const end = Math.max(begin, 1 - part("transfer"));
  for (const phase of TURNS) add(phase, begin, { from: begin, width: end - begin });
  add("transfer", 1 - part("transfer"));
  return placed;
}

const microseconds = (t, origin_s) => {
  const [seconds, ns] = parse_time(t.time);
  return (seconds - origin_s) * 1e6 + ns / 1e3;
};

// Where each log line of t was written: a share of its time, 0 … 1; lines that came after its end stand at it.
// → [{line, at, late_ns}], late_ns: how long after the end; 0: within.
export function place_lines(t) {
  const [origin_s] = parse_time(t.time);
  const start = microseconds(t, origin_s);
  const whole = Math.max(0.001, t.duration_ns / 1e3);
  return (t.logs ?? []).map((line) => {
    const at = (microseconds(line, origin_s) - start) / whole;
    return { line, at: Math.max(0, Math.min(1, at)), late_ns: at > 1 ? Math.round((at - 1) * t.duration_ns) : 0 };
  });
}

// Who was being served in the same service while t waited in the queue, longest there first: what held its workers.
// → [{transaction, from, width}], cut to the time of t.
export function place_holders(t, served) {
  const queue = t.phases.queue_ns ?? 0;
  if (queue < 0.3 * t.duration_ns || queue < 1e6) return [];
  const [origin_s] = parse_time(t.time);
  const start = microseconds(t, origin_s), end = start + queue / 1e3;
  const whole = Math.max(0.001, t.duration_ns / 1e3);
  const out = [];
  for (const other of served) {
    if (other.id === t.id || other.service !== t.service || other.server?.port !== t.server?.port) continue;
    const began = microseconds(other, origin_s);
    const from = Math.max(start, began + (other.phases.queue_ns ?? 0) / 1e3); // it held nobody while it waited itself
    const to = Math.min(end, began + other.duration_ns / 1e3);
    if (to - from > 0.05 * (end - start)) out.push({ transaction: other, from: (from - start) / whole, width: (to - from) / whole });
  }
  return out.sort((a, b) => b.width - a.width).slice(0, 6);
}

// The calls that the agent knows to be t's own. candidates (client side, same process) and peers (what the servers on
// this machine saw) add what they know, where they were kept. → as place_calls
export function place_downstream(t, candidates, peers) {
  const [origin_s] = parse_time(t.time);
  const start = microseconds(t, origin_s);
  const whole = Math.max(1, t.duration_ns);
  return t.downstream.map((call) => {
    const from = Math.min(1, call.start_ns / whole);
    const kept = candidates.find((c) => c.trace?.span_id === call.span_id);
    const peer = peers.find((p) => p.trace?.parent?.span_id === call.span_id) ?? null;
    return {
      // without an end it was still under way when the request ended
      transaction: kept ?? { ...call, path: null, server: call.peer, duration_ns: call.duration_ns ?? t.duration_ns - call.start_ns },
      from, width: Math.min(1 - from, (call.duration_ns ?? whole) / whole), certainty: call.match, service: call.service, peer,
      peer_offset: peer ? Math.max(0, ((microseconds(peer, origin_s) - start) * 1e3 - call.start_ns) / whole) : 0,
    };
  });
}

// Where the agent knows of none: which of `candidates` (client side, same process) were made in the time of the server's request t, and how sure that
// is; peers: what the servers on this machine saw of them. → [{transaction, from, width, certainty, peer, peer_offset}]
export function place_calls(t, candidates, peers) {
  const [origin_s] = parse_time(t.time);
  const start = microseconds(t, origin_s);
  const whole = Math.max(0.001, t.duration_ns / 1e3);
  const out = [];
  for (const call of candidates) {
    if (call.trace?.parent) continue; // it is known to be another's
    const from = (microseconds(call, origin_s) - start) / whole;
    const width = call.duration_ns / 1e3 / whole;
    if (from < 0 || from > 1 || from + width > 1.02) continue; // one that outlives it is not its own
    const same_trace = t.trace?.trace_id && call.trace?.trace_id === t.trace.trace_id;
    const same_thread = t.process?.tid && call.process?.tid === t.process.tid;
    const peer = peers.find((p) => p.server?.port === call.server?.port && p.client?.port === call.client?.port &&
      p.path === call.path && Math.abs(microseconds(p, origin_s) - microseconds(call, origin_s)) < call.duration_ns / 1e3 + 1e3);
    out.push({
      transaction: call, from, width: Math.min(width, 1 - from),
      certainty: same_trace ? "trace" : same_thread ? "thread" : "process",
      peer: peer ?? null,
      peer_offset: peer ? Math.max(0, (microseconds(peer, origin_s) - microseconds(call, origin_s)) / whole) : 0,
    });
  }
  // a trace id tells more than a place in time
  const traced = out.filter((call) => call.certainty === "trace");
  return (traced.length ? traced : out).sort((a, b) => a.from - b.from).slice(0, 50);
}
