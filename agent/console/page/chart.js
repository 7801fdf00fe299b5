// Time series on uPlot. Colours come from the style sheet, so that a theme is told in one place.

import { clock, clock_minute } from "./format.js";
import { h } from "./dom.js";

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const translucent = (name, percent) => `color-mix(in srgb, ${colour(name)} ${percent}%, transparent)`;

// Sums from below, for a stacked picture: each series becomes itself plus those under it.
function stack(series) {
  const sums = [];
  let below = null;
  for (const values of series) {
    below = values.map((v, i) => (v === null && below === null ? null : (v ?? 0) + (below ? (below[i] ?? 0) : 0)));
    sums.push(below);
  }
  return sums;
}

function uplot_options({ series, stacked, format, height }, width) {
  const font = "11px system-ui, sans-serif";
  const axis = { stroke: () => colour("quiet"), grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false }, font };
  return {
    width, height,
    padding: [8, 20, 0, 0], // right: half of the last time's label
    cursor: { points: { size: 5 }, drag: { x: false, y: false }, y: false },
    legend: { show: false },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, ticks) => ticks.map((t, i) => (i && ticks[1] - ticks[0] < 60 ? clock(t) : clock_minute(t))) },
      { ...axis, size: 62, space: 34, values: (_, ticks) => ticks.map((t) => format(t)) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label,
      stroke: () => colour(one.colour),
      fill: stacked ? () => translucent(one.colour, 85) : one.fill ? () => translucent(one.colour, 14) : undefined,
      width: stacked ? 0 : 1.6,
      points: { show: false },
      spanGaps: false,
    }))],
    bands: stacked ? series.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : undefined,
  };
}

// options: {label, series: [{label, colour}], stacked, format, height}. update([times], [[values]…]), null: nothing there.
export function time_chart(options) {
  const height = options.height ?? 170;
  const keys = options.series.map((one) => {
    const value = h("b");
    const swatch = h("i");
    swatch.style.background = `var(--${one.colour})`;
    return { value, element: h("li", {}, swatch, one.label, " ", value) };
  });
  const at_time = h("li", { class_: "at" });
  const canvas = h("div", { class_: "plot", role: "img", "aria-label": options.label });
  const element = h("figure", { class_: "chart" },
    h("figcaption", {}, h("h3", {}, options.label), h("ul", { class_: "legend" }, keys.map((key) => key.element), at_time)), canvas);
  let plot = null, raw = [[], []];

  function legend(index) {
    keys.forEach((key, i) => {
      const value = index === null || index === undefined ? null : raw[i + 1]?.[index];
      key.value.textContent = value === null || value === undefined ? "" : options.format(value);
    });
    at_time.textContent = index === null || index === undefined || !raw[0].length ? "" : clock(raw[0][index]);
  }
  const data = () => [raw[0], ...(options.stacked ? stack(raw.slice(1)) : raw.slice(1))];
  function draw() {
    if (!canvas.clientWidth) return;
    if (plot) return plot.setData(data());
    const settings = uplot_options({ ...options, height }, canvas.clientWidth);
    settings.hooks = { setCursor: [(u) => legend(u.cursor.left < 0 ? null : u.cursor.idx)] };
    plot = new globalThis.uPlot(settings, data(), canvas);
  }
  const resized = new ResizeObserver(() => {
    if (plot && canvas.clientWidth && plot.width !== canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height });
    else if (!plot && raw[0].length) draw();
  });
  resized.observe(canvas);
  const themed = () => plot?.redraw();
  addEventListener("theme", themed);
  return {
    element,
    update(times, values) {
      raw = [times, ...values];
      draw();
      if (!plot || plot.cursor.left < 0) legend(null);
    },
    close() {
      resized.disconnect();
      removeEventListener("theme", themed);
      plot?.destroy();
    },
  };
}
