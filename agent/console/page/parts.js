// Pieces that several views show: names of endpoints, phases as a bar, sparkline, rows of transactions.

import { endpoint_link, link } from "./address.js";
import { clock, count, duration, NOTHING, parse_time, share, shortened, visible } from "./format.js";
import { h, s, set_attribute, set_text } from "./dom.js";
import { row_list } from "./row_list.js";

export const PHASES = ["queue", "upload", "cpu", "runqueue", "blocked", "transfer"];
export const PHASE_WORDS = {
  queue: "in the socket, before the application read it",
  upload: "until the rest of the request had come",
  cpu: "on a core",
  runqueue: "ready, but no core was free",
  blocked: "I/O, locks, calls to others",
  transfer: "first to last byte of the response",
};

export const name_of = (text, most) => (text === null || text === undefined ? "unknown" : shortened(visible(text), most));

export const method_of = (row) => (row.method ? shortened(row.method, 16) : "?");

// A share of the whole for each phase. phases: {name: ns or null}.
export function phase_bar() {
  const element = h("div", { class_: "phase-bar", role: "img" });
  let drawn = "";
  return {
    element,
    update(phases, whole_ns) {
      const words = [], parts = [];
      for (const name of PHASES) {
        const ns = phases[name];
        const part = ns && whole_ns ? Math.min(1, ns / whole_ns) : 0;
        parts.push([name, part]);
        if (part >= 0.01) words.push(`${name} ${share(part)}`);
      }
      const known = parts.reduce((sum, [, part]) => sum + part, 0);
      // painted, not laid out: a list has a hundred of them, and each changes every second
      let at = 0;
      const stops = parts.filter(([, part]) => part >= 0.005).map(([name, part]) => {
        const from = at.toFixed(0), to = (at += (100 * part) / Math.max(1, known)).toFixed(0);
        return `var(--phase-${name}) ${from}% calc(${to}% - 1px), var(--phase-rest) calc(${to}% - 1px) ${to}%`;
      });
      const picture = stops.length ? `linear-gradient(to right, ${stops.join(", ")}, var(--phase-rest) 0)` : "none";
      if (picture !== drawn) element.style.backgroundImage = drawn = picture;
      if (known < 0.99) words.push(words.length ? `the rest was not observed` : "phases were not observed");
      const text = words.join(", ");
      set_attribute(element, "aria-label", text);
      set_attribute(element, "title", text);
    },
  };
}

// Of an endpoint, for phase_bar(): sums over all of its requests, so that what was not observed in some stays open.
export const sums_of = (phases) => Object.fromEntries(PHASES.map((name) => [name, phases[name]?.sum_ns ?? null]));

export function phase_legend(names = PHASES) {
  return h("ul", { class_: "legend" }, names.map((name) =>
    h("li", { title: PHASE_WORDS[name] }, h("i", { class_: `phase-${name}` }), name)));
}

export function sparkline(width = 96, height = 24) {
  const area = s("polygon", { class_: "spark-area" });
  const line = s("polyline", { class_: "spark-line" });
  const element = s("svg", { class_: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" }, area, line);
  return {
    element,
    update(values, what) {
      const most = Math.max(1, ...values);
      const x = (i) => ((i / Math.max(1, values.length - 1)) * width).toFixed(1);
      const points = values.map((v, i) => `${x(i)},${(height - 2 - (v / most) * (height - 4)).toFixed(1)}`).join(" ");
      set_attribute(line, "points", points);
      set_attribute(area, "points", `0,${height} ${points} ${width},${height}`);
      set_attribute(element, "aria-label", `${what}, most ${count(most)}`);
    },
  };
}

// How one turned out, in words besides the colour.
const status_text = (t) => (t.status ? String(t.status) : t.outcome === "unobserved" ? NOTHING : t.outcome);
function status_class(t) {
  const bad = t.outcome === "error" || t.outcome === "aborted" || t.status >= 500;
  return `status ${bad ? "bad" : t.status >= 400 ? "warn" : "plain"}`;
}
export const status_of = (t) => h("span", { class_: status_class(t), title: t.outcome }, status_text(t));

const KEPT = { failed: "failed", slow: "slowest of its minute", sampled: "sample" };

function transaction_row(with_service) {
  const when = h("td", { class_: "when" }), status = h("span"), method = h("b"), path = h("bdi"), took = h("td", { class_: "number" });
  const a = h("a", {}, method, " ", path);
  const service = h("bdi"), calls = h("span"), bar = phase_bar(), kept = h("td", { class_: "kept" });
  const element = h("tr", { "data-row": true }, when, h("td", {}, status),
    h("td", { class_: "name" }, a, with_service ? h("small", {}, service, calls) : null), took, h("td", { class_: "phases" }, bar.element), kept);
  return {
    element,
    update(t) {
      set_text(when, clock(parse_time(t.time)[0]));
      set_text(status, status_text(t));
      set_attribute(status, "class", status_class(t));
      set_attribute(status, "title", t.outcome);
      set_text(method, method_of(t));
      const whole = t.path ?? t.route;
      set_text(path, name_of(whole, 90));
      set_attribute(a, "href", link("transaction", { id: t.id }));
      set_attribute(a, "title", whole ? visible(whole).slice(0, 400) : "");
      set_text(service, name_of(t.service, 60));
      set_text(calls, t.side === "client" ? " calls" : "");
      set_text(took, duration(t.duration_ns));
      bar.update(Object.fromEntries(PHASES.map((name) => [name, t.phases[`${name}_ns`]])), t.duration_ns);
      set_text(kept, KEPT[t.kept_as] ?? t.kept_as);
    },
  };
}

// A live list of transactions. options.service: show it; options.empty: what stands there when there is none.
export function transaction_table(caption, options) {
  const body = h("tbody");
  const table = h("table", { class_: "transactions live-rows" }, h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ["Time", "Status", "Request", "Took", "Phases", "Kept as"].map((text, i) =>
      h("th", { scope: "col", class_: i === 3 ? "number" : null }, text)))), body);
  const empty = h("p", { class_: "empty" }, options.empty);
  const list = row_list(body, (t) => t.id, () => transaction_row(options.service), { constant: true, reuse: true });
  return {
    element: h("div", { class_: "scroll", tabindex: "0" }, table, empty),
    update(rows) {
      list.update(rows);
      empty.hidden = rows.length > 0;
      table.hidden = rows.length === 0;
    },
    close: list.close,
  };
}

export function figure(label) {
  const value = h("dd", {}, NOTHING);
  const note = h("dd", { class_: "aside" });
  return {
    element: h("div", { class_: "figure" }, h("dt", {}, label), value, note),
    update(text, small = "", kind = "") {
      set_text(value, text);
      set_text(note, small);
      value.className = kind;
    },
  };
}

export function select(label, choices, value, on_change) {
  const element = h("select", { "aria-label": label, onchange: (event) => on_change(event.target.value) },
    choices.map(([key, text]) => h("option", { value: key }, text)));
  element.value = value;
  return h("label", { class_: "select" }, h("span", {}, label), element);
}

export function search(label, value, on_input) {
  let timer = 0;
  return h("input", { type: "search", placeholder: label, "aria-label": label, value, spellcheck: "false",
    oninput: (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => on_input(event.target.value), 150); // not a request for every letter
    } });
}

// The endpoint that a transaction belongs to.
export const endpoint_link_of = (t) => endpoint_link({ ...t, port: t.server?.port });
