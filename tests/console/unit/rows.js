// Rows as /api/v1/endpoints answers them, from the few numbers that a test is about.

const MS = 1e6;

// phases_ms: mean over all requests. usual_p95_ms: of the past hour; undefined: not seen in it.
export function row({ service = "shop:8080", route = "/orders", method = "GET", side = "server", port = 8080, count = 100,
  errors = 0, mean_ms = 10, p95_ms = 20, usual_p95_ms, usual_error_share = 0, phases_ms = {} } = {}) {
  const phases = Object.fromEntries(["queue", "upload", "cpu", "runqueue", "blocked", "transfer"].map((name) => [name,
    phases_ms[name] === undefined ? null : { count, sum_ns: phases_ms[name] * MS * count, mean_ns: phases_ms[name] * MS, share: phases_ms[name] / mean_ms }]));
  return {
    service, route, method, side, port, count, rate_per_s: count / 60, error_share: count ? errors / count : 0,
    outcomes: { ok: count - errors, error: errors, aborted: 0, unobserved: 0 },
    statuses: { unobserved: 0, "1xx": 0, "2xx": count - errors, "3xx": 0, "4xx": 0, "5xx": errors },
    mean_ns: mean_ms * MS, p50_ns: mean_ms * MS, p95_ns: p95_ms * MS, p99_ns: p95_ms * MS, max_ns: p95_ms * MS, phases,
    past_hour: usual_p95_ms === undefined ? null : { count: 3600, p95_ns: usual_p95_ms * MS, error_share: usual_error_share },
  };
}

export const answer = (...endpoints) => ({ window_s: 60, endpoints });

export const text_of = (said) => said.parts.map((part) => part.text ?? part).join("");
