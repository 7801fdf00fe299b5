// Alerts: what fires and why, what is pending, what was; silences with a reason and an end.

import { ask, tell } from "../api.js";
import { link } from "../address.js";
import { clock, count, day_and_clock, duration, NOTHING, parse_time, share, span, visible } from "../format.js";
import { h, set_attribute, set_text } from "../dom.js";
import { endpoint_link_of, method_of, name_of, PHASES, phase_bar, phase_legend, status_of } from "../parts.js";
import { row_list } from "../row_list.js";

export const title = "Alerts";
export const name = () => "Alerts";
export const needs = ["alerts"];

const STATE_WORDS = { pending: "not long enough yet", firing: "fires", resolved: "over, being told" };
const MUTE_WORDS = { silenced: "silenced", inhibited: "a worse alert speaks for it", maintenance: "maintenance" };
const TIMES = [["1800", "30 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["604800", "1 week"]];

const ms = (value) => (value === null || value === undefined ? NOTHING : duration(value * 1e6));

function labels(alert) {
  return h("ul", { class_: "labels" }, Object.entries(alert.labels).map(([key, value]) =>
    h("li", {}, h("span", {}, key), " ", h("bdi", {}, name_of(value, 80)))));
}

// The window beside the hour before, one row for each.
function figures(evidence) {
  if (!evidence.now) return null;
  const bar = (f) => {
    const piece = phase_bar();
    piece.update(Object.fromEntries(PHASES.map((phase) => [phase, f.phases_ms[phase] === null ? null : f.phases_ms[phase] * 1e6])), (f.mean_ms ?? 0) * 1e6);
    return piece.element;
  };
  const row = (words, f) => h("tr", {}, h("th", { scope: "row" }, words), h("td", { class_: "number" }, count(f.count)),
    h("td", { class_: "number" }, share(f.error_share)), h("td", { class_: "number" }, ms(f.p50_ms)), h("td", { class_: "number" }, ms(f.p95_ms)),
    h("td", { class_: "number" }, ms(f.p99_ms)), h("td", { class_: "phases" }, bar(f)));
  return h("div", { class_: "scroll", tabindex: "0" }, h("table", { class_: "plain compared" }, h("caption", {}, "Now and in the hour before"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Span"), ["Requests", "Errors", "p50", "p95", "p99"].map((text) => h("th", { scope: "col", class_: "number" }, text)), h("th", { scope: "col" }, "Phases"))),
    h("tbody", {}, row(`last ${span(evidence.now.covered_s)}`, evidence.now),
      evidence.hour_before ? row(`${span(evidence.hour_before.covered_s)} before`, evidence.hour_before) : null)), phase_legend());
}

function reasons(evidence) {
  const lines = [];
  if (evidence.moved_phase) lines.push(["What grew", `${evidence.moved_phase.phase}, by ${ms(evidence.moved_phase.by_ms)} on average`]);
  if (evidence.held_by) lines.push(["Thread held by", [h("bdi", {}, name_of(evidence.held_by.route, 90)), ` for ${share(evidence.held_by.share)} of the time that requests queued`]]);
  if (evidence.blocked_on) lines.push(["Blocked on calls to", h("bdi", {}, name_of(evidence.blocked_on, 90))]);
  if (evidence.error_message) lines.push(["Error", [h("bdi", {}, name_of(evidence.error_message.text, 300)), `, ${evidence.error_message.count} times`]]);
  for (const change of evidence.changes) lines.push(["Changed", [change.time ? `${clock(parse_time(change.time)[0])}: ` : "", h("bdi", {}, name_of(change.what, 200))]]);
  return lines.length ? h("dl", { class_: "facts" }, lines.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value)))) : null;
}

function witnesses(evidence) {
  if (!evidence.worst.length) return null;
  return h("div", {}, h("h3", {}, "Worst requests"), h("ol", { class_: "witnesses" }, evidence.worst.map(({ id, transaction: t }) =>
    h("li", {}, status_of(t), " ", h("a", { href: link("transaction", { id }) }, h("b", {}, method_of(t)), " ", h("bdi", {}, name_of(t.path ?? t.route, 90))),
      " ", h("span", { class_: "quiet" }, `${clock(parse_time(t.time)[0])}, ${duration(t.duration_ns)}`),
      (t.logs ?? []).slice(0, 3).map((line) => h("small", {}, `${line.level ?? ""} `, h("bdi", {}, name_of(line.message, 300))))))));
}

