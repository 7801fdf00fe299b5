// One request: a waterfall of its phases with the calls that it made in place, and everything that is known of it.

import { ask, ApiError } from "../api.js";
import { link } from "../address.js";
import { bytes, day_and_clock, duration, NOTHING, parse_time, share, visible } from "../format.js";
import { h } from "../dom.js";
import { method_of, name_of, PHASES, PHASE_WORDS, status_of, endpoint_link_of } from "../parts.js";
import { place_calls, place_downstream, place_holders, place_lines, place_phases } from "../waterfall.js";
import { MATCH_WORDS } from "./logs.js";

export const needs = ["transactions/"];
export const name = () => "Request";

function axis(duration_ns) {
  return h("div", { class_: "axis", "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const tick = h("span", {}, duration(duration_ns * part));
    tick.style.left = `${part * 100}%`;
    return tick;
  }));
}

function bar(from, width, class_, title) {
  const element = h("span", { class_: `bar ${class_}`, title });
  element.style.left = `${from * 100}%`;
  element.style.width = `${Math.max(0, width) * 100}%`;
  return element;
}

function lane(label, note, value, ...bars) {
  return h("li", { class_: "lane" }, h("div", { class_: "label" }, label, note ? h("small", {}, note) : null),
    h("div", { class_: "track" }, bars), h("div", { class_: "value" }, value));
}

const LOOK_BACK_S = 10;

const CERTAINTY = {
  trace: "same trace",
  thread: "by the thread that served it",
  process: "the only request that its process served",
};
const GUESS = {
  trace: "same trace",
  thread: "by the same thread, in its time",
  process: "by the same process, in its time; may belong to another request",
};

function call_lane(call, whole_ns) {
  const t = call.transaction;
  const inside = call.peer ? place_phases(call.peer) : [];
  const scale = t.duration_ns / whole_ns;
  const title = [h("b", {}, method_of(t)), " ", h("bdi", {}, name_of(t.path ?? t.route, 60))];
  const who = call.service ?? t.host?.replace(/:\d+$/, "") ?? t.server?.address ?? "?";
  return lane(t.id ? h("a", { href: link("transaction", { id: t.id }) }, title) : h("span", {}, title),
    `to ${visible(who)}, port ${t.server?.port ?? "?"}, ${(call.service === undefined ? GUESS : CERTAINTY)[call.certainty]}`, duration(t.duration_ns),
    bar(call.from, call.width, "call", `${duration(t.duration_ns)}, status ${t.status ?? NOTHING}`),
    inside.map((p) => bar(call.from + call.peer_offset + p.from * (call.peer.duration_ns / t.duration_ns) * scale,
      p.width * (call.peer.duration_ns / whole_ns), `inner phase-${p.phase}`, `${p.phase} ${duration(p.ns)} there`)));
}

function holder_lane({ transaction: t, from, width }) {
  return lane(h("a", { href: link("transaction", { id: t.id }) }, h("b", {}, method_of(t)), " ", h("bdi", {}, name_of(t.path ?? t.route, 60))),
    `meanwhile in ${t.process ? `pid ${t.process.pid}` : "the same service"}`, duration(t.duration_ns), bar(from, width, "held", "it was being served while this one waited"));
}

// Each line at its time, as far as it is known: one that says its second only stands at that second's beginning.
function line_lane({ line, at, late_ns }) {
  const mark = h("span", { class_: "mark", "data-level": line.level ?? "", title: line.message });
  mark.style.left = `${at * 100}%`;
  return lane(h("span", { class_: "said" }, h("b", {}, line.level ?? "log"), " ", h("bdi", {}, name_of(line.message, 90))),
    `${MATCH_WORDS[line.match] ?? ""}, ${share(line.confidence)} sure`, late_ns > 0 ? h("small", {}, `${duration(late_ns)} after`) : "", mark);
}

const LINES_DRAWN = 20;

