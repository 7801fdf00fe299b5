// State in the address: "#/endpoint?service=shop:8080&route=/x". Whoever gets the link sees the same.

export function parse(hash) {
  const text = hash.replace(/^#\/?/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  return { view: path || "now", parameters: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)) };
}

// What is undefined, null or "" is left out.
export function link(view, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const text = query.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

// Changes parameters of the view that is shown, without a new entry in the history.
export function replace(values) {
  const { view, parameters } = parse(location.hash);
  const now = Object.fromEntries(parameters);
  history.replaceState(null, "", link(view, { ...now, ...values }));
}

export const endpoint_link = (row) =>
  link("endpoint", { service: row.service, route: row.route, method: row.method, side: row.side, port: row.port });
