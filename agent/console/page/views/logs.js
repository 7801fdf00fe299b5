// Log lines as they come, each with the request that wrote it, and their messages by number. Live.

import { ask } from "../api.js";
import { link, replace } from "../address.js";
import { count, NOTHING, share, visible } from "../format.js";
import { h, set_text } from "../dom.js";
import { name_of, search, select } from "../parts.js";
import { row_list } from "../row_list.js";

export const title = "Logs";
export const name = () => "Logs";
export const needs = ["logs"];

const SHOWN = 200;

export const MATCH_WORDS = {
  trace: "it carries the request's id",
  thread: "written by the thread that served it",
  process: "written by the process while it served only this one",
  access: "the access line says which request it was",
  candidates: "several requests were open: it may belong to any of them",
  none: "no request was open",
};

// "2026-01-02T03:04:05.678901234Z" → the clock, to the millisecond, as the agent's machine counts it (UTC).
const clock_of = (time) => time?.slice(11, 23) ?? "";

export function match_of(line) {
  const known = line.match && line.match !== "none" && line.match !== "candidates";
  const text = known ? `${line.match} ${share(line.confidence)}` : line.match === "candidates" ? `${line.candidate_count} candidates` : NOTHING;
  return h("span", { class_: "match", title: MATCH_WORDS[line.match] }, text);
}

function message_of(line) {
  const what = h("bdi", {}, name_of(line.message || line.exception?.type, 600));
  if (!line.request) return what;
  return h("a", { href: link("transaction", { span: line.request.span_id }), title: "The request that wrote it" }, what);
}

function line_row(line) {
  const stack = line.exception?.stack;
  const element = h("tr", { "data-row": true, "data-level": line.level ?? "" },
    h("td", { class_: "when" }, h("time", { datetime: line.time }, clock_of(line.time))),
    h("td", { class_: "level" }, line.level ?? NOTHING),
    h("td", { class_: "name" }, message_of(line), h("small", {}, h("bdi", {}, name_of(line.service, 60)), line.logger ? [" · ", h("bdi", {}, name_of(line.logger, 60))] : null),
      stack ? h("details", {}, h("summary", {}, `${line.exception.type ? visible(line.exception.type) : "traceback"}, ${count(stack.split("\n").length)} lines`),
        h("pre", { tabindex: "0" }, stack.split("\n").map(visible).join("\n"))) : null),
    h("td", {}, match_of(line)));
  return { element, update() {} };
}

function template_row(t, choose) {
  const number = h("td", { class_: "number" });
  const element = h("tr", { "data-level": t.level ?? "" }, number, h("td", { class_: "level" }, t.level ?? NOTHING),
    h("td", { class_: "name" }, h("a", { href: link("logs", { template: t.template }), title: visible(t.example), onclick: (event) => {
      event.preventDefault();
      choose(t);
    } }, h("bdi", {}, name_of(t.text, 140))), h("small", {}, h("bdi", {}, name_of(t.service, 60)))));
  return { element, update: (now) => set_text(number, count(now.count)) };
}

function table(class_, caption, heads, body) {
  return h("div", { class_: "scroll", tabindex: "0" }, h("table", { class_ }, h("caption", {}, caption),
    h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))), body));
}

export function create({ parameters, refresh }) {
  const want = Object.fromEntries(["q", "level", "match", "service", "span_id", "template"].map((k) => [k, parameters.get(k) ?? ""]));
  const chips = h("div", { class_: "chips" });
  function set(values) {
    Object.assign(want, values);
    replace(want);
    draw_chips();
    refresh();
  }
  function draw_chips() {
    chips.replaceChildren(...["service", "span_id", "template"].filter((k) => want[k]).map((k) =>
      h("button", { type: "button", title: "Remove this filter", onclick: () => set({ [k]: "" }) },
        h("bdi", {}, `${{ span_id: "of request" }[k] ?? k} ${name_of(want[k], 50)}`), h("span", { "aria-hidden": "true" }, " ×"))));
  }
  draw_chips();
  const line_body = h("tbody"), template_body = h("tbody");
  const line_list = row_list(line_body, (line) => line.id, line_row, { constant: true });
  const template_list = row_list(template_body, (t) => t.template, (t) => template_row(t, ({ template }) => set({ template })));
  const empty = h("p", { class_: "empty", hidden: true },
    "No line that was kept fits these filters. Lines come from processes that serve HTTP and from files that the configuration names.");
  const note = h("p", { class_: "note" });
  const element = h("div", { class_: "view log-lines" },
    h("h1", {}, "Logs"),
    h("div", { class_: "controls" },
      search("Text anywhere in it", want.q, (q) => set({ q })),
      select("Level", [["", "any"], ["info", "info and worse"], ["warn", "warn and worse"], ["error", "error and worse"]], want.level, (level) => set({ level })),
      select("Request", [["", "any"], ["attached", "known"], ["candidates", "one of several"], ["none", "none"]], want.match, (match) => set({ match }))),
    chips,
    h("div", { class_: "columns" },
      table("lines live-rows", "Lines, the newest first", ["Time", "Level", "Message", "Request"], line_body),
      table("templates live-rows", "Messages by number", ["Lines", "Level", "Message"], template_body)),
    empty, note);
  async function refresh_view(signal) {
    const [lines, templates] = await Promise.all([
      ask("logs", { ...want, limit: SHOWN }, signal),
      ask("logs/templates", { ...want, template: "", limit: 40 }, signal),
    ]);
    line_list.update(lines.logs);
    template_list.update(templates.templates);
    empty.hidden = lines.logs.length > 0;
    set_text(note, lines.logs.length === SHOWN ? `The newest ${count(SHOWN)}. Narrow it down to see others.` : "");
  }
  const close = () => [line_list, template_list].forEach((list) => list.close());
  return { element, refresh: refresh_view, close, every_ms: 1000 };
}
