// Map: services and what they call.

import { ask } from "../api.js";
import { link } from "../address.js";
import { duration, rate, share } from "../format.js";
import { h, patch, s, set_text } from "../dom.js";
import { name_of } from "../parts.js";
import { topology } from "../topology.js";

export const title = "Map";
export const name = () => "Map";
export const needs = ["endpoints", "transactions"];

const WIDE = { box_w: 190, box_h: 76, gap_x: 150, gap_y: 30 };
const NARROW = { box_w: 158, box_h: 76, gap_x: 20, gap_y: 84 }; // levels downwards on a phone
const NODES_MOST = 60;
const FRESH_EVERY = 5; // pictures between two looks at who the peers are
const PEERS_FROM_FIRST = 1000, PEERS_FROM = 500; // kept requests of each side, 1 KB each: more would hold up a frame

const is_bad = (numbers) => numbers.count > 0 && numbers.errors / numbers.count >= 0.01;
const numbers_text = (numbers) => `${rate(numbers.rate_per_s)} · ${duration(numbers.count ? numbers.p95_ns : null)}`;

// Nodes by level. Within one, beside those that they are tied to (the mean of their places, twice to and fro), so that
// few lines cross; the order is settled by name, so that it does not jump about.
function ordered_levels(nodes, edges) {
  const levels = [];
  for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) (levels[node.level] ??= []).push(node);
  const filled = levels.filter(Boolean);
  const place = new Map();
  const note_places = () => filled.forEach((level) => level.forEach((node, i) => place.set(node.id, i - level.length / 2)));
  note_places();
  for (let round = 0; round < 4; ++round) {
    for (const level of round % 2 ? [...filled].reverse() : filled) {
      const wish = new Map(level.map((node) => {
        const ties = edges.filter((e) => e.from === node.id || e.to === node.id).map((e) => place.get(e.from === node.id ? e.to : e.from));
        return [node.id, ties.length ? ties.reduce((a, b) => a + b, 0) / ties.length : 1e3]; // those without a tie go last
      }));
      level.sort((a, b) => wish.get(a.id) - wish.get(b.id));
      level.forEach((node, i) => place.set(node.id, i - level.length / 2));
    }
  }
  return filled;
}

// Columns by level, centred.
function layout(nodes, edges, size, narrow) {
  const filled = ordered_levels(nodes, edges);
  const most = Math.max(...filled.map((level) => level.length));
  const step = narrow ? size.box_w + size.gap_x : size.box_h + size.gap_y;
  const places = new Map();
  filled.forEach((level, i) => {
    level.forEach((node, j) => {
      const along = ((most - level.length) / 2 + j) * step + 4;
      const across = i * (narrow ? size.box_h + size.gap_y : size.box_w + size.gap_x) + 4;
      places.set(node.id, narrow ? { x: along, y: across } : { x: across, y: along });
    });
  });
  const across = filled.length * (narrow ? size.box_h + size.gap_y : size.box_w + size.gap_x) - (narrow ? size.gap_y : size.gap_x) + 8;
  const along = most * step - (narrow ? size.gap_x : size.gap_y) + 8;
  return { places, width: narrow ? along : across, height: narrow ? across : along };
}

// label_at: where along the line its numbers stand; near the end where fewer lines meet.
function draw_edge(edge, a, b, size, narrow, label_at) {
  const from = narrow ? { x: a.x + size.box_w / 2, y: a.y + size.box_h } : { x: a.x + size.box_w, y: a.y + size.box_h / 2 };
  const to = narrow ? { x: b.x + size.box_w / 2, y: b.y - 5 } : { x: b.x - 5, y: b.y + size.box_h / 2 };
  const bend = narrow ? (to.y - from.y) / 2 : (to.x - from.x) / 2;
  const path = narrow ? `M${from.x},${from.y} C${from.x},${from.y + bend} ${to.x},${to.y - bend} ${to.x},${to.y}`
    : `M${from.x},${from.y} C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`;
  const ease = label_at * label_at * (3 - 2 * label_at); // of the curve's other coordinate
  const along = (p, q) => p + (q - p) * label_at, across = (p, q) => p + (q - p) * ease;
  const x = narrow ? across(from.x, to.x) : along(from.x, to.x), y = narrow ? along(from.y, to.y) : across(from.y, to.y);
  return s("g", { class_: `edge${is_bad(edge) ? " bad" : ""}` },
    s("path", { d: path, "marker-end": "url(#arrow)", "stroke-width": (1.2 + Math.min(3, Math.log10(1 + edge.rate_per_s))).toFixed(2) }),
    s("text", { x, y: narrow ? y - 2 : y - 8, class_: "halo" }, rate(edge.rate_per_s)),
    s("text", { x, y: narrow ? y + 13 : y + 14, class_: "halo small" }, `p95 ${duration(edge.count ? edge.p95_ns : null)}`),
    is_bad(edge) ? s("text", { x, y: narrow ? y + 27 : y + 29, class_: "halo small" }, `${share(edge.errors / edge.count)} failed`) : null);
}

