// Agent: is what the console shows complete? Health, losses, sinks and queues, what the kernel offers, configuration.

import { ask } from "../api.js";
import { bytes, count, day_and_clock, duration, NOTHING, rate, share, span, visible } from "../format.js";
import { h, set_text } from "../dom.js";
import { figure } from "../parts.js";
import { Rates, samples_of } from "../rates.js";

export const title = "Agent";
export const name = () => "Agent";
export const needs = ["health"];

// Of the process and of sinks; not all of sonde_*: the phases of thousands of routes are among those.
const OWN = "sonde_process_,sonde_sink_,sonde_file_sink_,sonde_sampling_sink_,sonde_queue_";

const optional = (path, signal, parameters = {}) => ask(path, parameters, signal).catch((error) => {
  if (error.status === 404) return null; // this agent has no such part
  throw error;
});

function health_list(report) {
  return h("ul", { class_: "health" }, report.components.map((c) =>
    h("li", { "data-state": c.state }, h("span", { class_: `badge ${c.state}` }, c.state), h("b", {}, c.name), h("span", {}, visible(c.reason)))));
}

// Rows: records; columns: only reasons by which something was ever lost, so that an empty matrix reads as such.
function loss_table(losses) {
  const reasons = [...new Set(losses.records.flatMap((row) => Object.keys(row.lost)))].filter((reason) => losses.records.some((row) => row.lost[reason] > 0));
  const rows = losses.records.filter((row) => row.seen > 0 || row.delivered > 0);
  const lost = (row) => Object.values(row.lost).reduce((a, b) => a + b, 0);
  return h("table", { class_: "plain" }, h("caption", {}, "What the kernel saw and what arrived"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Record"), ["Seen", "Delivered", "Lost", ...reasons].map((text) => h("th", { scope: "col", class_: "number" }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.record), h("td", { class_: "number" }, count(row.seen)), h("td", { class_: "number" }, count(row.delivered)),
      h("td", { class_: `number${lost(row) ? " bad" : ""}` }, count(lost(row))), reasons.map((reason) => h("td", { class_: "number" }, count(row.lost[reason])))))));
}

function feature_table(features) {
  return h("table", { class_: "plain features" }, h("caption", {}, "What this kernel offers"),
    h("thead", {}, h("tr", {}, ["Feature", "State", "How, or why not", "Missing without it"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, [...features].sort((a, b) => a.enabled - b.enabled).map((f) => h("tr", {}, h("th", { scope: "row" }, f.name),
      h("td", {}, h("span", { class_: `badge ${f.enabled ? "ok" : "off"}` }, f.enabled ? "on" : "off")),
      h("td", {}, visible(f.detail)), h("td", { class_: f.enabled ? "quiet" : "" }, visible(f.without))))));
}

// Every number about sinks and their queues, a row for each sink: names of metrics are the columns' own words.
function sink_table(families) {
  const found = families.filter((f) => f.type !== "histogram" && f.samples.some((sample) => sample.labels.sink !== undefined));
  const sinks = [...new Set(found.flatMap((f) => f.samples.map((sample) => sample.labels.sink)))].filter(Boolean);
  if (!sinks.length) return h("p", { class_: "empty" }, "No sink is configured: transactions stay in the agent's memory, and metrics at /metrics.");
  return h("div", { class_: "cards" }, sinks.map((sink) => h("section", { class_: "card" }, h("h3", {}, visible(sink)),
    h("dl", { class_: "facts" }, found.flatMap((f) => f.samples.filter((sample) => sample.labels.sink === sink).map((sample) => {
      const rest = Object.entries(sample.labels).filter(([k]) => k !== "sink").map(([, v]) => visible(v)).join(" ");
      const label = f.name.replace(/^sonde_/, "").replace(/_total$/, "").replaceAll("_", " ");
      const value = f.name.endsWith("_bytes") || f.name.endsWith("_bytes_total") ? bytes(sample.value) : f.name.endsWith("_seconds") ? duration(sample.value * 1e9) : count(sample.value);
      return h("div", { title: f.help }, h("dt", {}, label, rest ? ` (${rest})` : ""), h("dd", {}, value));
    })))))); 
}

function config_list(config) {
  const rows = [];
  const walk = (value, path) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) for (const [k, v] of Object.entries(value)) walk(v, path ? `${path}.${k}` : k);
    else rows.push([path, Array.isArray(value) ? value.map((v) => (typeof v === "object" ? JSON.stringify(v) : String(v))).join(", ") || NOTHING : value === null || value === "" ? NOTHING : String(value)]);
  };
  walk(config, "");
  return h("dl", { class_: "facts wide" }, rows.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, h("bdi", {}, visible(value))))));
}

