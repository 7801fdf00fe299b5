// The frame around the views: navigation, one live loop, its states, keys and theme.

import { ask, set_token, forget_token, ApiError } from "./api.js";
import { link, parse } from "./address.js";
import { clock } from "./format.js";
import { h } from "./dom.js";
import * as now from "./views/now.js";
import * as endpoint from "./views/endpoint.js";
import * as requests from "./views/requests.js";
import * as transaction from "./views/transaction.js";
import * as logs from "./views/logs.js";
import * as map from "./views/map.js";
import * as resources from "./views/resources.js";
import * as alerts from "./views/alerts.js";
import * as agent from "./views/agent.js";

// Each view names the paths of the API that it cannot do without: one that the agent does not offer is not shown.
const VIEWS = { now, requests, logs, map, resources, alerts, agent, endpoint, transaction };
const RETRY_MS_MAX = 5000;
const $ = (id) => document.getElementById(id);

const state = {
  offered: null, // paths of /api/v1, once known
  view: null, // what create() of the view returned
  name: "",
  abort: null, // of the view's requests that run
  timer: 0,
  paused: false,
  failures: 0,
  answered_at: 0, // ms
};

const possible = (view) => view.needs.every((path) => state.offered?.has(path));

// ---- the live loop: one refresh at a time, the next one a while after the last one ended

function show_live(text, kind) {
  const live = $("live");
  live.className = `live ${kind}`;
  if (live.textContent !== text) live.textContent = text;
}

function show_banner(...content) {
  $("banner").replaceChildren(...content);
  $("banner").hidden = content.length === 0;
}

function failed(error) {
  document.body.classList.add("stale");
  if (error instanceof ApiError && error.status === 401) return ask_for_token();
  if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
    show_banner(h("span", {}, `The agent refuses this: ${error.message}. `), h("a", { href: "#/now" }, "Back to now"));
    show_live("refused", "bad");
    return;
  }
  ++state.failures;
  const last = state.answered_at ? `, the last time at ${clock(state.answered_at / 1000)}` : "";
  show_banner(h("span", {}, `${error.message ?? error}${last}. Trying again; what you see is from then.`));
  show_live("reconnecting", "bad");
  if (!(error instanceof ApiError)) console.error(error);
  schedule(Math.min(RETRY_MS_MAX, 500 * 2 ** Math.min(state.failures, 6)));
}

function schedule(after_ms) {
  clearTimeout(state.timer);
  state.timer = setTimeout(refresh, after_ms);
}

async function refresh() {
  clearTimeout(state.timer);
  const { view, abort } = state;
  if (!view || document.hidden) return; // visibilitychange goes on from here
  const started = performance.now();
  try {
    if (!state.offered) await discover();
    await view.refresh(abort.signal);
    if (abort.signal.aborted) return;
    state.failures = 0;
    state.answered_at = Date.now();
    document.body.classList.remove("stale");
    show_banner();
    show_live(state.paused ? "paused" : `live ${clock(Date.now() / 1000)}`, state.paused ? "paused" : "good");
  } catch (error) {
    if (!abort.signal.aborted) failed(error);
    return;
  }
  // at the pace of the view, but at most a fifth of the time: a slow agent is not asked harder
  const took = performance.now() - started;
  if (!state.paused && view.every_ms) schedule(Math.max(view.every_ms - took, 4 * took));
}