function evidence_of(alert) {
  if (!alert.evidence) return null;
  const first = alert.evidence.worst[0]?.transaction;
  return h("details", { class_: "evidence", open: alert.state === "firing" && alert.severity !== "info" }, h("summary", {}, "Evidence"),
    reasons(alert.evidence), figures(alert.evidence), witnesses(alert.evidence),
    first?.route ? h("p", {}, h("a", { href: endpoint_link_of(first) }, "The endpoint over time")) : null);
}

function alert_card(alert, now, on_silence) {
  const since = alert.fired ?? alert.since;
  return h("article", { class_: `alert ${alert.severity}`, "data-state": alert.state, "aria-label": `${alert.severity}: ${alert.summary}` },
    h("header", {}, h("span", { class_: `badge ${alert.severity}` }, alert.severity),
      h("h3", {}, h("bdi", {}, name_of(alert.summary, 300))),
      h("span", { class_: "quiet" }, `${STATE_WORDS[alert.state]}, ${span(Math.max(0, now - since))}`),
      alert.mute ? h("span", { class_: "badge" }, MUTE_WORDS[alert.mute] ?? alert.mute) : null,
      on_silence ? h("button", { type: "button", onclick: () => on_silence(alert) }, "Silence") : null),
    h("p", { class_: "note" }, `${alert.rule}: ${alert.signal} ${alert.value_text}, threshold ${alert.threshold_text}`),
    labels(alert), alert.description ? h("p", {}, h("bdi", {}, name_of(alert.description, 1000))) : null, evidence_of(alert));
}

// Of one alert, made anew when what it says changed; evidence that was opened or closed stays so.
function live_card(on_silence) {
  const element = h("article");
  let shown = "";
  return {
    element,
    update({ alert, time, minute }) {
      const text = JSON.stringify([alert, minute]);
      if (text === shown) return;
      shown = text;
      const card = alert_card(alert, time, alert.state === "resolved" ? null : on_silence);
      const was = element.querySelector("details")?.open, evidence = card.querySelector("details");
      if (evidence && was !== undefined) evidence.open = was;
      for (const { name, value } of card.attributes) set_attribute(element, name, value);
      element.replaceChildren(...card.childNodes);
    },
  };
}