function update_figures(figures, rates, health, losses, history, own) {
  const value = (name) => samples_of(own, name)[0]?.value ?? null;
  figures.state.update(health.state, `${health.components.filter((c) => c.state === "ok").length} of ${health.components.length} parts are well`, health.state === "ok" ? "good" : "bad");
  const seen = losses ? losses.records.reduce((all, row) => all + row.seen, 0) : null;
  const per_s = rates.of("seen", seen);
  figures.records.update(per_s === null ? NOTHING : rate(per_s), "from the kernel");
  figures.lost.update(losses ? count(losses.lost_total) : NOTHING, seen ? share(losses.lost_total / seen) + " of all records" : "", losses?.lost_total ? "bad" : "good");
  const cpu = rates.of("cpu", value("sonde_process_cpu_seconds_total"));
  figures.cpu.update(cpu === null ? NOTHING : share(cpu), "of a core");
  figures.memory.update(bytes(value("sonde_process_resident_memory_bytes")), history ? `history ${bytes(history.bytes)}` : "");
  figures.uptime.update(history ? span(Date.now() / 1000 - history.started) : NOTHING, history ? `since ${day_and_clock(history.started)}` : "");
}

export function create() {
  const rates = new Rates();
  const figures = { state: figure("Health"), records: figure("Records"), lost: figure("Lost"), cpu: figure("CPU"), memory: figure("Memory"), uptime: figure("Runs for") };
  const slots = Object.fromEntries(["health", "losses", "sinks", "features", "config"].map((key) => [key, h("div")]));
  const version = h("p", { class_: "note" });
  const shown = {};
  // parts that did not change stay in the page: a selection in them too
  const put = (key, data, make) => {
    const text = JSON.stringify(data);
    if (shown[key] === text) return;
    shown[key] = text;
    slots[key].replaceChildren(make());
  };
  const element = h("div", { class_: "view agent" }, h("h1", {}, "Agent"),
    h("dl", { class_: "figures" }, Object.values(figures).map((f) => f.element)),
    h("section", {}, h("h2", {}, "Health"), slots.health),
    h("section", { class_: "scroll", tabindex: "0", "aria-label": "Losses" }, slots.losses),
    h("section", {}, h("h2", {}, "Sinks and queues"), slots.sinks),
    h("section", { class_: "scroll", tabindex: "0", "aria-label": "Features" }, slots.features),
    h("section", {}, h("h2", {}, "Configuration"), slots.config), version);

  async function refresh_view(signal) {
    const [health, losses, features, history, config, own] = await Promise.all([
      ask("health", {}, signal), optional("losses", signal), optional("features", signal), optional("history", signal),
      optional("config", signal), optional("metrics", signal, { prefix: OWN })]);
    rates.begin(performance.now() / 1000);
    update_figures(figures, rates, health, losses, history, own?.families ?? []);
    rates.end();
    put("health", health, () => health_list(health));
    if (losses) put("losses", losses, () => loss_table(losses));
    if (own) put("sinks", own.families.filter((f) => f.samples.some((x) => x.labels.sink)), () => sink_table(own.families));
    if (features) put("features", features, () => feature_table(features.features));
    if (config) put("config", config, () => config_list(config));
    if (features) set_text(version, `sonde ${features.version}`);
  }
  return { element, refresh: refresh_view, every_ms: 2000 };
}
