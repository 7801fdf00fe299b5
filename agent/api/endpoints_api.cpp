#include "agent/api/endpoints_api.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "agent/api/answer.hpp"
#include "agent/api/cell_json.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t limit_default = 200, limit_most = 5000, offset_most = 100'000;

// Which endpoints the parameters speak of.
class EndpointFilter {
public:
    explicit EndpointFilter(Parameters& parameters)
        : service_(parameters.text("service")),
          route_(parameters.text("route")),
          method_(parameters.text("method")),
          text_(parameters.text("q").value_or("")),
          side_(parameters.choice("side", {"any", "server", "client"})),
          port_(parameters.number("port", 0, 1, 65535)) {}
    [[nodiscard]] bool matches(const EndpointKey& key) const {
        return (!service_ || *service_ == key.service) && (!route_ || *route_ == key.route) &&
               (!method_ || *method_ == key.method.view()) && (side_ == "any" || side_ == to_string(key.side)) &&
               (port_ == 0 || port_ == key.port) &&
               (text_.empty() || key.route.find(text_) != std::string_view::npos ||
                key.service.find(text_) != std::string_view::npos);
    }

private:
    const std::optional<std::string_view> service_, route_, method_;
    const std::string_view text_, side_;
    const std::uint64_t port_;
};

struct Row {
    const EndpointWindow* endpoint;
    const Cell* usual;  // null: nothing in the past hour
    double sort_by = 0;
};

// How much an endpoint hurts, to sort by: errors in percent, ten for each doubling of p95 over the past hour's, and
// ten for the share of the queue. An endpoint that was called once weighs less than one that is called all the time.
double pain(const Row& row) {
    const auto& now = row.endpoint->now;
    if (now.count == 0) return 0;
    double points = 100.0 * now.errors() / now.count;
    if (row.usual != nullptr && row.usual->count >= 20) {
        const auto usual = static_cast<double>(std::max<std::uint64_t>(1, row.usual->quantile_ns(0.95)));
        points += std::max(
            0.0, 10 * std::log2(static_cast<double>(std::max<std::uint64_t>(1, now.quantile_ns(0.95))) / usual));
    }
    points += 10 * std::max(0.0, phase_share(now, Phase::queue));
    return points * std::min(1.0, 0.1 + std::log10(now.count) / 2);
}

double sort_value(const Row& row, std::string_view sort) {
    const auto& now = row.endpoint->now;
    if (sort == "rate") return now.count;
    if (sort == "errors") return now.errors();
    if (sort == "p50") return static_cast<double>(now.quantile_ns(0.5));
    if (sort == "p95") return static_cast<double>(now.quantile_ns(0.95));
    if (sort == "p99") return static_cast<double>(now.quantile_ns(0.99));
    if (sort == "queue") return phase_share(now, Phase::queue);
    if (sort == "cpu") return static_cast<double>(now.phase_ns[static_cast<std::size_t>(Phase::cpu)]);
    return sort == "pain" ? pain(row) : 0;
}

void sort_rows(std::vector<Row>& rows, std::string_view sort) {
    for (auto& row : rows) row.sort_by = sort_value(row, sort);
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        if (a.sort_by != b.sort_by) return a.sort_by > b.sort_by;
        const auto& x = a.endpoint->key;
        const auto& y = b.endpoint->key;
        return std::tuple(x.service, x.route, x.method.view(), x.side, x.port) <
               std::tuple(y.service, y.route, y.method.view(), y.side, y.port);
    });
}

json::object row_json(const Row& row, double span_s, double past_span_s) {
    json::object out;
    add_endpoint_key(out, row.endpoint->key);
    add_cell(out, row.endpoint->now, span_s);
    out["pain"] = pain(row);
    json::array counts;
    for (const auto count : row.endpoint->counts) counts.push_back(count);
    out["sparkline"] = std::move(counts);
    if (row.usual != nullptr) {
        json::object usual;
        add_cell(usual, *row.usual, past_span_s);
        out["past_hour"] = std::move(usual);
    } else {
        out["past_hour"] = nullptr;
    }
    out["total"] = {{"count", row.endpoint->total_count},
                    {"errors", row.endpoint->total_errors},
                    {"duration_ns", row.endpoint->total_duration_ns}};
    return out;
}

}  // namespace

