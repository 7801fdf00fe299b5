// Numbers as people read them. Pure; what was not observed is "–", never 0.

export const NOTHING = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 }); // making one takes longer than using it

function rounded(value) {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(size % 1 >= 0.05 && size < 20 ? 1 : 0);
  return value.toFixed(size >= 1 ? 1 : 2).replace(/\.?0+$/, "");
}

export function duration(ns) {
  if (ns === null || ns === undefined) return NOTHING;
  if (ns === 0) return "0";
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${rounded(ns / 1e3)} µs`;
  if (ns < 999.5e6) return `${rounded(ns / 1e6)} ms`;
  if (ns < 90e9) return `${rounded(ns / 1e9)} s`;
  return span(ns / 1e9);
}

// Seconds that people wait or look back for: "45 s", "12 min", "3 h 20 min".
export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

export function count(value) {
  if (value === null || value === undefined) return NOTHING;
  if (Math.abs(value) < 10_000) return whole.format(value);
  if (Math.abs(value) < 1e6) return `${rounded(value / 1e3)}k`;
  if (Math.abs(value) < 1e9) return `${rounded(value / 1e6)}M`;
  return `${rounded(value / 1e9)}G`;
}

export function rate(per_s) {
  if (per_s === null || per_s === undefined) return NOTHING;
  if (per_s === 0) return "0/s";
  if (per_s < 0.1) return `${rounded(per_s * 60)}/min`;
  return `${per_s < 10_000 ? rounded(per_s) : count(per_s)}/s`;
}

export function share(value) {
  if (value === null || value === undefined) return NOTHING;
  const percent = value * 100;
  if (percent === 0) return "0%";
  if (percent < 0.1) return "<0.1%";
  return `${percent < 10 ? rounded(Number(percent.toFixed(1))) : percent.toFixed(0)}%`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (Math.abs(value) >= 1023.5 && at < units.length - 1) {
    value /= 1024;
    ++at;
  }
  return `${at === 0 ? Math.round(value) : rounded(value)} ${units[at]}`;
}

const clock_format = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minute_format = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day_format = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export const clock = (unix_s) => clock_format.format(unix_s * 1000);
export const clock_minute = (unix_s) => minute_format.format(unix_s * 1000);
export const day_and_clock = (unix_s) => day_format.format(unix_s * 1000);

// RFC 3339 with nanoseconds, which Date would cut to milliseconds → [whole seconds, nanoseconds].
export function parse_time(text) {
  const parts = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(text);
  if (!parts) return [NaN, 0];
  return [Date.parse(`${parts[1]}Z`) / 1000, Number((parts[2] || "0").padEnd(9, "0"))];
}

// The middle cut out of what is too long to read: a 10 kB path must not push the rest off the screen.
export function shortened(text, most = 120) {
  if (text.length <= most) return text;
  const half = Math.floor((most - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(text.length - half)}`;
}

// The control characters of a hostile string made visible: escape sequences, marks that turn the reading direction.
export function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) => {
    const code = c.codePointAt(0);
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}
