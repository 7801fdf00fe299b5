// Now: every endpoint, worst first, and one sentence about the worst.

import { ask } from "../api.js";
import { endpoint_link, replace } from "../address.js";
import { clock_minute, count, duration, NOTHING, rate, share, span, visible } from "../format.js";
import { h, set_attribute, set_text } from "../dom.js";
import { figure, sums_of, method_of, name_of, phase_bar, phase_legend, search, select, sparkline } from "../parts.js";
import { row_list } from "../row_list.js";
import { endpoint_key, failing, sentence, since, slower_than_usual } from "../sentence.js";

export const title = "Now";
export const name = () => "Now";
export const needs = ["endpoints"];

const PAGE = 25; // rows at a time: nobody reads two thousand
const SENTENCE_ROWS = 200; // of both sides, worst first
const SINCE_EVERY_MS = 10_000;
const COLUMNS = [
  ["name", "Endpoint"], ["rate", "Rate"], ["errors", "Errors"], ["p50", "p50"], ["p95", "p95"], ["p99", "p99"],
  [null, "Last minute"], ["queue", "Where the time goes"],
];

function create_row() {
  const cells = { rate: h("td", { class_: "number" }), errors: h("td", { class_: "number" }), p50: h("td", { class_: "number" }),
    p95: h("td", { class_: "number p95" }), p99: h("td", { class_: "number" }) };
  const p95 = h("span"), times = h("small", { class_: "times" });
  cells.p95.append(p95, times);
  const spark = sparkline();
  const bar = phase_bar();
  const method = h("b"), route = h("bdi"), service = h("bdi"), calls = h("span");
  const a = h("a", {}, method, " ", route);
  const element = h("tr", { "data-row": true },
    h("th", { scope: "row", class_: "name" }, a, h("small", {}, service, calls)),
    Object.values(cells), h("td", { class_: "sparkline" }, spark.element), h("td", { class_: "phases" }, bar.element));
  for (const [key, cell] of Object.entries(cells)) cell.dataset.label = key;
  return {
    element,
    update(row) {
      set_attribute(a, "href", endpoint_link(row));
      set_attribute(a, "title", row.route ? visible(row.route).slice(0, 400) : "");
      set_text(method, method_of(row));
      set_text(route, name_of(row.route, 80));
      set_text(service, name_of(row.service, 60));
      set_text(calls, row.side === "client" ? ` calls port ${row.port ?? "?"}` : "");
      const slow = slower_than_usual(row);
      set_text(cells.rate, rate(row.rate_per_s));
      set_text(cells.errors, row.count ? share(row.error_share) : NOTHING);
      cells.errors.classList.toggle("bad", failing(row));
      for (const p of ["p50", "p99"]) set_text(cells[p], row.count ? duration(row[`${p}_ns`]) : NOTHING);
      set_text(p95, row.count ? duration(row.p95_ns) : NOTHING);
      set_text(times, slow ? `×${slow >= 10 ? slow.toFixed(0) : slow.toFixed(1)}` : "");
      set_attribute(times, "title", slow ? `of its usual ${duration(row.past_hour.p95_ns)}` : "");
      cells.p95.classList.toggle("bad", slow !== null);
      spark.update(row.sparkline, "requests over time");
      bar.update(sums_of(row.phases), row.mean_ns * row.count);
      element.classList.toggle("rests", row.count === 0);
    },
  };
}

// The sentence and the list must not name two different worst ones: pain weighs each endpoint alone, the sentence also
// knows which of them only waits for another.
function with_first(rows, row) {
  const at = row ? rows.findIndex((one) => endpoint_key(one) === endpoint_key(row)) : -1;
  return at > 0 ? [rows[at], ...rows.slice(0, at), ...rows.slice(at + 1)] : rows;
}

function sentence_box() {
  const text = h("p", { class_: "words" });
  const when = h("p", { class_: "since" });
  const element = h("section", { class_: "sentence", "aria-label": "What hurts" }, text, when);
  let shown = "";
  return {
    element,
    update(said) {
      element.dataset.state = said.state;
      const key = JSON.stringify(said.parts.map((part) => (part.row ? part.text : part)));
      if (key === shown) return;
      shown = key;
      text.replaceChildren(...said.parts.map((part) => part.row
        ? h("a", { href: endpoint_link(part.row) }, h("bdi", {}, name_of(part.text, 60)))
        : document.createTextNode(visible(part))));
    },
    since(text_) {
      set_text(when, text_);
      when.hidden = !text_;
    },
  };
}

