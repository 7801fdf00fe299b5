// One endpoint: how its latency spreads and moves, where the time goes, and which of its requests show it.

import { ask } from "../api.js";
import { link, replace } from "../address.js";
import { bytes, count, duration, NOTHING, rate, share } from "../format.js";
import { h, set_text } from "../dom.js";
import { time_chart } from "../chart.js";
import { heat_map } from "../heat_map.js";
import { figure, method_of, name_of, PHASES, PHASE_WORDS, select, transaction_table } from "../parts.js";
import { part_of, slower_than_usual } from "../sentence.js";

export const needs = ["endpoint", "transactions"];
export const name = (parameters) => `${parameters.get("method") ?? ""} ${name_of(parameters.get("route"), 60)}`;

const SPANS = { 300: 1, 900: 10, 3600: 10 }; // seconds back → seconds of a step

// The answer leaves out steps without a transaction: here they come back, so that gaps show as gaps.
function filled(answer, now_s) {
  const step_s = answer.step_s;
  const end = answer.points.length ? Math.max(answer.points.at(-1).time + step_s, Math.floor(now_s / step_s) * step_s) : Math.floor(now_s / step_s) * step_s;
  const columns = Math.round(answer.span_s / step_s);
  // on the grid of the points: the agent's steps begin on its own clock
  const offset = answer.points.length ? ((answer.points[0].time % step_s) + step_s) % step_s : 0;
  const from_s = Math.floor((end - offset) / step_s) * step_s + offset - columns * step_s;
  const by_time = new Map(answer.points.map((point) => [point.time, point]));
  const times = Array.from({ length: columns }, (_, i) => from_s + i * step_s);
  return { times, from_s, columns, step_s, at: times.map((time) => by_time.get(time) ?? null) };
}

function phase_table() {
  const rows = PHASES.map((phase) => {
    const cells = [h("td", { class_: "number" }), h("td", { class_: "number" }), h("td", { class_: "number" })];
    return { phase, cells, element: h("tr", {}, h("th", { scope: "row" }, h("i", { class_: `swatch phase-${phase}` }), phase,
      h("small", {}, PHASE_WORDS[phase])), cells) };
  });
  return {
    element: h("table", { class_: "phase-table" }, h("caption", {}, "Phases, mean over the span"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Phase"), ["Mean", "Share", "Past hour"].map((text) =>
        h("th", { scope: "col", class_: "number" }, text)))),
      h("tbody", {}, rows.map((row) => row.element))),
    update(sum, usual) {
      for (const { phase, cells } of rows) {
        set_text(cells[0], duration(sum.phases[phase]?.mean_ns));
        set_text(cells[1], share(sum.count ? part_of(sum, phase) : null));
        set_text(cells[2], duration(usual?.phases[phase]?.mean_ns));
      }
    },
  };
}

function update_figures(figures, sum, row, span_s) {
  const cpu = sum.phases.cpu;
  const usual = row?.past_hour;
  const slow = row && slower_than_usual(row);
  figures.rate.update(rate(sum.count / span_s), `${count(sum.count)} requests`);
  figures.errors.update(sum.count ? share(sum.error_share) : NOTHING, `${count(sum.outcomes.error)} failed, ${count(sum.statuses["4xx"])} 4xx`,
    sum.error_share >= 0.01 ? "bad" : "");
  figures.p50.update(sum.count ? duration(sum.p50_ns) : NOTHING, usual ? `past hour ${duration(usual.p50_ns)}` : "");
  figures.p95.update(sum.count ? duration(sum.p95_ns) : NOTHING, usual ? `past hour ${duration(usual.p95_ns)}` : "", slow ? "bad" : "");
  figures.p99.update(sum.count ? duration(sum.p99_ns) : NOTHING, sum.count ? `longest ${duration(sum.max_ns)}` : "");
  figures.cpu.update(duration(cpu?.mean_ns), cpu ? `${share(cpu.sum_ns / 1e9 / span_s)} of a core` : "not observed");
  figures.size.update(sum.count ? bytes(sum.response_bytes / sum.count) : NOTHING, sum.count ? `${bytes(sum.request_bytes / sum.count)} in` : "");
}

