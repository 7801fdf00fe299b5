#include "agent/alert/alert_gauges.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

namespace sonde {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Families whose growth some signal asks for; those that begin with one of these names.
constexpr std::array<std::string_view, 7> counted_families{
    "system_cpu_time_seconds_total",   "system_memory_oom_kills_total",
    "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total",
    "container_oom_events_total",      "sonde_service_cpu_seconds_total",
    "sonde_log_records_total"};
constexpr const char* lost_series = "own_loss";
constexpr const char* websocket_family = "sonde_websocket_connections";
constexpr double seconds_per_minute = 60;

std::string_view label(const ClientMetric& metric, std::string_view name) {
    for (const auto& each : metric.label)
        if (each.name == name) return each.value;
    return {};
}

double value_of(const MetricFamily& family, const ClientMetric& metric) {
    return family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
}

// What people call a container: its unit, its id's beginning, or the cgroup.
AlertLabels container_labels(const ClientMetric& metric) {
    constexpr std::size_t short_id = 12;
    if (const auto id = label(metric, "container_id"); !id.empty())
        return {{"container", std::string(id.substr(0, short_id))}};
    if (const auto unit = label(metric, "unit"); !unit.empty()) return {{"container", std::string(unit)}};
    return {{"container", std::string(label(metric, "id"))}};
}

// The labels that tell alerts apart, under the names that transactions' alerts have.
AlertLabels alert_labels(std::string_view family, const ClientMetric& metric) {
    if (family.starts_with("container_")) return container_labels(metric);
    for (const auto* name : {"service_name", "service"})
        if (const auto service = label(metric, name); !service.empty()) return {{"service", std::string(service)}};
    return {};
}

std::string series_of(std::string_view family, const AlertLabels& labels) {
    std::string series(family);
    for (const auto& [name, value] : labels) series += "\n" + value;
    return series;
}

bool in_scope(const AlertRule& rule, const AlertLabels& labels) {
    if (rule.services.empty()) return true;
    for (const auto& [name, value] : labels)
        if (name == "service") return alert_text_matches(rule.services, value);
    return false;
}

bool is_error(std::string_view level) { return level == "error" || level == "fatal"; }

}  // namespace

void AlertCounter::add(std::uint64_t now_s, double total) {
    if (values_.empty()) {
        values_.push_back({now_s, 0});
        last_total_ = total;
        return;
    }
    if (now_s <= values_.back().at_s) return;
    const auto grown = values_.back().grown + (total >= last_total_ ? total - last_total_ : total);
    last_total_ = total;
    // between the newest and what is kept lies a step at least: an hour is no more than 720 values
    if (values_.size() > 1 && values_.back().at_s - values_[values_.size() - 2].at_s < step_s) values_.pop_back();
    values_.push_back({now_s, grown});
    while (values_.size() > 2 && values_[1].at_s + keep_s < now_s) values_.pop_front();
}

// The newest value that is as old as the window, else the oldest.
const AlertCounter::Value* AlertCounter::at(std::uint64_t now_s, std::uint64_t window_s) const {
    if (values_.size() < 2) return nullptr;
    const auto begin = now_s > window_s ? now_s - window_s : 0;
    const auto after = std::upper_bound(values_.begin(), values_.end(), begin,
                                        [](std::uint64_t at_s, const Value& value) { return at_s < value.at_s; });
    const auto& found = after == values_.begin() ? values_.front() : *std::prev(after);
    return &found == &values_.back() ? nullptr : &found;
}

std::optional<double> AlertCounter::increase(std::uint64_t now_s, std::uint64_t window_s) const {
    const auto* then = at(now_s, window_s);
    if (then == nullptr) return std::nullopt;
    return values_.back().grown - then->grown;
}

double AlertCounter::span_s(std::uint64_t now_s, std::uint64_t window_s) const {
    const auto* then = at(now_s, window_s);
    return then == nullptr ? 0 : static_cast<double>(values_.back().at_s - then->at_s);
}

