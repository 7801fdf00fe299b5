// Kept requests: the newest, or the longest, of what the filters let through. Live.

import { ask } from "../api.js";
import { replace } from "../address.js";
import { clock, count, duration } from "../format.js";
import { h, set_text } from "../dom.js";
import { name_of, phase_legend, search, select, transaction_table } from "../parts.js";

export const title = "Requests";
export const name = () => "Requests";
export const needs = ["transactions"];

const ROWS = 25; // on a busy machine all of them are new each time
const ROWS_MOST = 100;
const EXACT = ["service", "route", "method", "port", "pid", "min_duration_ns", "from", "to"];
const WORDS = {
  min_duration_ns: (value) => `at least ${duration(Number(value))}`,
  from: (value) => `from ${clock(Number(value))}`,
  to: (value) => `to ${clock(Number(value))}`,
};

export function create({ parameters, refresh }) {
  const want = Object.fromEntries([...EXACT, "q", "status", "side", "kept_as", "sort"].map((k) => [k, parameters.get(k) ?? ""]));
  const set = (values) => {
    Object.assign(want, values);
    replace(want);
    draw_chips();
    refresh();
  };
  const chips = h("div", { class_: "chips" });
  function draw_chips() {
    const set_ones = EXACT.filter((k) => want[k]);
    chips.replaceChildren(...set_ones.map((k) => h("button", { type: "button", title: "Remove this filter", onclick: () => set({ [k]: "" }) },
      h("bdi", {}, WORDS[k]?.(want[k]) ?? `${k} ${name_of(want[k], 50)}`), h("span", { "aria-hidden": "true" }, " ×"))));
  }
  draw_chips();
  const table = transaction_table("Requests that were kept", { service: true, empty: "Nothing that was kept fits these filters." });
  const note = h("p", { class_: "note" });
  let limit = ROWS;
  const more = h("button", { type: "button", class_: "more", hidden: true, onclick: () => {
    limit = ROWS_MOST;
    refresh();
  } }, `Show ${ROWS_MOST}`);
  const element = h("div", { class_: "view requests" },
    h("h1", {}, "Requests"),
    h("div", { class_: "controls" },
      search("Text anywhere in it", want.q, (q) => set({ q })),
      select("Status", [["", "any"], ["2xx", "2xx"], ["3xx", "3xx"], ["4xx", "4xx"], ["5xx", "5xx"]], want.status, (status) => set({ status })),
      select("Kept as", [["", "any"], ["failed", "failed"], ["slow", "slowest"], ["sampled", "sample"]], want.kept_as, (kept_as) => set({ kept_as })),
      select("Side", [["", "both"], ["server", "served"], ["client", "called"]], want.side, (side) => set({ side })),
      select("Order", [["", "newest"], ["duration", "longest"]], want.sort, (sort) => set({ sort })),
      phase_legend()),
    chips, table.element, more, note);
  async function refresh_view(signal) {
    const answer = await ask("transactions", { ...want, limit }, signal);
    table.update(answer.transactions);
    more.hidden = answer.transactions.length < limit || limit === ROWS_MOST;
    set_text(note, answer.transactions.length === ROWS_MOST ? `The first ${count(ROWS_MOST)}. Narrow it down to see others.` : "");
  }
  return { element, refresh: refresh_view, close: table.close, every_ms: 2000 };
}