export function create({ parameters, refresh }) {
  const key = Object.fromEntries(["service", "route", "method", "side", "port"].map((k) => [k, parameters.get(k)]));
  let span_s = Number(parameters.get("span") ?? 300);
  if (!SPANS[span_s]) span_s = 300;
  const go_requests = (more) => (location.hash = link("requests", { ...key, ...more }));

  const figures = { rate: figure("Rate"), errors: figure("Failed"), p50: figure("p50"), p95: figure("p95"), p99: figure("p99"),
    cpu: figure("CPU per request"), size: figure("Bytes out") };
  const heat = heat_map({ label: "Latency", on_pick: ({ from_s, to_s, min_ns }) =>
    go_requests({ from: Math.floor(from_s) - 1, to: Math.ceil(to_s) + 1, min_duration_ns: min_ns, sort: "duration" }) });
  const quantiles = time_chart({ label: "Percentiles", format: duration, series: [
    { label: "p99", colour: "p99" }, { label: "p95", colour: "p95" }, { label: "p50", colour: "p50" }] });
  const phases = time_chart({ label: "Where the time goes", format: duration, stacked: true,
    series: [...PHASES.map((phase) => ({ label: phase, colour: `phase-${phase}` })), { label: "not observed", colour: "phase-rest" }] });
  const traffic = time_chart({ label: "Requests a second", format: rate, series: [
    { label: "all", colour: "accent", fill: true }, { label: "failed", colour: "bad", fill: true }] });
  const table = phase_table();
  const slowest = transaction_table("Slowest that were kept", { empty: "None was kept." });
  const failed = transaction_table("Failed", { empty: "None failed." });
  const element = h("div", { class_: "view endpoint" },
    h("p", { class_: "crumbs" }, h("a", { href: "#/now" }, "Now"), " / ", h("bdi", {}, name_of(key.service, 60)),
      key.side === "client" ? ` calls port ${key.port ?? "?"}` : ""),
    h("div", { class_: "head" },
      h("h1", {}, h("b", {}, method_of(key)), " ", h("bdi", {}, name_of(key.route, 160))),
      select("Span", [["300", "5 min"], ["900", "15 min"], ["3600", "1 hour"]], String(span_s), (value) => {
        span_s = Number(value);
        replace({ span: value === "300" ? "" : value });
        refresh();
      })),
    h("dl", { class_: "figures" }, Object.values(figures).map((f) => f.element)),
    h("div", { class_: "charts" }, heat.element, phases.element, quantiles.element, traffic.element),
    h("div", { class_: "columns" },
      h("section", {}, table.element),
      h("section", {}, slowest.element, failed.element,
        h("p", {}, h("a", { href: link("requests", key) }, "All of its requests that were kept")))));

  let turn = 0;
  async function refresh_view(signal) {
    // the lists move slower than the curves
    const lists = turn++ % 5 === 0 ? [
      ask("transactions", { ...key, sort: "duration", limit: 8 }, signal),
      ask("transactions", { ...key, kept_as: "failed", limit: 5 }, signal)] : [];
    const [answer, rows, ...found] = await Promise.all([
      ask("endpoint", { ...key, span_s, step_s: SPANS[span_s] }, signal),
      ask("endpoints", { ...key, window_s: 60, limit: 1 }, signal), ...lists]);
    const row = rows.endpoints[0];
    const grid = filled(answer, rows.time);
    update_figures(figures, answer.sum, row, answer.span_s);
    heat.update({ ...grid, points: answer.points, lower: answer.bucket_lower_ns });
    const of = (pick) => grid.at.map((point) => (point ? pick(point) : null));
    quantiles.update(grid.times, [of((p) => p.p99_ns), of((p) => p.p95_ns), of((p) => p.p50_ns)]);
    const known = PHASES.map((phase) => of((p) => (p.phases[phase]?.sum_ns ?? 0) / p.count));
    phases.update(grid.times, [...known, grid.at.map((p, i) => (p ? Math.max(0, p.mean_ns - known.reduce((sum, one) => sum + one[i], 0)) : null))]);
    traffic.update(grid.times, [grid.at.map((p) => p?.rate_per_s ?? 0), grid.at.map((p) => (p ? p.outcomes.error / grid.step_s : 0))]);
    table.update(answer.sum, row?.past_hour);
    if (found.length) {
      slowest.update(found[0].transactions);
      failed.update(found[1].transactions);
    }
  }
  const close = () => [heat, quantiles, phases, traffic, slowest, failed].forEach((part) => part.close());
  return { element, refresh: refresh_view, every_ms: 1000, close };
}
