// Resources: the machine, its containers and its processes. Rates are what counters did between two readings.

import { ask } from "../api.js";
import { bytes, count, NOTHING, rate, share, visible } from "../format.js";
import { h, set_text } from "../dom.js";
import { figure, name_of, search } from "../parts.js";
import { row_list } from "../row_list.js";
import { Rates, samples_of } from "../rates.js";

export const title = "Resources";
export const name = () => "Resources";
export const needs = ["processes", "metrics"];

const PROCESSES_MOST = 200;
const COLUMNS = [["cpu", "CPU"], ["wait", "Run queue"], ["memory", "Memory"], ["disk", "Disk"], ["network", "Network"], ["threads", "Threads"], ["fds", "Open files"]];
const of_core = (value) => (value === null ? NOTHING : share(value));
const per_s = (value) => (value === null ? NOTHING : `${bytes(value)}/s`);

function update_machine(figures, families, rates) {
  const one = (name, labels = {}) => samples_of(families, name, labels).at(0)?.value ?? null;
  const sum = (name, labels = {}) => {
    const found = samples_of(families, name, labels);
    return found.length ? found.reduce((all, sample) => all + sample.value, 0) : null;
  };
  const speed = (name, labels = {}) => rates.of(`${name}${JSON.stringify(labels)}`, sum(name, labels));
  const cores = one("system_cpu_cores");
  const busy = ["user", "system", "nice", "irq", "softirq", "steal"].map((cpu_mode) => rates.of(`cpu ${cpu_mode}`, sum("system_cpu_time_seconds_total", { cpu_mode })));
  const used = busy.some((v) => v !== null) ? busy.reduce((a, b) => a + (b ?? 0), 0) : null;
  figures.cpu.update(used === null || !cores ? NOTHING : share(used / cores), `${count(cores)} cores, load ${one("system_cpu_load_average_1m")?.toFixed(1) ?? NOTHING}`, used / cores > 0.9 ? "bad" : "");
  figures.runnable.update(count(one("system_threads_runnable")), `${count(one("system_threads_blocked"))} blocked on I/O`);
  const limit = one("system_memory_limit_bytes"), available = one("system_memory_linux_available_bytes");
  figures.memory.update(limit === null || available === null ? NOTHING : bytes(limit - available), limit === null ? "" : `of ${bytes(limit)}`, available / limit < 0.05 ? "bad" : "");
  figures.disk.update(per_s(speed("system_disk_io_bytes_total", { disk_io_direction: "write" })), `read ${per_s(speed("system_disk_io_bytes_total", { disk_io_direction: "read" }))}`);
  figures.network.update(per_s(speed("system_network_io_bytes_total", { network_io_direction: "transmit" })), `in ${per_s(speed("system_network_io_bytes_total", { network_io_direction: "receive" }))}`);
  const kills = one("system_memory_oom_kills_total");
  figures.kills.update(count(kills), "since the machine started", kills ? "warn" : "");
  const pressure = ["cpu", "memory", "io"].map((resource) => [resource, speed("system_pressure_stalled_seconds_total", { resource, tasks: "some" })]);
  figures.pressure.update(pressure.every(([, v]) => v === null) ? NOTHING : share(Math.max(...pressure.map(([, v]) => v ?? 0))),
    pressure.map(([resource, v]) => `${resource} ${v === null ? NOTHING : share(v)}`).join(", "));
}

function process_row(process) {
  const cells = COLUMNS.map(() => h("td", { class_: "number" }));
  const element = h("tr", { "data-row": true },
    h("th", { scope: "row", class_: "name" }, process.process_pid === "other" ? "all others" : [
      h("bdi", {}, name_of(process.process_executable_name, 40)),
      h("small", {}, h("bdi", {}, name_of(process.service_name, 40)), `, pid ${process.process_pid}`)]), cells);
  COLUMNS.forEach(([, label], i) => (cells[i].dataset.label = label));
  return { element, update: ({ shown }) => COLUMNS.forEach(([key], i) => set_text(cells[i], shown[key])) };
}