function past_table(past) {
  if (!past.length) return h("p", { class_: "empty" }, "Nothing was over since the agent keeps alerts.");
  return h("div", { class_: "scroll", tabindex: "0" }, h("table", { class_: "plain" }, h("caption", {}, "History"),
    h("thead", {}, h("tr", {}, ["From", "For", "Severity", "Alert"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, past.map((alert) => h("tr", {}, h("td", { class_: "when" }, day_and_clock(alert.fired ?? alert.since)),
      h("td", {}, span(Math.max(0, alert.resolved - (alert.fired ?? alert.since)))), h("td", {}, h("span", { class_: `badge ${alert.severity}` }, alert.severity)),
      h("td", {}, h("bdi", {}, name_of(alert.summary, 200)), h("small", {}, ` ${alert.rule}`)))))));
}

function silence_table(silences, now, on_end) {
  const active = silences.filter((silence) => silence.active);
  if (!active.length) return null;
  return h("div", { class_: "scroll", tabindex: "0" }, h("table", { class_: "plain" }, h("caption", {}, "Silences"),
    h("thead", {}, h("tr", {}, ["What", "Why", "Who", "Ends in", ""].map((text) => h("th", { scope: "col" }, text || h("span", { class_: "hidden" }, "End"))))),
    h("tbody", {}, active.map((silence) => h("tr", {},
      h("td", {}, Object.entries(silence.matchers).map(([key, value]) => [`${visible(key)} = `, h("bdi", {}, name_of(value, 80)), h("br")])),
      h("td", {}, h("bdi", {}, name_of(silence.reason, 300))), h("td", {}, h("bdi", {}, name_of(silence.author, 60))), h("td", {}, span(silence.ends - now)),
      h("td", {}, h("button", { type: "button", onclick: () => on_end(silence) }, "End now")))))));
}

function probe_table(probes) {
  if (!probes.length) return null;
  return h("div", { class_: "scroll", tabindex: "0" }, h("table", { class_: "plain" }, h("caption", {}, "Health probes"),
    h("thead", {}, h("tr", {}, ["Target", "State", "Took", "Certificate", "Last words"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, probes.map((probe) => h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, name_of(probe.target, 80)), h("small", {}, ` ${probe.type}`)),
      h("td", {}, h("span", { class_: `badge ${probe.success ? "ok" : "failed"}` }, probe.success ? "well" : `failed ${probe.failures} times`)),
      h("td", { class_: "number" }, duration(probe.duration_ns)), h("td", {}, probe.certificate_expiry ? `until ${day_and_clock(probe.certificate_expiry)}` : NOTHING),
      h("td", {}, h("bdi", {}, name_of(probe.message || NOTHING, 200))))))));
}

// A silence for one alert: its rule and labels, until then. The reason is what the next person reads.
function ask_for_silence(alert, done) {
  const reason = h("input", { id: "silence-reason", required: true, maxlength: "500", autocomplete: "off" });
  const author = h("input", { id: "silence-author", maxlength: "100", autocomplete: "name" });
  const time = h("select", { id: "silence-time" }, TIMES.map(([value, text]) => h("option", { value }, text)));
  time.value = "3600";
  const problem = h("p", { class_: "bad", role: "alert" });
  const form = h("form", {}, h("h2", { id: "silence-title" }, "Silence this alert"),
    h("p", {}, `${alert.rule}: `, h("bdi", {}, name_of(alert.subject, 200))),
    h("label", { for: "silence-reason" }, "Why"), reason, h("label", { for: "silence-author" }, "Who (optional)"), author,
    h("label", { for: "silence-time" }, "How long"), time, problem,
    h("div", { class_: "buttons" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { type: "submit", class_: "primary" }, "Silence")));
  const dialog = h("dialog", { class_: "silence", "aria-labelledby": "silence-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await tell("POST", "silences", { matchers: { rule: alert.rule, ...alert.labels }, reason: reason.value, author: author.value, duration_s: Number(time.value) });
      dialog.close();
      done();
    } catch (error) {
      set_text(problem, error.message);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function create({ refresh }) {
  const slots = Object.fromEntries(["silences", "past", "probes"].map((key) => [key, h("div", { class_: "slot" })]));
  const summary = h("p", { class_: "note", role: "status" });
  const place = h("div", { class_: "slot" });
  const quiet = h("p", { class_: "empty", hidden: true }, "All is quiet: no rule's condition holds.");
  const cards = row_list(place, ({ alert }) => alert.fingerprint, () => live_card((alert) => ask_for_silence(alert, refresh)));
  const shown = {};
  // what did not change stays in the page: a selection, the focus
  const put = (key, data, make) => {
    const text = JSON.stringify(data);
    if (shown[key] === text) return;
    shown[key] = text;
    slots[key].replaceChildren(...[make()].filter(Boolean));
  };
  const end = async (silence) => {
    await tell("DELETE", `silences/${encodeURIComponent(silence.id)}`).catch(() => {}); // ended by itself meanwhile
    refresh();
  };
  const order = { firing: 0, pending: 1, resolved: 2 }, weight = { critical: 0, warning: 1, info: 2 };
  return {
    element: h("div", { class_: "view alerts" }, h("div", { class_: "head" }, h("h1", {}, "Alerts"), summary), place, quiet, ...Object.values(slots)),
    every_ms: 2000,
    close: cards.close,
    async refresh(signal) {
      const answer = await ask("alerts", {}, signal);
      const alerts = [...answer.alerts].sort((a, b) => order[a.state] - order[b.state] || weight[a.severity] - weight[b.severity] || b.since - a.since);
      const firing = alerts.filter((alert) => alert.state === "firing").length;
      set_text(summary, `${firing} firing, ${alerts.filter((a) => a.state === "pending").length} pending; ${answer.rules.length} rules`);
      const minute = Math.floor(answer.time / 10); // spans need not move every two seconds
      cards.update(alerts.map((alert) => ({ alert, time: answer.time, minute })));
      quiet.hidden = alerts.length > 0;
      put("silences", [answer.silences, minute], () => silence_table(answer.silences, answer.time, end));
      put("past", answer.past, () => past_table(answer.past));
      put("probes", answer.probes, () => probe_table(answer.probes));
    },
  };
}