const ports_text = (ports, most) => `port ${ports.slice(0, most).join(", ")}${ports.length > most ? " …" : ""}`;

function draw_node(node, at, size) {
  const served = node.ports.size > 0;
  const box = s("g", { class_: `node${node.local ? "" : " outside"}${is_bad(node) ? " bad" : ""}`, transform: `translate(${at.x},${at.y})` },
    s("rect", { width: size.box_w, height: size.box_h, rx: 8 }),
    s("text", { x: 12, y: 24, class_: "title" }, name_of(node.name, size.box_w > 170 ? 22 : 18)),
    s("text", { x: 12, y: 44 }, served ? numbers_text(node) : node.local ? "calls only" : node.unknown ? "peer not known" : node.here ? "on this machine" : "not on this machine"),
    s("text", { x: 12, y: 62, class_: "small" }, served ? is_bad(node) ? `${share(node.errors / node.count)} failed` : ports_text([...node.ports], size.box_w > 170 ? 3 : 2)
      : node.local ? "serves nothing seen" : node.unknown ? "no such request was kept" : node.name === "this sonde" ? "does not watch itself" : node.here ? "what it serves is not seen" : "or not seen there"));
  return s("a", { href: link("now", { q: node.local ? node.id : "", side: served ? "" : "any" }) }, box);
}

function edge_table(edges, names) {
  return h("table", { class_: "plain" }, h("caption", {}, "Calls"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From"), h("th", { scope: "col" }, "To"),
      ["Rate", "Failed", "p95"].map((text) => h("th", { scope: "col", class_: "number" }, text)))),
    h("tbody", {}, edges.map((edge) => h("tr", {}, h("td", {}, name_of(names(edge.from), 40)), h("td", {}, name_of(names(edge.to), 40)),
      h("td", { class_: "number" }, rate(edge.rate_per_s)), h("td", { class_: `number${is_bad(edge) ? " bad" : ""}` }, share(edge.count ? edge.errors / edge.count : null)),
      h("td", { class_: "number" }, duration(edge.count ? edge.p95_ns : null))))));
}

export function create() {
  const picture = h("div", { class_: "map" });
  const table = h("div", { class_: "scroll", tabindex: "0" });
  const note = h("p", { class_: "note" });
  const element = h("div", { class_: "view" }, h("h1", {}, "Map"), h("div", { class_: "loading" }, "Asking the agent …"), picture, note, table);
  const known_peers = new Map();
  let transactions = [], turn = 0;

  const show = (place, fresh) => (place.firstChild ? patch(place.firstChild, fresh) : place.append(fresh));
  function draw({ nodes, edges }) {
    element.querySelector(".loading")?.remove();
    if (!nodes.length) {
      picture.replaceChildren(h("p", { class_: "empty" }, "No request has been seen yet: there is nobody to draw."));
      return table.replaceChildren();
    }
    const shown = nodes.sort((a, b) => b.count - a.count).slice(0, NODES_MOST);
    const narrow = innerWidth < 700;
    const size = narrow ? NARROW : WIDE;
    const ids = new Set(shown.map((node) => node.id));
    const drawn = edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to));
    const { places, width, height } = layout(shown, drawn, size, narrow);
    const ends = { from: new Map(), to: new Map() };
    for (const edge of drawn) for (const end of ["from", "to"]) ends[end].set(edge[end], (ends[end].get(edge[end]) ?? 0) + 1);
    show(picture, s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Services and their calls" },
      s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" },
        s("path", { d: "M0,0 L8,4 L0,8 z", class_: "arrow" }))),
      drawn.map((edge) => draw_edge(edge, places.get(edge.from), places.get(edge.to), size, narrow, ends.from.get(edge.from) > ends.to.get(edge.to) ? 0.66 : ends.from.get(edge.from) < ends.to.get(edge.to) ? 0.34 : 0.5)),
      shown.map((node) => draw_node(node, places.get(node.id), size))));
    set_text(note, nodes.length > shown.length ? `The ${shown.length} busiest of ${nodes.length}.` : "");
    const names = (id) => nodes.find((node) => node.id === id)?.name;
    show(table, edge_table(drawn, names));
  }
  async function refresh_view(signal) {
    if (turn++ % FRESH_EVERY === 0) {
      const limit = turn === 1 ? PEERS_FROM_FIRST : PEERS_FROM;
      const kept = async (side) => (await ask("transactions", { side, limit }, signal)).transactions;
      transactions = await kept("client");
      if (transactions.length) transactions = transactions.concat(await kept("server")); // who answered those calls
    }
    const { endpoints } = await ask("endpoints", { window_s: 60, group: "service", rows: "brief", limit: 1000, sort: "rate" }, signal);
    draw(topology(endpoints, transactions, known_peers, location.host));
  }
  return { element, refresh: refresh_view, every_ms: 2000 };
}