void AlertGauges::count(const std::string& series, double total) {
    if (counters_.size() >= counters_max && counters_.find(series) == counters_.end()) return;
    counters_[series].add(now_.now_s, total);
}

void AlertGauges::update(const AlertInputs& inputs) {
    now_ = inputs;
    count(lost_series, static_cast<double>(inputs.records_lost));
    if (inputs.resources && inputs.resources != counted_) {
        counted_ = inputs.resources;
        update_resources(*inputs.resources);
    }
    update_resources(inputs.more);
    for (const auto& change : inputs.changes) changes_.push_front({inputs.now_s, change});
    while (changes_.size() > changes_max || (!changes_.empty() && changes_.back().at_s + 3600 < inputs.now_s))
        changes_.pop_back();
    // series that are gone for an hour say nothing any more
    std::erase_if(counters_, [&](const auto& entry) { return entry.second.seen_s() + 3600 < inputs.now_s; });
}

void AlertGauges::update_resources(const std::vector<Family>& families) {
    for (const auto& family : families) {
        if (std::find(counted_families.begin(), counted_families.end(), family.name) == counted_families.end())
            continue;
        std::map<std::string, double> totals;
        for (const auto& metric : family.metric) {
            auto labels = alert_labels(family.name, metric);
            if (const auto mode = label(metric, "cpu_mode"); !mode.empty()) labels.emplace_back("mode", mode);
            if (const auto level = label(metric, "level"); !level.empty() && !is_error(level)) continue;
            totals[series_of(family.name, labels)] += value_of(family, metric);
        }
        for (const auto& [series, total] : totals) count(series, total);
    }
}

const MetricFamily* AlertGauges::family(std::string_view name) const {
    const auto find = [&](const std::vector<Family>& families) -> const Family* {
        for (const auto& family : families)
            if (family.name == name) return &family;
        return nullptr;
    };
    if (now_.resources)
        if (const auto* found = find(*now_.resources); found != nullptr) return found;
    return find(now_.more);
}

const AlertCounter* AlertGauges::counter(const std::string& series) const {
    const auto found = counters_.find(series);
    return found == counters_.end() ? nullptr : &found->second;
}

std::vector<AlertReading> AlertGauges::node_cpu(const AlertRule& rule) const {
    constexpr std::array<const char*, 7> modes{"user", "nice", "system", "idle", "iowait", "interrupt", "steal"};
    double all = 0, idle = 0;
    for (const std::string mode : modes) {
        const auto* series = counter("system_cpu_time_seconds_total\n" + mode);
        const auto grown = series != nullptr ? series->increase(now_.now_s, rule.window_s) : std::nullopt;
        if (!grown) continue;
        all += *grown;
        if (mode == "idle" || mode == "iowait") idle += *grown;
    }
    if (all <= 0) return {};
    return {{{}, 1 - idle / all}};
}

std::vector<AlertReading> AlertGauges::memory(const AlertRule& rule) const {
    std::vector<AlertReading> out;
    const auto scope = rule.effective_scope();
    if (scope == AlertScope::node) {
        const auto* limit = family("system_memory_limit_bytes");
        const auto* available = family("system_memory_linux_available_bytes");
        if (limit == nullptr || available == nullptr || limit->metric.empty() || available->metric.empty()) return out;
        const auto all = limit->metric.front().gauge.value;
        if (all > 0) out.push_back({{}, 1 - available->metric.front().gauge.value / all});
        return out;
    }
    const auto* use =
        family(scope == AlertScope::service ? "sonde_service_memory_bytes" : "container_memory_working_set_bytes");
    if (use == nullptr) return out;
    const auto* limits = family("container_spec_memory_limit_bytes");
    for (const auto& metric : use->metric) {
        auto labels = alert_labels(use->name, metric);
        if (scope == AlertScope::service) {
            if (in_scope(rule, labels)) out.push_back({std::move(labels), metric.gauge.value});
            continue;
        }
        if (limits == nullptr) break;
        for (const auto& limit : limits->metric)
            if (label(limit, "id") == label(metric, "id") && limit.gauge.value > 0) {
                out.push_back({std::move(labels), metric.gauge.value / limit.gauge.value});
                break;
            }
    }
    return out;
}

