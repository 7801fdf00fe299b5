#include "agent/api/machine_api.hpp"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "agent/api/answer.hpp"
#include "agent/http/metrics_handler.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

json::object labels_of(const prometheus::ClientMetric& metric, std::string_view but = {}) {
    json::object labels;
    for (const auto& label : metric.label)
        if (label.name != but) labels[label.name] = valid_utf8(label.value);
    return labels;
}

json::object sample_of(const prometheus::ClientMetric& metric, MetricType type) {
    json::object out{{"labels", labels_of(metric)}};
    if (type != MetricType::Histogram) {
        out["value"] = json_number(type == MetricType::Counter ? metric.counter.value : metric.gauge.value);
        return out;
    }
    json::array buckets;
    for (const auto& bucket : metric.histogram.bucket)
        buckets.push_back({{"le", json_number(bucket.upper_bound)}, {"count", bucket.cumulative_count}});
    out["count"] = metric.histogram.sample_count;
    out["sum"] = json_number(metric.histogram.sample_sum);
    out["buckets"] = std::move(buckets);
    return out;
}

// Of a list with commas; empty ones are none.
std::vector<std::string_view> elements_of(std::string_view list) {
    std::vector<std::string_view> out;
    while (!list.empty()) {
        const auto length = std::min(list.find(','), list.size());
        if (length > 0) out.push_back(list.substr(0, length));
        list.remove_prefix(std::min(length + 1, list.size()));
    }
    return out;
}

Response metrics_answer(const ApiSources& sources, const Request& request) {
    Parameters parameters(request, {"prefix", "limit", "offset"});
    const auto prefixes = elements_of(parameters.text("prefix").value_or(""));
    const auto limit = parameters.number("limit", 5000, 1, 20'000);  // samples
    const auto offset = parameters.number("offset", 0, 0, 1'000'000);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    json::array families;
    std::uint64_t at = 0, shown = 0;
    for (const auto& family : collect_merged(sources.metrics, prefixes)) {
        json::array samples;
        for (const auto& metric : family.metric)
            if (at++ >= offset && shown < limit) {
                samples.push_back(sample_of(metric, family.type));
                ++shown;
            }
        if (samples.empty()) continue;
        const char* type = family.type == MetricType::Counter ? "counter"
                           : family.type == MetricType::Gauge ? "gauge"
                                                              : "histogram";
        families.push_back(
            {{"name", family.name}, {"help", family.help}, {"type", type}, {"samples", std::move(samples)}});
    }
    return json_answer({{"total", at}, {"offset", offset}, {"families", std::move(families)}});
}

// One object per process out of the families process_*: its labels, and each sample by name and further labels.
Response processes_answer(const prometheus::Collectable& resources, const Request& request) {
    Parameters parameters(request, {});
    if (!parameters.error().empty()) return bad_request(parameters.error());
    std::map<std::string, json::object> processes;
    constexpr std::array<std::string_view, 4> identity{"process_pid", "process_executable_name", "service_name",
                                                       "container_id"};
    for (const auto& family : resources.Collect()) {
        if (!family.name.starts_with("process_") || family.type == MetricType::Histogram) continue;
        for (const auto& metric : family.metric) {
            std::string pid, variant;
            for (const auto& label : metric.label) {
                if (label.name == "process_pid") pid = label.value;
                if (std::find(identity.begin(), identity.end(), label.name) == identity.end())
                    variant += (variant.empty() ? "" : ",") + valid_utf8(label.value);
            }
            if (pid.empty()) continue;
            auto& process = processes[pid];
            if (process.empty()) {
                for (const auto& label : metric.label)
                    if (std::find(identity.begin(), identity.end(), label.name) != identity.end())
                        process[label.name] = valid_utf8(label.value);
                process["metrics"] = json::object{};
            }
            auto& metrics = process["metrics"].as_object();
            const auto value =
                json_number(family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value);
            if (variant.empty()) {
                metrics[family.name] = value;
            } else {
                auto& variants = metrics[family.name];
                if (!variants.is_object()) variants = json::object{};
                variants.as_object()[variant] = value;
            }
        }
    }
    json::array list;
    for (auto& [pid, process] : processes) list.push_back(std::move(process));
    return json_answer({{"processes", std::move(list)}});
}

Response losses_answer(const LossMatrix& matrix) {
    json::array rows;
    for (std::size_t type = 1; type < matrix.rows.size(); ++type) {  // 0 is "none"
        const auto& row = matrix.rows[type];
        json::object lost;
        for (std::size_t reason = 0; reason < row.lost.size(); ++reason)
            lost[loss_reason_names[reason]] = row.lost[reason];
        rows.push_back({{"record", record_type_names[type]},
                        {"seen", row.seen},
                        {"delivered", row.delivered},
                        {"lost", std::move(lost)}});
    }
    return json_answer({{"lost_total", matrix.lost_total()}, {"records", std::move(rows)}});
}

Response features_answer(const std::vector<ApiFeature>& features, const std::string& version) {
    json::array list;
    for (const auto& feature : features)
        list.push_back({{"name", feature.name},
                        {"enabled", feature.enabled},
                        {"detail", valid_utf8(feature.detail)},
                        {"without", valid_utf8(feature.without)}});
    return json_answer({{"version", version}, {"features", std::move(list)}});
}

Response health_answer(const HealthReport& report) {
    json::array list;
    for (const auto& component : report.components)
        list.push_back({{"name", component.name},
                        {"state", to_string(component.state)},
                        {"reason", valid_utf8(component.reason)}});
    return json_answer({{"state", to_string(report.state)}, {"components", std::move(list)}},
                       report.state == HealthState::failed ? 503 : 200);
}

json::object history_json(const History& history) {
    const auto stats = history.stats();
    json::object evicted;
    for (std::size_t i = 0; i < kept_as_count; ++i) evicted[kept_as_names[i]] = stats.transactions_evicted[i];
    return {{"bytes", stats.bytes},
            {"endpoints", stats.endpoints},
            {"started", history.unix_time_s(history.started_s())},
            {"slots_evicted",
             {{"1s", stats.slots_evicted_1s}, {"10s", stats.slots_evicted_10s}, {"60s", stats.slots_evicted_60s}}},
            {"overflowed", stats.overflowed},
            {"transactions", stats.transactions},
            {"transactions_evicted", std::move(evicted)},
            {"transactions_not_kept", stats.transactions_not_kept},
            {"late_handovers", stats.late_handovers}};
}

}  // namespace

void add_machine_api(Handlers& handlers, const ApiSources& sources) {
    if (!sources.metrics.empty())
        handlers["/api/v1/metrics"] = [sources](const Request& r) { return metrics_answer(sources, r); };
    if (sources.resources)
        handlers["/api/v1/processes"] = [resources = sources.resources](const Request& r) {
            return processes_answer(*resources, r);
        };
    if (sources.losses)
        handlers["/api/v1/losses"] = [losses = sources.losses](const Request&) { return losses_answer(losses()); };
    if (sources.features)
        handlers["/api/v1/features"] = [features = sources.features, version = sources.version](const Request&) {
            return features_answer(features(), version);
        };
    if (sources.health)
        handlers["/health/detailed"] =
            handlers["/api/v1/health"] = [health = sources.health](const Request&) { return health_answer(health()); };
    if (sources.config)
        handlers["/api/v1/config"] = [config = sources.config](const Request&) { return json_text(config()); };
    if (sources.history != nullptr)
        handlers["/api/v1/history"] = [history = sources.history](const Request&) {
            return json_answer(history_json(*history));
        };
}

}  // namespace sonde
