#include "agent/api/endpoints_api.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
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

double mean_ns(const Cell& cell, Phase phase) {
    const auto i = static_cast<std::size_t>(phase);
    return cell.phase_seen[i] == 0 ? 0 : static_cast<double>(cell.phase_ns[i]) / cell.phase_seen[i];
}

// Nobody is hurt by less: as the console's sentence takes it (sentence.js, SLOWER_BY_NS, QUEUE_NS).
constexpr double noticed_ns = 20e6;

// How much an endpoint hurts, to sort by: errors in percent, ten for each doubling of p95 over the past hour's, and
// ten for the share of the queue. An endpoint that was called once weighs less than one that is called all the time.
// Microseconds that double weigh next to nothing, and fractions of a point nothing: a thousand healthy endpoints would
// change places every second.
double pain(const Row& row) {
    const auto& now = row.endpoint->now;
    if (now.count == 0) return 0;
    double points = now.errors() == 0 ? 0 : std::max(1.0, 100.0 * now.errors() / now.count);
    if (row.usual != nullptr && row.usual->count >= 20) {
        const auto usual_ns = static_cast<double>(row.usual->quantile_ns(0.95));
        const auto now_ns = static_cast<double>(now.quantile_ns(0.95));
        points += std::max(0.0, 10 * std::log2((now_ns + noticed_ns) / (usual_ns + noticed_ns)));
    }
    const auto queued_ns = mean_ns(now, Phase::queue);
    points += 10 * std::max(0.0, phase_share(now, Phase::queue)) * queued_ns / (queued_ns + noticed_ns);
    return std::floor(points * std::min(1.0, 0.1 + std::log10(now.count) / 2));
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

// What a list shows of an endpoint: a third of the bytes of row_json().
json::object brief_row_json(const Row& row, double span_s) {
    json::object out;
    add_endpoint_key(out, row.endpoint->key);
    add_brief_cell(out, row.endpoint->now, span_s);
    out["sparkline"] = json::array(row.endpoint->counts.begin(), row.endpoint->counts.end());
    if (row.usual != nullptr)
        out["past_hour"] = {{"count", row.usual->count},
                            {"error_share", error_share(*row.usual)},
                            {"p95_ns", row.usual->quantile_ns(0.95)}};
    else
        out["past_hour"] = nullptr;
    return out;
}

json::object row_json(const Row& row, double span_s, double past_span_s) {
    json::object out;
    add_endpoint_key(out, row.endpoint->key);
    add_cell(out, row.endpoint->now, span_s);
    out["pain"] = pain(row);
    out["sparkline"] = json::array(row.endpoint->counts.begin(), row.endpoint->counts.end());
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

// Endpoints of one service, side and port as one, for those who ask who calls whom.
class ServiceSums {
public:
    // The rows that come back hold as long as this.
    std::vector<Row> of(const std::vector<Row>& rows) {
        for (const auto& row : rows) add(row);
        std::vector<Row> sums;
        for (const auto& [key, sum] : sums_) sums.push_back({&sum.window, sum.usual.count == 0 ? nullptr : &sum.usual});
        return sums;
    }

private:
    struct Sum {
        EndpointWindow window;
        Cell usual;
    };
    void add(const Row& row) {
        const auto& one = *row.endpoint;
        auto& sum = sums_[{one.key.service, one.key.side, one.key.port}];
        auto& window = sum.window;
        window.key = one.key;
        window.key.route = {};
        window.key.method = {};
        window.now.add(one.now);
        window.total_count += one.total_count;
        window.total_errors += one.total_errors;
        window.total_duration_ns += one.total_duration_ns;
        window.counts.resize(one.counts.size());
        for (std::size_t i = 0; i < one.counts.size(); ++i) window.counts[i] += one.counts[i];
        if (row.usual != nullptr) sum.usual.add(*row.usual);
    }
    std::map<std::tuple<std::string_view, Side, std::uint16_t>, Sum> sums_;
};

// Of all rows, whatever the limit.
json::object sum_json(const std::vector<Row>& rows, double span_s) {
    struct Sum {
        std::uint64_t endpoints = 0, count = 0, errors = 0, slowest_ns = 0;
        const EndpointKey* slowest = nullptr;
    };
    std::array<Sum, 2> sums;  // by Side
    std::set<std::string_view> services;
    for (const auto& row : rows) {
        auto& sum = sums.at(static_cast<std::size_t>(row.endpoint->key.side));
        ++sum.endpoints;
        sum.count += row.endpoint->now.count;
        sum.errors += row.endpoint->now.errors();
        services.insert(row.endpoint->key.service);
        const auto p95_ns = row.endpoint->now.quantile_ns(0.95);
        if (p95_ns < sum.slowest_ns || row.endpoint->now.count == 0) continue;
        sum.slowest_ns = p95_ns;
        sum.slowest = &row.endpoint->key;
    }
    json::object out{{"services", services.size()}};
    for (const auto side : {Side::server, Side::client}) {
        const auto& sum = sums.at(static_cast<std::size_t>(side));
        json::object slowest{{"p95_ns", sum.slowest_ns}};
        if (sum.slowest != nullptr) add_endpoint_key(slowest, *sum.slowest);
        out[to_string(side)] = {{"endpoints", sum.endpoints},
                                {"count", sum.count},
                                {"rate_per_s", span_s > 0 ? static_cast<double>(sum.count) / span_s : 0.0},
                                {"errors", sum.errors},
                                {"slowest", sum.slowest == nullptr ? json::value(nullptr) : std::move(slowest)}};
    }
    return out;
}

}  // namespace

std::shared_ptr<const HistoryWindow> SharedWindow::get(const History& history, std::uint64_t window_s,
                                                       std::size_t parts) {
    const std::lock_guard lock(mutex_);
    const auto generation = history.generation();
    if (!window_ || generation != generation_ || window_s != window_s_ || parts != parts_) {
        window_ = nullptr;  // before the next one is made: each is as large as all endpoints
        window_ = std::make_shared<const HistoryWindow>(history.window(window_s, parts));
        generation_ = generation;
        window_s_ = window_s;
        parts_ = parts;
    }
    return window_;
}

Response endpoints_answer(const History& history, SharedWindow& windows, const Request& request) {
    Parameters parameters(request, {"window_s", "parts", "sort", "limit", "offset", "rows", "group", "service", "route",
                                    "method", "side", "port", "q"});
    const auto window_s = parameters.number("window_s", 60, 5, 3600);
    const auto parts = parameters.number("parts", 30, 1, 360);
    const auto sort =
        parameters.choice("sort", {"pain", "rate", "errors", "p50", "p95", "p99", "queue", "cpu", "name"});
    const auto limit = parameters.number("limit", limit_default, 1, limit_most);
    const auto offset = parameters.number("offset", 0, 0, offset_most);
    const auto shape = parameters.choice("rows", {"full", "brief"});
    const auto group = parameters.choice("group", {"endpoint", "service"});
    const EndpointFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());

    const auto shared = windows.get(history, window_s, parts);
    const auto& window = *shared;
    const auto past = history.past_hour();
    std::vector<Row> rows;
    for (const auto& endpoint : window.endpoints) {
        if (!filter.matches(endpoint.key)) continue;
        const auto usual = past->cells.find(endpoint.id);
        rows.push_back({&endpoint, usual == past->cells.end() ? nullptr : &usual->second});
    }
    ServiceSums services;
    if (group == "service") rows = services.of(rows);
    sort_rows(rows, sort);
    const auto span_s = static_cast<double>(window.to_s - window.from_s);
    json::array list;
    for (auto i = offset; i < rows.size() && list.size() < limit; ++i)
        list.push_back(shape == "brief" ? brief_row_json(rows[i], span_s)
                                        : row_json(rows[i], span_s, static_cast<double>(past->covered_s)));
    return json_answer({{"time", history.unix_time_s(window.to_s)},
                        {"window_s", window.to_s - window.from_s},
                        {"part_s", window.step_s},
                        {"complete", window.complete},
                        {"past_hour_s", past->covered_s},
                        {"transactions", history.last_number()},
                        {"total", rows.size()},
                        {"offset", offset},
                        {"sum", sum_json(rows, span_s)},
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
