#include "agent/command/top_data.hpp"

#include <algorithm>
#include <cstdlib>

#include "agent/command/agent_client.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

double share_percent(const json::object& row, std::string_view phase) {
    const auto* phases = object_at(row, "phases");
    const auto* one = phases != nullptr ? object_at(*phases, phase) : nullptr;
    return one != nullptr ? 100 * number_at(*one, "share") : -1;
}

std::uint64_t whole(const json::object& row, std::string_view key) {
    return static_cast<std::uint64_t>(std::max(0.0, number_at(row, key)));
}

TopEndpoint endpoint_of(const json::object& row) {
    TopEndpoint out;
    out.service = text_at(row, "service");
    const auto method = text_at(row, "method"), route = text_at(row, "route");
    out.endpoint = (method.empty() ? "-" : method) + " " + (route.empty() ? "-" : route);
    out.server = text_at(row, "side") == "server";
    out.rate_per_s = number_at(row, "rate_per_s");
    out.error_percent = 100 * number_at(row, "error_share");
    out.p50_ns = whole(row, "p50_ns");
    out.p95_ns = whole(row, "p95_ns");
    out.p99_ns = whole(row, "p99_ns");
    if (const auto* past = object_at(row, "past_hour"); past != nullptr && number_at(*past, "p95_ns") > 0)
        out.slower = number_at(row, "p95_ns") / number_at(*past, "p95_ns");
    out.queue_percent = share_percent(row, "queue");
    out.cpu_percent = share_percent(row, "cpu");
    out.runqueue_percent = share_percent(row, "runqueue");
    out.blocked_percent = share_percent(row, "blocked");
    for (const auto& count : array_at(row, "sparkline")) out.sparkline.push_back(count.to_number<double>());
    return out;
}

// A metric of a process: one number, or the sum over its variants ("user" and "system", …).
double metric(const json::object& metrics, std::string_view name, std::string_view variant = {}) {
    const auto* value = metrics.if_contains(name);
    if (value == nullptr) return 0;
    if (value->is_number()) return value->to_number<double>();
    double sum = 0;
    if (value->is_object())
        for (const auto& [key, number] : value->as_object())
            if ((variant.empty() || key == variant) && number.is_number()) sum += number.to_number<double>();
    return sum;
}

}  // namespace

TopData::TopData(const TopOptions& options)
    : agent_(options.agent), own_port_(std::atoi(agent_.address.substr(agent_.address.rfind(':') + 1).c_str())) {}

Status TopData::refresh(TopState& state) {
    const auto health = ask_agent(agent_, "/health/detailed");
    if (!health) return health.error();
    state.health = text_at(*health, "state");
    const auto losses = ask_agent(agent_, "/api/v1/losses");
    if (!losses) return losses.error();
    state.lost = whole(*losses, "lost_total");
    return state.view == TopView::processes ? refresh_processes(state) : refresh_endpoints(state);
}

Status TopData::refresh_endpoints(TopState& state) {
    auto target = "/api/v1/endpoints?limit=500&parts=30&window_s=" + std::to_string(state.window_s) +
                  "&sort=" + state.sort + "&side=" + state.side;
    if (!state.filter.empty()) target += "&q=" + url_encode(state.filter);
    const auto answer = ask_agent(agent_, target);
    if (!answer) return answer.error();
    state.transactions = whole(*answer, "transactions");
    state.total = whole(*answer, "total");
    state.endpoints.clear();
    for (const auto& row : array_at(*answer, "endpoints")) {
        if (!row.is_object()) continue;
        const auto& object = row.as_object();
        const bool is_own =
            text_at(object, "side") == "client" && static_cast<int>(number_at(object, "port")) == own_port_;
        if (is_own)
            --state.total;
        else
            state.endpoints.push_back(endpoint_of(object));
    }
    return done();
}

Status TopData::refresh_processes(TopState& state) {
    const auto answer = ask_agent(agent_, "/api/v1/processes");
    if (!answer) return answer.error();
    const auto now = std::chrono::steady_clock::now();
    std::map<std::string, TopProcess> fresh;
    for (const auto& one : array_at(*answer, "processes")) {
        if (!one.is_object()) continue;
        const auto& object = one.as_object();
        const auto* metrics = object_at(object, "metrics");
        if (metrics == nullptr) continue;
        TopProcess row;
        row.pid = text_at(object, "process_pid");
        row.name = text_at(object, "process_executable_name");
        row.service = text_at(object, "service_name");
        row.resident_bytes = metric(*metrics, "process_memory_usage_bytes");
        row.threads = metric(*metrics, "process_threads");
        row.descriptors = metric(*metrics, "process_open_fds");
        if (row.threads == 0) continue;  // it has ended, or only its listening sockets are known
        const Counters counters{metric(*metrics, "process_cpu_time_seconds_total"),
                                metric(*metrics, "process_network_io_bytes_total", "receive"),
                                metric(*metrics, "process_network_io_bytes_total", "transmit"),
                                metric(*metrics, "process_disk_io_bytes_total"), now};
        auto& last = counters_[row.pid];
        const auto known = shown_.find(row.pid);
        // the agent reads every few seconds: between two readings the rates stand
        if (known != shown_.end() && last.cpu_s == counters.cpu_s && last.received == counters.received &&
            last.sent == counters.sent && last.disk == counters.disk && now - last.at < std::chrono::seconds(30)) {
            row.cpu_percent = known->second.cpu_percent;
            row.received_per_s = known->second.received_per_s;
            row.sent_per_s = known->second.sent_per_s;
            row.disk_per_s = known->second.disk_per_s;
        } else {
            if (known != shown_.end()) {
                const auto span_s = std::chrono::duration<double>(now - last.at).count();
                row.cpu_percent = 100 * std::max(0.0, counters.cpu_s - last.cpu_s) / span_s;
                row.received_per_s = std::max(0.0, counters.received - last.received) / span_s;
                row.sent_per_s = std::max(0.0, counters.sent - last.sent) / span_s;
                row.disk_per_s = std::max(0.0, counters.disk - last.disk) / span_s;
            }
            last = counters;
        }
        const bool wanted = state.filter.empty() || row.name.find(state.filter) != std::string::npos ||
                            row.service.find(state.filter) != std::string::npos;
        if (wanted) fresh.emplace(row.pid, std::move(row));
    }
    for (auto at = counters_.begin(); at != counters_.end();)
        at = fresh.contains(at->first) ? ++at : counters_.erase(at);
    state.processes.clear();
    for (const auto& [pid, row] : fresh) state.processes.push_back(row);
    std::sort(state.processes.begin(), state.processes.end(), [](const TopProcess& a, const TopProcess& b) {
        return a.cpu_percent != b.cpu_percent ? a.cpu_percent > b.cpu_percent : a.resident_bytes > b.resident_bytes;
    });
    shown_ = std::move(fresh);
    return done();
}

}  // namespace sonde
