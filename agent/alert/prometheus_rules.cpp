#include "agent/alert/prometheus_rules.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

namespace sonde {
namespace {

constexpr std::uint32_t rate_window_min_s = 120;

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.10g", value);
    return text.data();
}

std::string range(std::uint32_t seconds) { return "[" + std::to_string(std::max(seconds, rate_window_min_s)) + "s]"; }

// Label matchers of PromQL: quotes and backslashes of regular expressions escaped.
std::string pattern_of(const std::vector<std::string>& texts) {
    std::string out;
    for (const auto& text : texts) {
        if (!out.empty()) out += '|';
        const bool prefix = text.ends_with('*');
        for (const char c : prefix ? text.substr(0, text.size() - 1) : text) {
            if (std::string_view(".+*?()[]{}|^$\\").find(c) != std::string_view::npos) out += "\\\\";
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        if (prefix) out += ".*";
    }
    return out;
}

// The terms of one rule.
class Expression {
public:
    explicit Expression(const AlertRule& rule) : rule_(rule) {
        if (!rule.services.empty()) matchers_ += ",service_name=~\"" + pattern_of(rule.services) + "\"";
        if (!rule.routes.empty()) matchers_ += ",http_route=~\"" + pattern_of(rule.routes) + "\"";
        const auto scope = rule.effective_scope();
        by_ = scope == AlertScope::node      ? "instance"
              : scope == AlertScope::service ? "instance, service_name"
                                             : "instance, service_name, "
                                               "http_route, server_port";
        family_ =
            rule.side == Side::server ? "http_server_request_duration_seconds" : "http_client_request_duration_seconds";
    }

    // Empty: no metric says it.
    [[nodiscard]] std::string text() const {
        const auto value = traits_of(rule_.signal).of_transactions ? of_transactions() : of_metrics();
        if (value.empty()) return {};
        const auto compared =
            value + (rule_.comparison == AlertComparison::above ? " > " : " < ") + number(rule_.threshold);
        if (!traits_of(rule_.signal).of_transactions || rule_.signal == AlertSignal::request_rate ||
            rule_.signal == AlertSignal::burn_rate)
            return compared;
        return "(" + compared + ") and " + sum("increase", family_ + "_count", "", rule_.window_s) +
               " >= " + std::to_string(rule_.min_requests) + slow_enough();
    }

private:
    [[nodiscard]] std::string slow_enough() const {
        if (rule_.min_duration_s == 0) return {};
        return " and " + sum("rate", family_ + "_sum", "", rule_.window_s) + " / " +
               sum("rate", family_ + "_count", "", rule_.window_s) + " >= " + number(rule_.min_duration_s);
    }
    [[nodiscard]] std::string sum(const char* function, const std::string& metric, const std::string& matcher,
                                  std::uint32_t window_s, const std::string& more = {}) const {
        auto all = matcher + matchers_;
        if (all.starts_with(',')) all.erase(0, 1);
        return "sum by (" + by_ + more + ") (" + function + "(" + metric + (all.empty() ? "" : "{" + all + "}") +
               range(window_s) + "))";
    }
    [[nodiscard]] std::string share(const std::string& matcher, std::uint32_t window_s) const {
        return sum("rate", family_ + "_count", matcher, window_s) + " / " +
               sum("rate", family_ + "_count", "", window_s);
    }
    [[nodiscard]] std::string phase_share(const char* phase) const {
        return sum("rate", "sonde_http_server_phase_seconds_sum", std::string("phase=\"") + phase + "\"",
                   rule_.window_s) +
               " / " + sum("rate", family_ + "_sum", "", rule_.window_s);
    }
    [[nodiscard]] std::string quantile(const char* q) const {
        return std::string("histogram_quantile(") + q + ", " +
               sum("rate", family_ + "_bucket", "", rule_.window_s, ", le") + ")";
    }
    [[nodiscard]] std::string burn(std::uint32_t window_s) const {
        const auto budget = number(1 - rule_.objective);
        if (rule_.latency_s == 0)
            return "((" + share("http_response_status_code=~\"5..\"", window_s) + ") / " + budget + ")";
        return "((1 - " + sum("rate", family_ + "_bucket", "le=\"" + number(rule_.latency_s) + "\"", window_s) + " / " +
               sum("rate", family_ + "_count", "", window_s) + ") / " + budget + ")";
    }
    [[nodiscard]] std::string of_transactions() const {
        switch (rule_.signal) {
            case AlertSignal::request_rate:
                return sum("rate", family_ + "_count", "", rule_.window_s);
            case AlertSignal::error_share:
                return share("http_response_status_code=~\"5..\"", rule_.window_s);
            case AlertSignal::status_share:
                return share("http_response_status_code=~\"" + std::to_string(rule_.status_class) + "..\"",
                             rule_.window_s);
            case AlertSignal::p50:
                return quantile("0.5");
            case AlertSignal::p90:
                return quantile("0.9");
            case AlertSignal::p95:
                return quantile("0.95");
            case AlertSignal::p99:
                return quantile("0.99");
            case AlertSignal::p999:
                return quantile("0.999");
            case AlertSignal::active_requests:
                return sum("rate", family_ + "_sum", "", rule_.window_s);
            case AlertSignal::burn_rate:
                // both windows: the long one over the factor, where the short one is, too
                return "(" + burn(rule_.short_window_s) + " > " + number(rule_.threshold) + ") and " +
                       burn(rule_.long_window_s);
            default:
                break;
        }
        if (rule_.side != Side::server) return {};  // only servers' phases are metrics
        if (rule_.signal == AlertSignal::queue_share) return phase_share("queue");
        if (rule_.signal == AlertSignal::cpu_share) return phase_share("cpu");
        if (rule_.signal == AlertSignal::runqueue_share) return phase_share("runqueue");
        if (rule_.signal == AlertSignal::blocked_share) return phase_share("blocked");
        return {};
    }
    [[nodiscard]] std::string of_metrics() const {
        const auto window = range(rule_.window_s);
        const bool node = rule_.effective_scope() == AlertScope::node;
        switch (rule_.signal) {
            case AlertSignal::active_connections:
                return "sonde_connections";
            case AlertSignal::websocket_connections:
                return rule_.limit > 0
                           ? "sum by (instance) (sonde_websocket_connections{side=\"server\"}) / " + number(rule_.limit)
                           : "";
            case AlertSignal::cpu:
                if (!node)
                    return "sum by (instance, service_name) (rate(sonde_service_cpu_seconds_total" + window + "))";
                return "1 - sum by (instance) (rate(system_cpu_time_seconds_total{cpu_mode=~\"idle|iowait\"}" + window +
                       ")) / sum by (instance) (rate(system_cpu_time_seconds_total" + window + "))";
            case AlertSignal::memory:
                if (node) return "1 - system_memory_linux_available_bytes / system_memory_limit_bytes";
                if (rule_.effective_scope() == AlertScope::service) return "sonde_service_memory_bytes";
                return "container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0)";
            case AlertSignal::disk:
                return "sum by (instance, system_filesystem_mountpoint) "
                       "(system_filesystem_usage_bytes{system_filesystem_state=\"used\"}) / "
                       "sum by (instance, system_filesystem_mountpoint) "
                       "(system_filesystem_usage_bytes{system_filesystem_state=~\"used|free\"})";
            case AlertSignal::throttling:
                return "rate(container_cpu_cfs_throttled_periods_total" + window +
                       ") / rate(container_cpu_cfs_periods_total" + window + ")";
            case AlertSignal::oom_kills:
                return "increase(" +
                       std::string(node ? "system_memory_oom_kills_total" : "container_oom_events_total") + window +
                       ")";
            case AlertSignal::log_errors:
                return "60 * sum by (instance, service) (rate(sonde_log_records_total{level=~\"error|fatal\"}" +
                       window + "))";
            default:
                return of_the_agent(window);
        }
    }
    [[nodiscard]] std::string of_the_agent(const std::string& window) const {
        constexpr std::uint32_t probe_interval_s = 30;
        switch (rule_.signal) {
            case AlertSignal::health_probe: {
                // failures in a row, of probes every 30 s: none succeeded in the time of so many
                const auto failures = static_cast<std::uint32_t>(rule_.threshold) + 1;
                if (failures == 1) return "1 - probe_success";
                return number(rule_.threshold + 1) + " * (max_over_time(probe_success[" +
                       std::to_string(failures * probe_interval_s - probe_interval_s / 2) + "s]) == bool 0)";
            }
            case AlertSignal::certificate_expiry:
                return "probe_ssl_earliest_cert_expiry - time()";
            case AlertSignal::own_loss:
                return "sum by (instance) (increase(sonde_records_lost_total" + window + "))";
            case AlertSignal::sink_down:
                return "1 - sonde_sink_able";
            case AlertSignal::queue_fill:
                return "sonde_queue_size / sonde_queue_capacity";
            case AlertSignal::config_failure:
                return "1 - sonde_config_last_reload_successful";
            case AlertSignal::config_changes:
                return "increase(sonde_config_reloads_total{result=\"applied\"}" + window + ")";
            default:
                return {};
        }
    }

    const AlertRule& rule_;
    std::string matchers_, by_, family_;
};

// {value} and labels as templates of Prometheus.
std::string summary_of(const AlertRule& rule) {
    const auto unit = unit_of(rule.signal, rule.effective_scope());
    const auto* human = unit == AlertUnit::share     ? "humanizePercentage"
                        : unit == AlertUnit::seconds ? "humanizeDuration"
                                                     : "humanize";
    const std::map<std::string, std::string> templates{
        {"{value}", std::string("{{ $value | ") + human + " }}"},
        {"{threshold}", alert_value_text(unit, rule.threshold)},
        {"{route}", "{{ $labels.http_route }}"},
        {"{service}", rule.signal == AlertSignal::log_errors ? "{{ $labels.service }}" : "{{ $labels.service_name }}"},
        {"{port}", "{{ $labels.server_port }}"},
        {"{target}", "{{ $labels.target }}"},
        {"{sink}", "{{ $labels.sink }}"},
        {"{mountpoint}", "{{ $labels.system_filesystem_mountpoint }}"},
        {"{container}", "{{ $labels.id }}"},
        {"{pid}", "{{ $labels.process_pid }}"}};
    auto out = rule.summary.empty() ? std::string(traits_of(rule.signal).name) + " is {value}" : rule.summary;
    for (const auto& [variable, made] : templates)
        for (auto at = out.find(variable); at != std::string::npos; at = out.find(variable, at + made.size()))
            out.replace(at, variable.size(), made);
    return out;
}

// A YAML string in single quotes.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("''") : c == '\n' ? std::string(" ") : std::string(1, c);
    return out + "'";
}

}  // namespace

std::string prometheus_rules(const std::vector<AlertRule>& rules) {
    std::string out =
        "# The agent's own alert rules for Prometheus. Generated: sonde alert rules\n"
        "groups:\n  - name: sonde\n    rules:\n";
    for (const auto& rule : rules) {
        const auto expression = Expression(rule).text();
        if (expression.empty()) {
            out += "      # " + rule.name + ": no metric says it\n";
            continue;
        }
        out += "      - alert: sonde_" + rule.name + "\n        expr: " + quoted(expression) +
               "\n        for: " + std::to_string(rule.for_s) +
               "s\n        labels:\n          severity: " + std::string(to_string(rule.severity)) +
               "\n        annotations:\n          summary: " + quoted(summary_of(rule)) + "\n";
        if (!rule.runbook.empty()) out += "          runbook_url: " + quoted(rule.runbook) + "\n";
    }
    return out;
}

}  // namespace sonde