std::vector<AlertReading> AlertGauges::disk() const {
    std::vector<AlertReading> out;
    const auto* usage = family("system_filesystem_usage_bytes");
    if (usage == nullptr) return out;
    struct Space {
        double used = 0, free = 0;
    };
    std::map<std::string, Space> spaces;
    for (const auto& metric : usage->metric) {
        auto& space = spaces[std::string(label(metric, "system_filesystem_mountpoint"))];
        const auto state = label(metric, "system_filesystem_state");
        if (state == "used") space.used = metric.gauge.value;
        if (state == "free") space.free = metric.gauge.value;
    }
    // as df does: what is reserved for root is neither
    for (const auto& [mountpoint, space] : spaces)
        if (space.used + space.free > 0)
            out.push_back({{{"mountpoint", mountpoint}}, space.used / (space.used + space.free)});
    return out;
}

std::vector<AlertReading> AlertGauges::descriptors() const {
    std::vector<AlertReading> out;
    const auto* open = family("process_open_fds");
    if (open == nullptr || !descriptor_limit_) return out;
    for (const auto& metric : open->metric) {
        const auto pid_text = label(metric, "process_pid");
        std::uint32_t pid = 0;
        if (std::from_chars(pid_text.data(), pid_text.data() + pid_text.size(), pid).ec != std::errc{}) continue;
        const auto limit = descriptor_limit_(pid);
        if (limit <= 0) continue;
        AlertLabels labels{{"pid", std::string(pid_text)}};
        if (const auto service = label(metric, "service_name"); !service.empty())
            labels.emplace_back("service", service);
        out.push_back({std::move(labels), metric.gauge.value / limit});
    }
    return out;
}

std::vector<AlertReading> AlertGauges::ratio(const char* part, const char* whole, const AlertRule& rule) const {
    std::vector<AlertReading> out;
    const auto* wholes = family(whole);
    if (wholes == nullptr) return out;
    for (const auto& metric : wholes->metric) {
        auto labels = alert_labels(whole, metric);
        const auto* all = counter(series_of(whole, labels));
        const auto* some = counter(series_of(part, labels));
        if (all == nullptr || some == nullptr) continue;
        const auto all_grown = all->increase(now_.now_s, rule.window_s);
        const auto some_grown = some->increase(now_.now_s, rule.window_s);
        if (all_grown && some_grown && *all_grown > 0) out.push_back({std::move(labels), *some_grown / *all_grown});
    }
    return out;
}

// per_s: 0: by how much it grew; else how much of it in so many seconds.
std::vector<AlertReading> AlertGauges::grown(std::string_view family_name, const AlertRule& rule, double per_s) const {
    std::vector<AlertReading> out;
    const std::string prefix(family_name);
    for (auto at = counters_.lower_bound(prefix); at != counters_.end() && at->first.starts_with(prefix); ++at) {
        const auto increase = at->second.increase(now_.now_s, rule.window_s);
        if (!increase || (at->first.size() > prefix.size() && at->first[prefix.size()] != '\n')) continue;
        AlertReading reading;
        const auto name = at->first.size() > prefix.size() ? at->first.substr(prefix.size() + 1) : std::string();
        if (!name.empty()) reading.labels = {{family_name.starts_with("container_") ? "container" : "service", name}};
        const auto span = at->second.span_s(now_.now_s, rule.window_s);
        reading.value = per_s == 0 ? *increase : *increase / span * per_s;
        if (in_scope(rule, reading.labels)) out.push_back(std::move(reading));
    }
    return out;
}