function waterfall(t, calls, holders) {
  const lines = place_lines(t);
  const phases = place_phases(t);
  const known = new Set(phases.map((p) => p.phase));
  const unseen = PHASES.filter((phase) => !known.has(phase) && t.phases[`${phase}_ns`] === null);
  return h("section", { class_: "waterfall", "aria-label": "Where the time went" },
    h("h2", {}, "Where the time went"), axis(t.duration_ns),
    h("ol", {},
      phases.map((p) => lane(h("span", {}, h("i", { class_: `swatch phase-${p.phase}` }), p.phase), PHASE_WORDS[p.phase],
        [duration(p.ns), h("small", {}, share(p.ns / t.duration_ns))],
        p.span ? bar(p.span.from, p.span.width, `shade phase-${p.phase}`, "it fell somewhere in here") : null,
        bar(p.from, p.width, `phase-${p.phase}`, `${p.phase} ${duration(p.ns)}`))),
      holders.map(holder_lane), calls.map((call) => call_lane(call, t.duration_ns)),
      lines.slice(0, LINES_DRAWN).map(line_lane)),
    lines.length > LINES_DRAWN ? h("p", { class_: "note" }, `And ${lines.length - LINES_DRAWN} more lines, below.`) : null,
    phases.some((p) => p.span) ? h("p", { class_: "note" },
      "Pale: the time in which it fell, in turns with the others there. Full: how long it took in all.") : null,
    t.downstream_dropped ? h("p", { class_: "note" }, `${t.downstream_dropped} more calls are not shown.`) : null,
    unseen.length ? h("p", { class_: "note" }, `Not observed: ${unseen.join(", ")}.`) : null);
}

// Of the times that somebody looked at its thread, and found it waiting (docs/waits.md)
function found_in(causes) {
  const looks = Object.values(causes).reduce((sum, n) => sum + n, 0);
  const parts = Object.entries(causes).sort(([, a], [, b]) => b - a).map(([cause, n]) => `${cause} ${share(n / looks)}`);
  return `${parts.join(", ")} (${looks === 1 ? "one look" : `${looks} looks`})`;
}

function facts(t) {
  const address = (end) => (end ? `${end.address ?? "?"}${end.port ? `, port ${end.port}` : ""}` : null);
  const rows = [
    ["When", day_and_clock(parse_time(t.time)[0])], ["Outcome", t.outcome], ["Status", t.status],
    ["Service", t.service && h("bdi", {}, name_of(t.service))],
    ["Route", t.route && h("a", { href: endpoint_link_of(t) }, h("bdi", {}, name_of(t.route, 200)))],
    ["Path", t.path && h("bdi", {}, name_of(t.path, 1000))], ["Host", t.host && h("bdi", {}, name_of(t.host))],
    ["Protocol", `${t.protocol}${t.tls ? " over TLS" : ""}`], ["User agent", t.user_agent && h("bdi", {}, name_of(t.user_agent, 300))],
    ["Asked by", t.client_ip], ["Client", address(t.client)], ["Server", address(t.server)],
    ["Process", t.process && `${visible(t.process.comm ?? "?")}, pid ${t.process.pid}${t.process.tid ? `, thread ${t.process.tid}` : ""}`],
    ["Program", t.process?.exe && visible(t.process.exe)], ["Container", t.container?.id],
    ["Pod", t.k8s && [t.k8s.namespace, t.k8s.pod].filter(Boolean).join(" / ")],
    ["Trace", t.trace?.trace_id], ["Span", t.trace?.span_id], ["Parent span", t.trace?.parent_span_id], ["Asked for by", t.trace?.parent?.span_id],
    ["Blocked in", t.blocked_in && found_in(t.blocked_in)],
    ["Waited for calls", t.downstream_ns === undefined ? null : duration(t.downstream_ns)], ["Request id", t.trace?.request_id && visible(t.trace.request_id)],
    ...Object.entries(t.attributes ?? {}).map(([key, value]) => [visible(key), h("bdi", {}, name_of(value, 200))]),
    ["In, out", `${bytes(t.request_bytes)}, ${bytes(t.response_bytes)}`],
    ["Stands for", t.sample_weight > 1 ? `${t.sample_weight} like it` : null],
  ];
  return h("section", {}, h("h2", {}, "What is known"), h("dl", { class_: "facts" },
    rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
      .map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))));
}

function logs(t) {
  if (!t.logs?.length) return null;
  return h("section", {}, h("h2", {}, "Its log lines"),
    t.logs_dropped ? h("p", { class_: "note" }, `And ${t.logs_dropped} more, which are not shown here.`) : null, h("ol", { class_: "logs" }, t.logs.map((line) =>
    h("li", { "data-level": line.level ?? "" }, h("time", {}, line.time?.slice(11, 23) ?? ""), h("b", {}, line.level ?? ""),
      h("bdi", {}, name_of(line.message, 2000)),
      h("small", {}, `${line.match ?? ""}${line.confidence === undefined ? "" : `, ${share(line.confidence)} sure`}`)))));
}

