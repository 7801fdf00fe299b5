#include "agent/command/endpoint_table.hpp"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "agent/command/terminal_text.hpp"

namespace sonde {
namespace {

constexpr std::string_view rest_name = "{other}";
constexpr std::size_t side_width = 4;
constexpr std::size_t numbers_width = 43;  // as numbers() makes it
constexpr std::size_t service_width_narrow = 14;
constexpr std::size_t service_width_max = 32;
constexpr std::size_t columns_min = 64;
constexpr int lines_around = 4;  // header, empty line, titles, "… and N more"

constexpr const char* dim = "\x1b[2m";
constexpr const char* red = "\x1b[31m";
constexpr const char* bold = "\x1b[1m";
constexpr const char* plain = "\x1b[0m";

template <typename... Args>
std::string format(const char* pattern, Args... args) {
    const int n = std::snprintf(nullptr, 0, pattern, args...);
    std::string text(static_cast<std::size_t>(n), '\0');
    std::snprintf(text.data(), text.size() + 1, pattern, args...);
    return text;
}

std::string endpoint_text(const EndpointRow& row) { return printable(row.method + " " + std::string(row.route)); }

std::string numbers(const EndpointRow& row) {
    return fit_right(readable_rate(row.rate_per_s), 7) + fit_right(readable_percent(row.error_percent), 5) +
           fit_right(readable_duration(row.p50_ns), 8) + fit_right(readable_duration(row.p95_ns), 8) +
           fit_right(readable_duration(row.p99_ns), 8) +
           fit_right(row.queue_percent < 0 ? "-" : readable_percent(row.queue_percent), 7);
}

std::string titles() {
    return fit_right("RATE/s", 7) + fit_right("ERR%", 5) + fit_right("p50", 8) + fit_right("p95", 8) +
           fit_right("p99", 8) + fit_right("QUEUE%", 7);
}

std::string line_of(std::string_view service, std::string_view endpoint, std::string_view side,
                    std::size_t service_width, std::size_t route_width) {
    return fit_left(service, service_width) + " " + fit_left(endpoint, route_width) + " " + fit_left(side, side_width);
}

std::string side_text(Side side) { return side == Side::server ? "in" : "out"; }

std::string readable_uptime(double seconds) {
    const auto whole = static_cast<unsigned long>(seconds);
    if (whole < 60) return format("%lu s", whole);
    if (whole < 3600) return format("%lu min %02lu s", whole / 60, whole % 60);
    return format("%lu h %02lu min", whole / 3600, whole / 60 % 60);
}

std::size_t widest_service(const std::vector<EndpointRow>& rows) {
    std::size_t width = std::string_view("SERVICE").size();
    for (const auto& row : rows) width = std::max(width, row.service.size());
    return width;
}

}  // namespace

std::size_t EndpointTable::KeyHash::operator()(const Key& key) const {
    const std::hash<std::string_view> hash;
    return (hash(key.service) * 31 + hash(key.route)) * 31 + hash(key.method.view()) * 2 +
           static_cast<std::size_t>(key.side);
}

EndpointTable::Endpoint& EndpointTable::endpoint_of(const Transaction& transaction) {
    const Key key{transaction.side, transaction.service, transaction.route, transaction.method};
    if (const auto at = endpoints_.find(key); at != endpoints_.end()) return *at->second;
    if (endpoints_.size() >= max_endpoints_) return rest_;
    return *endpoints_.emplace(key, std::make_unique<Endpoint>()).first->second;
}

void EndpointTable::observe(const Transaction& transaction) {
    auto& endpoint = endpoint_of(transaction);
    ++endpoint.count;
    if (transaction.outcome == Outcome::error) ++endpoint.errors;
    endpoint.durations.add(transaction.duration_ns);
    const auto queue_ns = transaction.phase_ns[static_cast<std::size_t>(Phase::queue)];
    if (queue_ns == unobserved_ns) return;
    endpoint.queue_ns += static_cast<std::uint64_t>(queue_ns);
    endpoint.time_ns += transaction.duration_ns;
    endpoint.queue_seen = true;
}

EndpointRow EndpointTable::take(const Key& key, Endpoint& endpoint, double interval_s) {
    EndpointRow row;
    row.side = key.side;
    row.service = key.service;
    row.method = key.method.view();
    row.route = key.route;
    const auto count = static_cast<double>(endpoint.count);
    row.rate_per_s = interval_s > 0 ? count / interval_s : 0;
    row.error_percent = 100.0 * static_cast<double>(endpoint.errors) / count;
    row.p50_ns = endpoint.durations.quantile(0.5);
    row.p95_ns = endpoint.durations.quantile(0.95);
    row.p99_ns = endpoint.durations.quantile(0.99);
    if (endpoint.queue_seen && endpoint.time_ns > 0)
        row.queue_percent = 100.0 * static_cast<double>(endpoint.queue_ns) / static_cast<double>(endpoint.time_ns);
    endpoint = {};
    return row;
}

std::vector<EndpointRow> EndpointTable::snapshot_and_reset(double interval_s) {
    std::vector<EndpointRow> rows;
    const bool full = endpoints_.size() >= max_endpoints_;
    for (auto at = endpoints_.begin(); at != endpoints_.end();) {
        if (at->second->count == 0 && full) {
            at = endpoints_.erase(at);
            continue;
        }
        if (at->second->count > 0) rows.push_back(take(at->first, *at->second, interval_s));
        ++at;
    }
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        if (a.side != b.side) return a.side == Side::server;
        if (a.rate_per_s != b.rate_per_s) return a.rate_per_s > b.rate_per_s;
        return std::tie(a.service, a.route, a.method) < std::tie(b.service, b.route, b.method);
    });
    if (rest_.count > 0) {
        Key rest;
        rest.service = rest.route = rest_name;
        rest.method.assign("*");
        rows.push_back(take(rest, rest_, interval_s));
    }
    return rows;
}