// Since when the endpoint of the sentence hurts; asked every ten seconds, not with each picture.
function since_finder(box) {
  let key = "", asked_at = 0;
  return async (said, signal) => {
    if (!said.row) {
      key = "";
      return box.since("");
    }
    const now = performance.now();
    if (key === endpoint_key(said.row) && now - asked_at < SINCE_EVERY_MS) return;
    if (key !== endpoint_key(said.row)) box.since("");
    key = endpoint_key(said.row);
    asked_at = now;
    const { service, route, method, side, port, p95_ns, past_hour } = said.row;
    const answer = await ask("endpoint", { service, route, method, side, port, span_s: 3600, step_s: 10 }, signal);
    const limit_ns = Math.min(p95_ns, Math.max(2 * (past_hour?.p95_ns ?? p95_ns / 2), p95_ns / 2));
    const start = since(answer.points, said.state === "failing"
      ? (point) => point.error_share >= said.row.error_share / 4 && point.outcomes.error > 0
      : (point) => point.p95_ns >= limit_ns * 0.75);
    const ago = start && answer.points.length ? Date.now() / 1000 - start : 0;
    box.since(start ? `Since ${clock_minute(start)}, for ${span(ago)}.` : "");
  };
}

export function create({ parameters, refresh }) {
  const want = {
    sort: parameters.get("sort") ?? "pain", side: parameters.get("side") ?? "server",
    window_s: parameters.get("window") ?? "60", q: parameters.get("q") ?? "", limit: PAGE,
  };
  const set = (values) => {
    Object.assign(want, values);
    replace({ sort: want.sort === "pain" ? "" : want.sort, side: want.side === "server" ? "" : want.side,
      window: want.window_s === "60" ? "" : want.window_s, q: want.q });
    mark_sort();
    refresh();
  };

  const box = sentence_box();
  const find_since = since_finder(box);
  const figures = { rate: figure("Requests"), errors: figure("Failed"), endpoints: figure("Endpoints"), services: figure("Services") };
  const headers = COLUMNS.map(([key, text]) => h("th", { scope: "col", class_: ["rate", "errors", "p50", "p95", "p99"].includes(key) ? "number" : null },
    key ? h("button", { type: "button", "data-sort": key, onclick: () => set({ sort: want.sort === key ? "pain" : key }) }, text) : text));
  const spark_head = headers[6];
  function mark_sort() {
    headers.forEach((header, i) => {
      if (COLUMNS[i][0] === want.sort) header.setAttribute("aria-sort", want.sort === "name" ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    });
    spark_head.textContent = { 60: "Last minute", 300: "Last 5 min", 900: "Last 15 min", 3600: "Last hour" }[want.window_s];
    order.textContent = want.sort === "pain" ? "worst first" : `by ${want.sort}`;
  }
  const order = h("span");
  const body = h("tbody");
  const table = h("table", { class_: "endpoints live-rows" },
    h("caption", {}, "Endpoints, ", order), h("thead", {}, h("tr", {}, headers)), body);
  const more = h("button", { type: "button", class_: "more", hidden: true, onclick: () => set({ limit: want.limit + PAGE }) });
  const empty = h("div", { class_: "empty", hidden: true });
  const list = row_list(body, endpoint_key, create_row, { reuse: true });
  mark_sort();

  const element = h("div", { class_: "view now" },
    h("h1", { class_: "hidden" }, "Now"), box.element,
    h("dl", { class_: "figures" }, Object.values(figures).map((f) => f.element)),
    h("div", { class_: "controls" },
      search("Filter by route or service", want.q, (q) => set({ q, limit: PAGE })),
      select("Side", [["server", "served"], ["client", "called"], ["any", "both"]], want.side, (side) => set({ side })),
      select("Window", [["60", "1 min"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 hour"]], want.window_s, (window_s) => set({ window_s })),
      phase_legend()),
    h("div", { class_: "loading" }, "Asking the agent …"), table, empty, more);
  table.hidden = true;

  async function refresh_view(signal) {
    const { sort, side, window_s, q, limit } = want;
    const [listed, worst] = await Promise.all([
      ask("endpoints", { window_s, sort, q, limit, side: side === "any" ? "" : side, rows: "brief" }, signal),
      ask("endpoints", { window_s: 60, limit: SENTENCE_ROWS, rows: "brief" }, signal),
    ]);
    const said = sentence(worst);
    const rows = sort === "pain" ? with_first(listed.endpoints, said.row) : listed.endpoints;
    list.update(rows, () => element.querySelector(".loading")?.remove());
    table.hidden = rows.length === 0;
    more.hidden = listed.total <= rows.length;
    set_text(more, `Show more: ${count(rows.length)} of ${count(listed.total)}`);
    empty.hidden = rows.length > 0;
    if (!rows.length) set_text(empty, q ? `No endpoint has “${q}” in its route or service.` :
      "No HTTP request has been seen yet. Send one to any server on this machine, and it shows up here within a second.");
    box.update(said);
    const of_both = (what) => listed.sum.server[what] + listed.sum.client[what];
    const errors = of_both("errors"), all = of_both("count");
    figures.rate.update(rate(of_both("rate_per_s")), `${count(all)} in ${span(listed.window_s)}`);
    figures.errors.update(all ? share(errors / all) : NOTHING, `${count(errors)} requests`, errors / all >= 0.01 ? "bad" : "");
    figures.endpoints.update(count(listed.total), listed.total > rows.length ? `${count(rows.length)} shown` : "");
    figures.services.update(count(listed.sum.services), listed.complete ? "" : "part of the window left the store");
    await find_since(said, signal);
  }
  return { element, refresh: refresh_view, close: list.close, every_ms: 1000 };
}