Response endpoints_answer(const History& history, const Request& request) {
    Parameters parameters(
        request, {"window_s", "parts", "sort", "limit", "offset", "service", "route", "method", "side", "port", "q"});
    const auto window_s = parameters.number("window_s", 60, 5, 3600);
    const auto parts = parameters.number("parts", 30, 1, 360);
    const auto sort =
        parameters.choice("sort", {"pain", "rate", "errors", "p50", "p95", "p99", "queue", "cpu", "name"});
    const auto limit = parameters.number("limit", limit_default, 1, limit_most);
    const auto offset = parameters.number("offset", 0, 0, offset_most);
    const EndpointFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());

    const auto window = history.window(window_s, parts);
    const auto past = history.past_hour();
    std::vector<Row> rows;
    for (const auto& endpoint : window.endpoints) {
        if (!filter.matches(endpoint.key)) continue;
        const auto usual = past->cells.find(endpoint.id);
        rows.push_back({&endpoint, usual == past->cells.end() ? nullptr : &usual->second});
    }
    sort_rows(rows, sort);
    const auto span_s = static_cast<double>(window.to_s - window.from_s);
    json::array list;
    for (auto i = offset; i < rows.size() && list.size() < limit; ++i)
        list.push_back(row_json(rows[i], span_s, static_cast<double>(past->covered_s)));
    return json_answer({{"time", history.unix_time_s(window.to_s)},
                        {"window_s", window.to_s - window.from_s},
                        {"part_s", window.step_s},
                        {"complete", window.complete},
                        {"past_hour_s", past->covered_s},
                        {"transactions", history.last_number()},
                        {"total", rows.size()},
                        {"offset", offset},
                        {"endpoints", std::move(list)}});
}

Response endpoint_answer(const History& history, const Request& request) {
    Parameters parameters(request, {"span_s", "step_s", "service", "route", "method", "side", "port", "q"});
    const auto span_s = parameters.number("span_s", 300, 10, 3600);
    const auto step_s = parameters.number("step_s", span_s <= 300 ? 1 : 10, 1, 60);
    const EndpointFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    if ((step_s != 1 && step_s != 10 && step_s != 60) || (step_s == 1 && span_s > 300))
        return bad_request("step_s must be 1 (for up to 300 s), 10 or 60");

    json::array endpoints;
    const auto points = history.series(
        [&](const EndpointKey& key) {
            if (!filter.matches(key)) return false;
            if (endpoints.size() < limit_default) {
                json::object one;
                add_endpoint_key(one, key);
                endpoints.push_back(std::move(one));
            }
            return true;
        },
        step_s, span_s);
    json::array list, bounds;
    Cell sum;
    for (const auto& point : points) {
        json::object one{{"time", history.unix_time_s(point.start_s)}};
        add_cell(one, point.cell, static_cast<double>(step_s));
        json::array heat;
        for (std::size_t bucket = 0; bucket < DurationBuckets::count; ++bucket)
            if (point.cell.durations[bucket] > 0) heat.push_back({bucket, point.cell.durations[bucket]});
        one["heat"] = std::move(heat);
        list.push_back(std::move(one));
        sum.add(point.cell);
    }
    for (std::size_t bucket = 0; bucket < DurationBuckets::count; ++bucket)
        bounds.push_back(DurationBuckets::lower_ns(bucket));
    json::object all;
    add_cell(all, sum, static_cast<double>(span_s));
    return json_answer({{"step_s", step_s},
                        {"span_s", span_s},
                        {"endpoints", std::move(endpoints)},
                        {"sum", std::move(all)},
                        {"bucket_lower_ns", std::move(bounds)},
                        {"points", std::move(list)}});
}

}  // namespace sonde