std::string EndpointTable::render(const std::vector<EndpointRow>& rows, const TableHeader& header, int columns,
                                  int lines, bool colour) {
    const auto paint = [&](const char* style) { return colour ? style : ""; };
    const auto width = std::max(columns_min, static_cast<std::size_t>(std::max(0, columns)));
    const auto free = width - numbers_width - side_width - 2;
    const auto service_width =
        std::min({widest_service(rows), service_width_max, std::max(service_width_narrow * free / 31, std::size_t{7})});
    const auto route_width = free - service_width;

    auto out = format("%ssonde%s  up %s  %llu transactions  ", paint(bold), paint(plain),
                      readable_uptime(header.uptime_s).c_str(), static_cast<unsigned long long>(header.transactions));
    const auto* lost_style = header.lost > 0 ? paint(red) : "";
    out += format("%s%llu lost%s%s%s\n\n", lost_style, static_cast<unsigned long long>(header.lost),
                  header.lost > 0 ? paint(plain) : "", header.console.empty() ? "" : "  ", header.console.c_str());
    out += paint(dim) + line_of("SERVICE", "METHOD ROUTE", "SIDE", service_width, route_width) + titles() +
           paint(plain) + "\n";
    if (rows.empty()) out += "no HTTP requests in this interval\n";
    const auto room = static_cast<std::size_t>(std::max(1, lines - lines_around - 1));  // the cursor's line stays free
    const auto shown = std::min(rows.size(), room);
    for (std::size_t i = 0; i < shown; ++i) {
        const auto& row = rows[i];
        const bool bad = row.error_percent > 0;
        out += line_of(printable(row.service), endpoint_text(row), side_text(row.side), service_width, route_width);
        out += (bad ? paint(red) : "") + numbers(row) + (bad ? paint(plain) : "") + "\n";
    }
    if (shown < rows.size()) out += format("… and %zu more\n", rows.size() - shown);
    return out;
}

std::vector<std::string> EndpointTable::render_lines(const std::vector<EndpointRow>& rows) {
    std::vector<std::string> out;
    if (rows.empty()) return out;
    const auto service_width = widest_service(rows);
    std::size_t route_width = std::string_view("METHOD ROUTE").size();
    for (const auto& row : rows) route_width = std::max(route_width, row.method.size() + 1 + row.route.size());
    out.push_back(line_of("SERVICE", "METHOD ROUTE", "SIDE", service_width, route_width) + titles());
    for (const auto& row : rows)
        out.push_back(
            line_of(printable(row.service), endpoint_text(row), side_text(row.side), service_width, route_width) +
            numbers(row));
    return out;
}

}  // namespace sonde