async function discover() {
  const index = await ask("", {}, state.abort.signal);
  state.offered = new Set(index.paths.map((path) => path.replace(/^\/api\/v1\//, "")));
  draw_navigation();
  if (!possible(VIEWS[state.name])) location.hash = link("agent");
}

// ---- views

function draw_navigation() {
  const { view } = parse(location.hash);
  const inside = { endpoint: "now", transaction: "requests" }[view] ?? view;
  const items = Object.entries(VIEWS).filter(([, v]) => v.title && possible(v));
  $("nav").replaceChildren(...items.map(([name, v]) =>
    h("a", { href: link(name), "aria-current": name === inside ? "page" : null }, v.title)));
}

function show_view() {
  const { view: name, parameters } = parse(location.hash);
  const module = VIEWS[name] ?? now;
  state.abort?.abort();
  state.view?.close?.();
  state.abort = new AbortController();
  state.name = VIEWS[name] ? name : "now";
  state.view = module.create({ parameters, refresh });
  document.title = `${module.name(parameters)} · sonde`;
  $("main").replaceChildren(state.view.element);
  scrollTo(0, 0);
  draw_navigation();
  show_banner();
  refresh();
}

// ---- token

function ask_for_token() {
  show_live("token needed", "bad");
  forget_token();
  if (document.querySelector("dialog.token")?.open) return;
  const input = h("input", { type: "password", autocomplete: "off", id: "token", required: true });
  const dialog = h("dialog", { class_: "token", "aria-labelledby": "token-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "token-title" }, "This agent asks for a token"),
      h("p", {}, "It stands in the file that the agent was given. It is kept until this tab closes."),
      h("label", { for: "token" }, "Token"), input,
      h("div", { class_: "buttons" }, h("button", { type: "submit", class_: "primary" }, "Go on"))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (input.value) set_token(input.value.trim());
    refresh();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// ---- pause, theme, keys

function set_paused(paused) {
  state.paused = paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Resume" : "Pause";
  document.body.classList.toggle("paused", paused);
  if (paused) {
    clearTimeout(state.timer);
    show_live("paused", "paused");
  } else refresh();
}

const dark_preferred = matchMedia("(prefers-color-scheme: dark)");
const is_dark = () => (localStorage.getItem("sonde.theme") ?? (dark_preferred.matches ? "dark" : "light")) === "dark";

function apply_theme() {
  document.documentElement.dataset.theme = is_dark() ? "dark" : "light";
  $("theme").textContent = is_dark() ? "Light" : "Dark";
  dispatchEvent(new Event("theme"));
}

function toggle_theme() {
  localStorage.setItem("sonde.theme", is_dark() ? "light" : "dark");
  apply_theme();
}

const KEYS = [
  ["1 … 6", "views, from left to right"],
  ["/", "filter"],
  ["j k", "next and previous row"],
  ["Enter", "open it"],
  ["p", "pause and resume"],
  ["t", "light or dark"],
  ["Backspace", "back"],
  ["?", "this list"],
];

function show_keys() {
  const dialog = h("dialog", { "aria-labelledby": "keys-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "keys-title" }, "Keys"),
      h("dl", { class_: "keys" }, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
      h("div", { class_: "buttons" }, h("button", { type: "submit", class_: "primary" }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function move_in_rows(step) {
  const rows = [...document.querySelectorAll("main [data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  next.querySelector("a")?.focus();
  next.scrollIntoView({ block: "nearest" });
}

function on_key(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const views = [...$("nav").querySelectorAll("a")];
  const actions = {
    "/": () => document.querySelector("main input[type=search]")?.focus(),
    p: () => set_paused(!state.paused),
    t: toggle_theme,
    j: () => move_in_rows(1),
    k: () => move_in_rows(-1),
    "?": show_keys,
    Backspace: () => history.back(),
    Escape: () => typing && !event.target.closest("dialog") && event.target.blur(),
  };
  const action = actions[event.key] ?? (/^[1-9]$/.test(event.key) && views[event.key - 1] ? () => views[event.key - 1].click() : null);
  if (!action) return;
  action();
  if (event.key !== "Escape") event.preventDefault();
}

$("pause").addEventListener("click", () => set_paused(!state.paused));
$("theme").addEventListener("click", toggle_theme);
$("help").addEventListener("click", show_keys);
dark_preferred.addEventListener("change", apply_theme);
addEventListener("keydown", on_key);
addEventListener("hashchange", show_view);
document.addEventListener("visibilitychange", () => !document.hidden && !state.paused && refresh());
apply_theme();
show_view();