function numbers_of(process, rates) {
  const m = process.metrics, id = `${process.process_pid} ${process.process_executable_name}`;
  const sum = (name) => {
    const value = m[name];
    if (value === undefined || value === null) return null;
    return typeof value === "object" ? Object.values(value).reduce((a, b) => a + (b ?? 0), 0) : value;
  };
  const speed = (name) => rates.of(`${id} ${name}`, sum(name));
  const cpu = speed("process_cpu_time_seconds_total");
  return {
    sort: cpu ?? 0,
    memory: sum("process_memory_usage_bytes") ?? 0,
    shown: {
      cpu: of_core(cpu), wait: of_core(speed("process_cpu_runqueue_seconds_total")), memory: bytes(sum("process_memory_usage_bytes")),
      disk: per_s(speed("process_disk_io_bytes_total")), network: per_s(speed("process_network_io_bytes_total")),
      threads: count(sum("process_threads")), fds: count(sum("process_open_fds")),
    },
  };
}

function container_table(families, rates) {
  const ids = [...new Set(["container_memory_usage_bytes", "container_cpu_usage_seconds_total"].flatMap((name) => samples_of(families, name).map((x) => x.labels.id)))];
  if (!ids.length) return null;
  const value = (name, id) => samples_of(families, name, { id }).reduce((all, x) => (all ?? 0) + x.value, null);
  const speed = (name, id) => rates.of(`${name} ${id}`, value(name, id));
  const row = (id) => h("tr", {}, h("th", { scope: "row", class_: "name", title: visible(id) }, h("bdi", {}, name_of(id, 70))),
    h("td", { class_: "number" }, of_core(speed("container_cpu_usage_seconds_total", id))),
    h("td", { class_: "number" }, of_core(speed("container_cpu_cfs_throttled_seconds_total", id))),
    h("td", { class_: "number" }, bytes(value("container_memory_working_set_bytes", id))),
    h("td", { class_: "number" }, bytes(value("container_spec_memory_limit_bytes", id) || null)),
    h("td", { class_: `number${value("container_oom_events_total", id) ? " bad" : ""}` }, count(value("container_oom_events_total", id))));
  return h("table", { class_: "plain" }, h("caption", {}, "Containers and control groups"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Group"), ["CPU", "Throttled", "Memory", "Limit", "OOM kills"].map((text) => h("th", { scope: "col", class_: "number" }, text)))),
    h("tbody", {}, ids.slice(0, 100).map(row)));
}

export function create({ refresh }) {
  const rates = new Rates();
  let text = "";
  const figures = { cpu: figure("CPU"), runnable: figure("Runnable threads"), pressure: figure("Pressure"), memory: figure("Memory used"), disk: figure("Disk written"), network: figure("Network out"), kills: figure("OOM kills") };
  const body = h("tbody");
  const list = row_list(body, (p) => `${p.process_pid} ${p.process_executable_name}`, process_row);
  const groups = h("div", { class_: "scroll", tabindex: "0" });
  const note = h("p", { class_: "note" });
  const element = h("div", { class_: "view resources" }, h("h1", {}, "Resources"),
    h("dl", { class_: "figures" }, Object.values(figures).map((f) => f.element)),
    h("div", { class_: "controls" }, search("Filter by program or service", "", (value) => {
      text = value;
      refresh();
    })),
    h("div", { class_: "loading" }, "Asking the agent …"),
    h("table", { class_: "plain processes live-rows", hidden: true }, h("caption", {}, "Processes that serve or make requests, and the busiest others"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Process"), COLUMNS.map(([, label]) => h("th", { scope: "col", class_: "number" }, label)))), body),
    note, groups);

  async function refresh_view(signal) {
    const [{ processes }, { families }] = await Promise.all([
      ask("processes", {}, signal), ask("metrics", { prefix: "system_,container_" }, signal)]);
    element.querySelector(".loading")?.remove();
    rates.begin(performance.now() / 1000);
    update_machine(figures, families, rates);
    const rows = processes.map((process) => ({ ...process, ...numbers_of(process, rates) }))
      .filter((p) => !text || `${p.process_executable_name} ${p.service_name}`.includes(text))
      .sort((a, b) => b.sort - a.sort || b.memory - a.memory || a.process_pid - b.process_pid);
    element.querySelector(".processes").hidden = rows.length === 0;
    list.update(rows.slice(0, PROCESSES_MOST));
    set_text(note, rows.length > PROCESSES_MOST ? `The ${PROCESSES_MOST} busiest of ${count(rows.length)}.` :
      rows.length ? "" : text ? `No process has “${text}” in its program or service.` : "No process has been measured yet.");
    groups.replaceChildren(container_table(families, rates) ?? "");
    const waits = rows.length > 0 && rows.every((p) => p.shown.cpu === NOTHING);
    if (waits) set_text(note, "Rates come with the agent's next reading.");
    rates.end();
  }
  return { element, refresh: refresh_view, close: list.close, every_ms: 2000 };
}
