// Latency heat map: time to the right, duration upwards (logarithmic, as the agent's buckets are), darker: more requests.

import { colour } from "./chart.js";
import { clock, count, duration, NOTHING } from "./format.js";
import { h } from "./dom.js";

const LEFT = 62, BOTTOM = 22, TOP = 6, RIGHT = 8;

// The rows that hold something, with an empty one above and below; at least an octave and a half, so that one busy
// bucket does not fill the picture.
function rows_of(points, buckets) {
  let low = buckets, high = -1;
  for (const point of points)
    for (const [bucket] of point.heat) {
      low = Math.min(low, bucket);
      high = Math.max(high, bucket);
    }
  if (high < 0) return null;
  while (high - low < 12 && (low > 0 || high < buckets - 1)) {
    low = Math.max(0, low - 1);
    high = Math.min(buckets - 1, high + 1);
  }
  return { low: Math.max(0, low - 1), high: Math.min(buckets - 1, high + 1) };
}

const CELL_WIDTH = 6, CELL_HEIGHT = 7; // px at least: steps and buckets are put together until a cell can be seen

// Buckets and steps put together. → {times: Map(time → Map(row → count)), per_column, per_row}
function gather(points, rows, { from_s, step_s, columns }, width, height) {
  let per_column = 1, per_row = 1;
  while ((width / columns) * per_column < CELL_WIDTH) ++per_column;
  while ((height / (rows.high - rows.low + 1)) * per_row < CELL_HEIGHT && per_row < 8) per_row *= 2;
  const cells = new Map();
  for (const point of points) {
    const column = Math.floor((point.time - from_s) / step_s / per_column);
    for (const [bucket, number] of point.heat) {
      const key = `${column} ${Math.floor((bucket - rows.low) / per_row)}`;
      cells.set(key, (cells.get(key) ?? 0) + number);
    }
  }
  return { cells, per_column, per_row };
}

// 1, 10, 100 … of each unit: the lines that people look for.
const DECADES_NS = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 6e10];

// on_pick({from_s, to_s, min_ns}): a cell was clicked.
export function heat_map({ label, height = 170, on_pick }) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const note = h("li", { class_: "at" });
  const element = h("figure", { class_: "chart heat" },
    h("figcaption", {}, h("h3", {}, label), h("ul", { class_: "legend" }, note)), canvas);
  let shown = null; // what update() was given, and the geometry

  function place(event) {
    if (!shown?.rows) return null;
    const box = canvas.getBoundingClientRect();
    const { cells, per_column, per_row } = shown.gathered;
    const column = Math.floor((event.clientX - box.left - LEFT) / (shown.cell_width * per_column));
    const row = Math.floor((shown.bottom - (event.clientY - box.top)) / (shown.cell_height * per_row));
    const bucket = shown.rows.low + row * per_row;
    if (column < 0 || column * per_column >= shown.columns || row < 0 || bucket > shown.rows.high) return null;
    const from_s = shown.from_s + column * per_column * shown.step_s;
    return { from_s, to_s: from_s + per_column * shown.step_s, number: cells.get(`${column} ${row}`) ?? 0,
      min_ns: shown.lower[bucket], max_ns: shown.lower[bucket + per_row] };
  }
  canvas.addEventListener("mousemove", (event) => {
    const at = place(event);
    note.textContent = at ? `${clock(at.from_s)} · ${duration(at.min_ns)} to ${at.max_ns ? duration(at.max_ns) : "more"} · ${at.number ? `${count(at.number)} requests` : NOTHING}` : "";
  });
  canvas.addEventListener("mouseleave", () => (note.textContent = ""));
  canvas.addEventListener("click", (event) => {
    const at = place(event);
    if (at?.number) on_pick(at);
  });

  function scales(context, width) {
    context.fillStyle = colour("quiet");
    context.strokeStyle = colour("grid");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    const { lower, rows, cell_height, bottom } = shown;
    for (const ns of DECADES_NS) {
      const bucket = lower.findIndex((edge) => edge >= ns);
      if (bucket < rows.low || bucket > rows.high) continue;
      const y = Math.round(bottom - (bucket - rows.low) * cell_height) + 0.5;
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(width - RIGHT, y);
      context.stroke();
      context.fillText(duration(ns), LEFT - 8, Math.min(Math.max(y, 8), bottom - 6));
    }
    context.textAlign = "center";
    const labels = Math.max(2, Math.floor((width - LEFT) / 130));
    for (let i = 0; i <= labels; ++i) {
      const at = shown.from_s + (i / labels) * shown.columns * shown.step_s;
      const x = LEFT + (i / labels) * (width - LEFT - RIGHT);
      context.fillText(clock(at), Math.min(Math.max(x, LEFT + 24), width - 28), bottom + 13);
    }
  }

  function draw() {
    const width = canvas.clientWidth;
    if (!width || !shown) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!shown.rows) return;
    shown.bottom = height - BOTTOM;
    shown.cell_width = (width - LEFT - RIGHT) / shown.columns;
    shown.cell_height = (shown.bottom - TOP) / (shown.rows.high - shown.rows.low + 1);
    scales(context, width);
    shown.gathered = gather(shown.points, shown.rows, shown, width - LEFT - RIGHT, shown.bottom - TOP);
    const { cells, per_column, per_row } = shown.gathered;
    const wide = shown.cell_width * per_column, high = shown.cell_height * per_row;
    const most = Math.max(1, ...cells.values());
    context.fillStyle = colour("heat");
    for (const [key, number] of cells) {
      const [column, row] = key.split(" ").map(Number);
      context.globalAlpha = 0.2 + 0.8 * Math.sqrt(number / most); // single slow requests must still be seen
      context.fillRect(LEFT + column * wide, shown.bottom - (row + 1) * high, wide - 1, high - 1);
    }
    context.globalAlpha = 1;
  }
  const resized = new ResizeObserver(draw);
  resized.observe(canvas);
  canvas.style.height = `${height}px`;
  addEventListener("theme", draw);
  return {
    element,
    update({ points, lower, from_s, columns, step_s }) {
      shown = { points, lower, from_s, columns, step_s,
        rows: rows_of(points, lower.length) };
      draw();
    },
    close() {
      resized.disconnect();
      removeEventListener("theme", draw);
    },
  };
}
