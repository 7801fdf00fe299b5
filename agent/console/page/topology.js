// Who calls whom, out of endpoints and kept transactions. Pure.
//
// A call's endpoint knows the port, not the peer. The peer comes from kept transactions: when a server on this machine
// saw the same connection, it is that service; otherwise it is named by the host that was asked for, or its address. Only
// sonde does not watch itself: it is known by the address that this page came from.

import { caller_name } from "./sentence.js";

function add(into, row) {
  into.count += row.count;
  into.rate_per_s += row.rate_per_s;
  into.errors += row.outcomes.error;
  if (row.count && row.p95_ns >= into.p95_ns) {
    into.p95_ns = row.p95_ns; // of the slowest row: percentiles do not add up
  }
  return into;
}

const nothing = () => ({ count: 0, rate_per_s: 0, errors: 0, p95_ns: 0 });
const connection = (t) => [t.server?.address, t.server?.port, t.client?.address, t.client?.port].join(" ");

// (service, port) of a caller → the names of its peers: [{name, local, here}], put into `peers`, which may know some
// already. local: a service that is seen; here: on this machine. own: host and port of sonde itself.
export function peers_of(transactions, servers, peers = new Map(), own_host = "") {
  const answered_by = new Map();
  for (const t of transactions) if (t.side === "server") answered_by.set(connection(t), t.service);
  for (const t of transactions) {
    if (t.side !== "client" || !t.server?.port) continue;
    const key = `${t.service}\n${t.server.port}`;
    const service = answered_by.get(connection(t));
    const own = servers.get(t.server.port);
    const loopback = t.server.address?.startsWith("127.") || t.server.address === "::1";
    // on loopback the port alone tells which service it is, if just one listens there
    const name = service ?? (loopback && own?.size === 1 ? [...own][0] : null);
    const asked = `${t.host || t.server.address}`.replace(/:\d+$/, "") + `:${t.server.port}`;
    const here = loopback || t.server.address === t.client?.address;
    const found = name ? { name, local: true, here: true } : { name: here && asked === own_host ? "this sonde" : asked, local: false, here };
    const list = peers.get(key) ?? [];
    if (!list.some((p) => p.name === found.name)) list.push(found);
    peers.set(key, list);
  }
  return peers;
}

// → {nodes: [{id, name, local, level, …numbers}], edges: [{from, to, …numbers}]}; level: columns from the left.
// known: peers that earlier calls found. own_host: as in peers_of().
export function topology(endpoints, transactions, known = new Map(), own_host = "") {
  const servers = new Map();
  for (const row of endpoints) {
    if (row.side !== "server" || !row.port) continue;
    if (!servers.has(row.port)) servers.set(row.port, new Set());
    servers.get(row.port).add(row.service);
  }
  const base = (service) => {
    for (const [port, names] of servers) if (names.has(service)) return caller_name({ side: "server", service, port });
    return service;
  };
  const nodes = new Map(), edges = new Map();
  const node = (name, local, { unknown = false, here = local } = {}) => {
    const id = local ? base(name) : name;
    if (!nodes.has(id)) nodes.set(id, { id, name: id ?? "unknown", local, unknown, here, ports: new Set(), ...nothing() });
    return nodes.get(id);
  };
  for (const row of endpoints.filter((r) => r.side === "server")) {
    const served = add(node(row.service, true), row);
    if (row.port) served.ports.add(row.port);
  }
  const peers = peers_of(transactions, servers, known, own_host);
  for (const row of endpoints.filter((r) => r.side === "client")) {
    const found = peers.get(`${row.service}\n${row.port}`) ?? [{ name: `port ${row.port ?? "?"}`, local: false, unknown: true }];
    // several peers behind one port cannot be told apart by endpoint: one node names them all
    const to = found.length === 1 ? node(found[0].name, found[0].local, found[0])
      : node(found.slice(0, 3).map((p) => p.name).join(", ") + (found.length > 3 ? " …" : ""), false);
    const from = node(row.service, true);
    const key = `${from.id}\n${to.id}`;
    if (!edges.has(key)) edges.set(key, { from: from.id, to: to.id, ...nothing() });
    add(edges.get(key), row);
  }
  const list = [...edges.values()].filter((edge) => edge.from !== edge.to);
  set_levels(nodes, list);
  return { nodes: [...nodes.values()], edges: list };
}

// The longest way from somebody who is called by nobody; a round ends it.
function set_levels(nodes, edges) {
  for (const one of nodes.values()) one.level = 0;
  for (let round = 0; round < nodes.size; ++round) {
    let moved = false;
    for (const edge of edges) {
      const from = nodes.get(edge.from), to = nodes.get(edge.to);
      if (to.level <= from.level && from.level + 1 < Math.min(nodes.size, 8)) {
        to.level = from.level + 1;
        moved = true;
      }
    }
    if (!moved) break;
  }
}
