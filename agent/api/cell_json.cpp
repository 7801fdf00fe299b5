#include "agent/api/cell_json.hpp"

#include "agent/api/answer.hpp"

namespace sonde {
namespace json = boost::json;

void add_endpoint_key(json::object& out, const EndpointKey& key) {
    const auto text_or_null = [](std::string_view text) {
        return text.empty() ? json::value(nullptr) : json::value(valid_utf8(text));
    };
    out["service"] = text_or_null(key.service);
    out["method"] = text_or_null(key.method.view());
    out["route"] = text_or_null(key.route);
    out["side"] = to_string(key.side);
    out["port"] = key.port == 0 ? json::value(nullptr) : json::value(key.port);
}

double phase_share(const Cell& cell, Phase phase) {
    const auto i = static_cast<std::size_t>(phase);
    if (cell.phase_seen[i] == 0 || cell.duration_ns == 0) return -1;
    const auto mean_phase = static_cast<double>(cell.phase_ns[i]) / cell.phase_seen[i];
    return mean_phase / (static_cast<double>(cell.duration_ns) / cell.count);
}

double error_share(const Cell& cell) { return cell.count == 0 ? 0.0 : static_cast<double>(cell.errors()) / cell.count; }

namespace {

json::object phases_of(const Cell& cell) {
    json::object phases;
    for (std::size_t i = 0; i < sonde::phase_count; ++i) {
        if (cell.phase_seen[i] == 0) {
            phases[phase_names[i]] = nullptr;
            continue;
        }
        phases[phase_names[i]] = {{"count", cell.phase_seen[i]},
                                  {"sum_ns", cell.phase_ns[i]},
                                  {"mean_ns", cell.phase_ns[i] / cell.phase_seen[i]},
                                  {"share", phase_share(cell, static_cast<Phase>(i))}};
    }
    return phases;
}

}  // namespace

void add_brief_cell(json::object& out, const Cell& cell, double span_s) {
    out["count"] = cell.count;
    out["rate_per_s"] = span_s > 0 ? cell.count / span_s : 0.0;
    out["error_share"] = error_share(cell);
    out["outcomes"] = {{"error", cell.errors()}};
    out["statuses"] = {{"5xx", cell.statuses[5]}};
    out["mean_ns"] = cell.count == 0 ? 0 : cell.duration_ns / cell.count;
    out["p50_ns"] = cell.quantile_ns(0.5);
    out["p95_ns"] = cell.quantile_ns(0.95);
    out["p99_ns"] = cell.quantile_ns(0.99);
    json::object phases;
    for (std::size_t i = 0; i < sonde::phase_count; ++i)
        if (cell.phase_seen[i] != 0)
            phases[phase_names[i]] = {{"sum_ns", cell.phase_ns[i]}, {"mean_ns", cell.phase_ns[i] / cell.phase_seen[i]}};
    out["phases"] = std::move(phases);
}

void add_cell(json::object& out, const Cell& cell, double span_s) {
    out["count"] = cell.count;
    out["rate_per_s"] = span_s > 0 ? cell.count / span_s : 0.0;
    out["error_share"] = error_share(cell);
    json::object outcomes, statuses;
    for (std::size_t i = 0; i < Cell::outcomes; ++i) outcomes[to_string(static_cast<Outcome>(i))] = cell.by_outcome[i];
    for (std::size_t i = 0; i < Cell::status_classes; ++i)
        statuses[i == 0 ? std::string("unobserved") : std::to_string(i) + "xx"] = cell.statuses[i];
    out["outcomes"] = std::move(outcomes);
    out["statuses"] = std::move(statuses);
    out["mean_ns"] = cell.count == 0 ? 0 : cell.duration_ns / cell.count;
    out["p50_ns"] = cell.quantile_ns(0.5);
    out["p95_ns"] = cell.quantile_ns(0.95);
    out["p99_ns"] = cell.quantile_ns(0.99);
    out["max_ns"] = cell.max_ns;
    out["phases"] = phases_of(cell);
    out["request_bytes"] = cell.request_bytes;
    out["response_bytes"] = cell.response_bytes;
}

}  // namespace sonde