function caller_line(caller) {
  return caller ? h("p", { class_: "note" }, caller.side === "client" ? "As its caller saw it: " : "As its server saw it: ",
    h("a", { href: link("transaction", { id: caller.id }) }, h("bdi", {}, name_of(caller.service, 60)), ", ", duration(caller.duration_ns)), ".") : null;
}

// What else was kept of the seconds around it: the calls of its process, and both ends of each connection.
async function around(t, signal) {
  const [start_s] = parse_time(t.time);
  const to = Math.ceil(start_s + t.duration_ns / 1e9) + 1;
  const time = { from: start_s - 1, to, limit: 1000 };
  const other = t.side === "server" ? "client" : "server";
  const [calls, ends, served] = await Promise.all([
    t.side === "server" && t.process ? ask("transactions", { ...time, side: "client", pid: t.process.pid }, signal) : { transactions: [] },
    t.server?.port ? ask("transactions", { ...time, side: other, port: t.server.port }, signal) : { transactions: [] },
    // longer ago: who held a worker may have begun before
    t.side === "server" ? ask("transactions", { ...time, from: start_s - LOOK_BACK_S, side: "server" }, signal) : { transactions: [] },
  ]);
  const same_connection = (a, b) => a.server?.port === b.server?.port && a.client?.port === b.client?.port && a.path === b.path;
  return {
    calls: t.downstream ? place_downstream(t, calls.transactions, served.transactions)
      : place_calls(t, calls.transactions, served.transactions),
    holders: place_holders(t, served.transactions),
    other_end: ends.transactions.find((e) => same_connection(e, t) && overlap(e, t)),
  };
}

function overlap(a, b) {
  const at = (t) => {
    const [s, ns] = parse_time(t.time);
    return s * 1e3 + ns / 1e6;
  };
  return at(a) < at(b) + b.duration_ns / 1e6 + 1 && at(b) < at(a) + a.duration_ns / 1e6 + 1;
}

export function create({ parameters }) {
  const id = parameters.get("id") ?? "";
  const span = parameters.get("span") ?? ""; // from a log line, which knows the request by its span
  async function find(signal) {
    if (id || !span) return ask(`transactions/${encodeURIComponent(id)}`, {}, signal);
    // its line is told as soon as it is joined, the request itself about a second after its end
    for (const until = Date.now() + 3000; ; await new Promise((again) => setTimeout(again, 400))) {
      const { transactions } = await ask("transactions", { span_id: span, limit: 1 }, signal);
      if (transactions.length) return transactions[0];
      if (Date.now() > until) throw new ApiError("it was not kept", 404);
    }
  }
  const element = h("div", { class_: "view transaction" }, h("div", { class_: "loading" }, "Asking the agent …"));
  async function refresh_view(signal) {
    let t;
    try {
      t = await find(signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      element.replaceChildren(h("h1", {}, "This request is not here"), h("p", { class_: "empty" },
        "The agent keeps the last interesting requests in bounded memory: this one had to leave, has not ended yet, or the agent started anew. ",
        h("a", { href: "#/requests" }, "Those that are kept"), "."));
      return;
    }
    const { calls, holders, other_end } = await around(t, signal);
    const raw = h("pre", { tabindex: "0" });
    element.replaceChildren(
      h("p", { class_: "crumbs" }, h("a", { href: "#/requests" }, "Requests"), " / ",
        h("a", { href: endpoint_link_of(t) }, h("bdi", {}, name_of(t.route, 80)))),
      h("div", { class_: "head" }, h("h1", {}, h("b", {}, method_of(t)), " ", h("bdi", {}, name_of(t.path ?? t.route, 200))),
        h("p", { class_: "verdict" }, status_of(t), " ", h("b", {}, duration(t.duration_ns)), " ",
          h("span", {}, t.side === "server" ? "served by " : "called by ", h("bdi", {}, name_of(t.service, 60))))),
      caller_line(other_end) ?? "",
      waterfall(t, calls, holders), logs(t) ?? "", facts(t),
      h("details", { ontoggle: () => (raw.textContent ||= visible_json(t)) }, h("summary", {}, "As JSON"), raw));
  }
  return { element, refresh: refresh_view, every_ms: 0 }; // it does not change any more
}

const visible_json = (t) => JSON.stringify(t, null, 1).split("\n").map(visible).join("\n");
