#include "agent/command/endpoint_table.hpp"

#include <algorithm>
#include <cstdio>

namespace sonde {
namespace {

// Beyond this many the busiest of an interval are still there: the map is emptied when it is full.
constexpr std::size_t max_endpoints = 2000;
constexpr int service_width = 18;
constexpr int numbers_width = 46;
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

// Columns of a terminal that the text takes: UTF-8 continuation bytes take none.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string safe(std::string_view text) {
    std::string out(text);
    for (auto& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
    return out;
}

std::string padded(std::string text, int width, bool right = false) {
    const auto wide = static_cast<std::size_t>(width);
    if (width_of(text) > wide) text = text.substr(0, wide > 0 ? wide - 1 : 0) + "…";
    const auto fill = std::string(wide - std::min(wide, width_of(text)), ' ');
    return right ? fill + text : text + fill;
}

std::string numbers(const EndpointRow& row) {
    const auto queue = row.queue_percent < 0 ? std::string("-") : format("%.0f%%", row.queue_percent);
    return padded(format("%.1f", row.rate_per_s), 8, true) + padded(format("%.1f%%", row.error_percent), 7, true) +
           padded(readable_duration(row.p50_ns), 8, true) + padded(readable_duration(row.p95_ns), 8, true) +
           padded(readable_duration(row.p99_ns), 8, true) + padded(queue, 7, true);
}

std::string readable_time(double seconds) {
    const auto whole = static_cast<unsigned long>(seconds);
    return whole < 60 ? format("%lu s", whole) : format("%lu min %02lu s", whole / 60, whole % 60);
}

}  // namespace

std::string readable_duration(std::uint64_t duration_ns) {
    const auto us = static_cast<double>(duration_ns) / 1e3;
    if (us < 999.5) return format("%.0f µs", us);
    if (us < 9950) return format("%.1f ms", us / 1e3);
    if (us < 999500) return format("%.0f ms", us / 1e3);
    return us < 99.5e6 ? format("%.1f s", us / 1e6) : format("%.0f s", us / 1e6);
}

void EndpointTable::observe(const Transaction& t) {
    Key key{t.side, t.service.data(), t.route.data(), std::string(t.method.view())};
    auto at = endpoints_.find(key);
    if (at == endpoints_.end()) {
        if (endpoints_.size() >= max_endpoints) endpoints_.clear();
        at = endpoints_.emplace(std::move(key), std::make_unique<Endpoint>()).first;
        at->second->service = t.service;
        at->second->route = t.route;
    }
    auto& endpoint = *at->second;
    ++endpoint.count;
    if (t.outcome != Outcome::ok) ++endpoint.errors;
    endpoint.durations.add(t.duration_ns);
    if (const auto queue = t.phase_ns[static_cast<std::size_t>(Phase::queue)]; queue != unobserved_ns) {
        endpoint.queue_ns += static_cast<std::uint64_t>(queue);
        endpoint.time_ns += t.duration_ns;
        ++endpoint.queue_seen;
    }
}

std::vector<EndpointRow> EndpointTable::snapshot_and_reset(double interval_s) {
    std::vector<EndpointRow> rows;
    for (auto& [key, endpoint] : endpoints_) {
        auto& e = *endpoint;
        if (e.count == 0) continue;
        EndpointRow row;
        row.side = key.side;
        row.service = e.service;
        row.method = key.method;
        row.route = e.route;
        row.rate_per_s = static_cast<double>(e.count) / interval_s;
        row.error_percent = 100.0 * static_cast<double>(e.errors) / static_cast<double>(e.count);
        row.p50_ns = e.durations.quantile(0.5);
        row.p95_ns = e.durations.quantile(0.95);
        row.p99_ns = e.durations.quantile(0.99);
        if (e.queue_seen > 0 && e.time_ns > 0)
            row.queue_percent = 100.0 * static_cast<double>(e.queue_ns) / static_cast<double>(e.time_ns);
        rows.push_back(std::move(row));
        e.count = e.errors = e.time_ns = e.queue_ns = e.queue_seen = 0;
        e.durations.reset();
    }
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        if (a.side != b.side) return a.side == Side::server;
        if (a.rate_per_s != b.rate_per_s) return a.rate_per_s > b.rate_per_s;
        return a.route < b.route;
    });
    return rows;
}

std::string EndpointTable::render(const std::vector<EndpointRow>& rows, const TableHeader& header, int columns,
                                  int lines, bool colour) {
    const auto paint = [&](const char* style) { return colour ? style : ""; };
    const int route_width = std::max(12, columns - service_width - numbers_width - 5);
    std::string out =
        format("%ssonde%s  up %s  %llu transactions  ", paint(bold), paint(plain),
               readable_time(header.uptime_s).c_str(), static_cast<unsigned long long>(header.transactions));
    out += format("%s%llu lost%s\n\n", header.lost > 0 ? paint(red) : "", static_cast<unsigned long long>(header.lost),
                  header.lost > 0 ? paint(plain) : "");
    out += paint(dim);
    out += padded("SERVICE", service_width) + " " + padded("", 4) + padded("ENDPOINT", route_width) +
           padded("RATE/s", 8, true) + padded("ERR", 7, true) + padded("P50", 8, true) + padded("P95", 8, true) +
           padded("P99", 8, true) + padded("QUEUE", 7, true) + "\n";
    out += paint(plain);
    int left = std::max(1, lines - 5);
    for (const auto& row : rows) {
        if (left-- == 0) break;
        out += padded(safe(row.service), service_width) + " " + (row.side == Side::server ? "in  " : "out ") +
               padded(safe(row.method + " " + std::string(row.route)), route_width);
        if (row.error_percent > 0) out += paint(red);
        out += numbers(row);
        if (row.error_percent > 0) out += paint(plain);
        out += '\n';
    }
    if (rows.empty()) out += "no HTTP requests in this interval\n";
    return out;
}

std::vector<std::string> EndpointTable::render_lines(const std::vector<EndpointRow>& rows) {
    std::vector<std::string> out;
    for (const auto& row : rows)
        out.push_back(padded(safe(row.service), service_width) + (row.side == Side::server ? " in  " : " out ") +
                      padded(safe(row.method + " " + std::string(row.route)), 28) +
                      padded(format("%.1f/s", row.rate_per_s), 10, true) + "  err " +
                      format("%.1f%%", row.error_percent) + "  p50 " + readable_duration(row.p50_ns) + "  p95 " +
                      readable_duration(row.p95_ns) + "  p99 " + readable_duration(row.p99_ns) +
                      (row.queue_percent < 0 ? "" : format("  queue %.0f%%", row.queue_percent)));
    return out;
}

}  // namespace sonde