std::vector<AlertReading> AlertGauges::websockets(const AlertRule& rule) const {
    const auto* open = family(websocket_family);
    if (open == nullptr || rule.limit <= 0) return {};
    double sum = 0;
    // both ends of one connection may be on this machine
    for (const auto& metric : open->metric)
        if (label(metric, "side") == "server" && alert_text_matches(rule.services, label(metric, "service_name")))
            sum += metric.gauge.value;
    return {{{}, sum / rule.limit}};
}

std::vector<AlertReading> AlertGauges::happened(const AlertRule& rule, std::string_view kind) const {
    std::map<std::string, double> times;
    for (const auto& [at_s, what] : changes_)
        if (what.change.kind == kind && at_s + rule.window_s > now_.now_s) times[what.service] += 1;
    std::vector<AlertReading> out;
    for (const auto& [service, count] : times) {
        AlertReading reading{service.empty() ? AlertLabels{} : AlertLabels{{"service", service}}, count};
        if (in_scope(rule, reading.labels)) out.push_back(std::move(reading));
    }
    return out;
}

std::vector<AlertReading> AlertGauges::of_the_agent(const AlertRule& rule) const {
    std::vector<AlertReading> out;
    if (rule.signal == AlertSignal::own_loss) {
        const auto* lost = counter(lost_series);
        if (const auto grown = lost != nullptr ? lost->increase(now_.now_s, rule.window_s) : std::nullopt; grown)
            out.push_back({{}, *grown});
    }
    if (rule.signal == AlertSignal::config_failure) out.push_back({{}, now_.config_refused ? 1.0 : 0.0});
    for (const auto& sink : now_.sinks) {
        if (rule.signal == AlertSignal::sink_down) out.push_back({{{"sink", sink.name}}, sink.able ? 0.0 : 1.0});
        if (rule.signal == AlertSignal::queue_fill) out.push_back({{{"sink", sink.name}}, sink.fill});
    }
    return out;
}

std::vector<AlertReading> AlertGauges::read(const AlertRule& rule) const {
    std::vector<AlertReading> out;
    switch (rule.signal) {
        case AlertSignal::cpu:
            if (rule.effective_scope() == AlertScope::service) return grown("sonde_service_cpu_seconds_total", rule, 1);
            return node_cpu(rule);
        case AlertSignal::memory:
            return memory(rule);
        case AlertSignal::disk:
            return disk();
        case AlertSignal::descriptors:
            return descriptors();
        case AlertSignal::throttling:
            return ratio("container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total", rule);
        case AlertSignal::oom_kills:
            return grown(rule.effective_scope() == AlertScope::container ? "container_oom_events_total"
                                                                         : "system_memory_oom_kills_total",
                         rule, 0);
        case AlertSignal::restarts:
            return happened(rule, "restart");
        case AlertSignal::deployments:
            return happened(rule, "deployment");
        case AlertSignal::config_changes:
            return happened(rule, "configuration");
        case AlertSignal::log_errors:
            return grown("sonde_log_records_total", rule, seconds_per_minute);
        case AlertSignal::websocket_connections:
            return websockets(rule);
        case AlertSignal::active_connections:
            if (!std::isnan(now_.connections)) out.push_back({{}, now_.connections});
            return out;
        case AlertSignal::health_probe:
            for (const auto& probe : now_.probes)
                out.push_back({{{"target", probe.target}}, static_cast<double>(probe.failures)});
            return out;
        case AlertSignal::certificate_expiry:
            for (const auto& probe : now_.probes)
                if (!std::isnan(probe.certificate_left_s))
                    out.push_back({{{"target", probe.target}}, probe.certificate_left_s});
            return out;
        default:
            return of_the_agent(rule);
    }
}

std::vector<AlertChange> AlertGauges::changes_of(std::string_view service, std::uint64_t span_s) const {
    std::vector<AlertChange> out;
    for (const auto& [at_s, what] : changes_)
        if (at_s + span_s > now_.now_s && (what.service.empty() || service.empty() || what.service == service))
            out.push_back(what.change);
    return out;
}

}  // namespace sonde
