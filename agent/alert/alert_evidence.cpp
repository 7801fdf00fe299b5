#include "agent/alert/alert_evidence.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>
#include <optional>

namespace sonde {
namespace json = boost::json;
namespace {

constexpr double ns_per_ms = 1e6;
constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::size_t witnesses = 3;
constexpr std::size_t waiting_looked_at = 16, others_looked_at = 2000;
constexpr std::uint64_t hour_s = 3600, changes_span_s = 1800, step_s = 10;
constexpr std::uint32_t count_to_compare = 5;  // fewer transactions are no usual state

// Without Cell::max_ns, which may be older than the window.
double quantile_ms(const Cell& cell, double q) {
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(q * cell.count + 0.5));
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket + 1 < DurationBuckets::count; ++bucket) {
        below += cell.durations[bucket];
        if (below < rank) continue;
        const auto low = DurationBuckets::lower_ns(bucket), high = DurationBuckets::lower_ns(bucket + 1);
        return static_cast<double>(low + (high - low) / 2) / ns_per_ms;
    }
    return static_cast<double>(DurationBuckets::lower_ns(DurationBuckets::count - 1)) / ns_per_ms;
}

AlertFigures figures_of(const Cell& cell, double covered_s) {
    AlertFigures out;
    out.covered_s = covered_s;
    out.count = cell.count;
    if (covered_s > 0) out.rate_per_s = cell.count / covered_s;
    if (cell.count == 0) return out;
    out.error_share = static_cast<double>(cell.errors()) / cell.count;
    out.mean_ms = static_cast<double>(cell.duration_ns) / cell.count / ns_per_ms;
    out.p50_ms = quantile_ms(cell, 0.5);
    out.p95_ms = quantile_ms(cell, 0.95);
    out.p99_ms = quantile_ms(cell, 0.99);
    for (std::size_t phase = 0; phase < phase_count; ++phase)
        if (cell.phase_seen[phase] > 0)
            out.phase_ms[phase] = static_cast<double>(cell.phase_ns[phase]) / cell.phase_seen[phase] / ns_per_ms;
    return out;
}

std::uint64_t number_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_number()) return 0;
    boost::system::error_code error;
    const auto number = value->to_number<std::uint64_t>(error);
    return error ? 0 : number;
}

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Nothing: its phases were not observed, so nobody knows when it was read.
std::optional<WaitingLine> read_line(const KeptTransaction& kept) {
    boost::system::error_code error;
    const auto parsed = json::parse(kept.line, error);
    const auto* line = error ? nullptr : parsed.if_object();
    if (line == nullptr) return std::nullopt;
    WaitingLine out;
    out.server = kept.side == Side::server;
    out.pid = kept.pid;
    out.service = kept.service;
    out.route = kept.route;
    out.begin_ns = kept.time_ns;
    out.end_ns = kept.time_ns + kept.duration_ns;
    out.read_ns = kept.time_ns;
    if (const auto* process = line->if_contains("process"); process != nullptr && process->is_object())
        out.tid = static_cast<std::uint32_t>(number_of(process->get_object(), "tid"));
    if (const auto* phases = line->if_contains("phases"); phases != nullptr && phases->is_object())
        out.read_ns += std::min(kept.duration_ns, number_of(phases->get_object(), "queue_ns"));
    if (const auto* logs = line->if_contains("logs"); logs != nullptr && logs->is_array())
        for (const auto& log : logs->get_array())
            if (log.is_object())
                out.logs.push_back({text_of(log.get_object(), "level"), text_of(log.get_object(), "message")});
    return out;
}

bool is_about_errors(AlertSignal signal) {
    return signal == AlertSignal::error_share || signal == AlertSignal::status_share ||
           signal == AlertSignal::burn_rate || signal == AlertSignal::aborted_share;
}

bool is_bad(const KeptTransaction& t) {
    constexpr std::uint16_t first_error = 500;
    return t.status >= first_error || t.outcome == Outcome::error || t.outcome == Outcome::aborted;
}

class Gatherer {
public:
    Gatherer(const ActiveAlert& alert, const AlertEvidenceSources& sources)
        : alert_(alert), sources_(sources), rule_(*sources.evaluator->rule(alert.info.rule)) {}

    std::shared_ptr<const AlertEvidence> gather() {
        const auto* cell = sources_.evaluator->cell_of(alert_);
        if (cell != nullptr && sources_.history != nullptr) {
            compare(*cell);
            look_at_transactions();
        }
        std::string service;
        for (const auto& [name, value] : alert_.info.labels)
            if (name == "service") service = value;
        evidence_->changes = sources_.evaluator->gauges().changes_of(service, changes_span_s);
        evidence_->link = link();
        return evidence_;
    }

private:
    // The window against what came in the hour before the condition began to hold.
    void compare(const Cell& cell) {
        auto& out = *evidence_;
        out.has_figures = true;
        out.now = figures_of(cell, sources_.evaluator->covered_s(rule_, sources_.now_s));
        const auto holds_s = (sources_.now_ns - std::min(sources_.now_ns, alert_.info.since_ns)) / ns_per_s;
        const auto trouble_s = sources_.now_s - std::min(sources_.now_s, holds_s + rule_.window_s);
        Cell before;
        std::uint64_t first_s = 0;
        for (const auto& point : sources_.history->series(
                 [this](const EndpointKey& key) { return sources_.evaluator->concerns(alert_, key); }, step_s,
                 hour_s + holds_s + rule_.window_s)) {
            if (point.start_s + step_s > trouble_s) break;
            if (first_s == 0) first_s = point.start_s;
            before.add(point.cell);
        }
        if (before.count < count_to_compare) return;
        out.before = figures_of(before, static_cast<double>(trouble_s - first_s));
        for (std::size_t phase = 0; phase < phase_count; ++phase) {
            if (out.now.phase_ms[phase] < 0 || out.before.phase_ms[phase] < 0) continue;
            const auto moved = out.now.phase_ms[phase] - out.before.phase_ms[phase];
            if (moved <= out.moved_ms) continue;
            out.moved_ms = moved;
            out.moved_phase = phase_names[phase];
        }
    }

    void look_at_transactions() {
        const auto window_ns = (rule_.window_s + rule_.for_s + std::uint64_t{1}) * ns_per_s;
        const auto from_ns = sources_.now_ns - std::min(sources_.now_ns, window_ns);
        std::vector<KeptTransaction> concerned, others;
        sources_.history->transactions([&](const KeptTransaction& kept) {
            if (kept.time_ns + kept.duration_ns < from_ns) return kept.time_ns + window_ns > from_ns;
            const EndpointKey key{kept.service, kept.route, kept.method, kept.port, kept.side};
            // a WebSocket lasts as long as it is wanted: no request was slow
            if (kept.line.find(R"("protocol":"websocket")") != std::string::npos) return true;
            if (sources_.evaluator->concerns(alert_, key)) concerned.push_back(kept);
            if (others.size() < others_looked_at) others.push_back(kept);
            return true;
        });
        const bool errors = is_about_errors(rule_.signal);
        std::stable_sort(concerned.begin(), concerned.end(), [&](const auto& a, const auto& b) {
            if (errors && is_bad(a) != is_bad(b)) return is_bad(a);
            return a.duration_ns > b.duration_ns;
        });
        for (std::size_t i = 0; i < std::min(witnesses, concerned.size()); ++i)
            evidence_->worst.push_back({concerned[i].number, concerned[i].line});
        explain_waits(concerned, others);
    }

    void explain_waits(std::vector<KeptTransaction>& concerned, const std::vector<KeptTransaction>& others) {
        if (concerned.size() > waiting_looked_at) concerned.resize(waiting_looked_at);
        std::vector<WaitingLine> waiting, rest;
        for (const auto& kept : concerned)
            if (auto line = read_line(kept)) waiting.push_back(std::move(*line));
        for (const auto& kept : others) {
            // only what happened at the same time and in the same process can be the cause
            const bool near = std::any_of(waiting.begin(), waiting.end(), [&](const WaitingLine& line) {
                return line.pid == kept.pid && kept.time_ns < line.end_ns &&
                       kept.time_ns + kept.duration_ns > line.begin_ns;
            });
            if (!near) continue;
            if (auto line = read_line(kept)) rest.push_back(std::move(*line));
        }
        if (matters(Phase::queue)) {
            const auto holder = find_thread_holder(waiting, rest);
            evidence_->holder_route = holder.name;
            evidence_->holder_share = holder.share;
        }
        if (matters(Phase::blocked)) evidence_->blocked_on = find_blocking_call(waiting, rest).name;
        std::map<std::string, std::uint64_t> messages;
        for (const auto& line : waiting)
            for (const auto& log : line.logs)
                if (log.level == "error" || log.level == "fatal") ++messages[log.message];
        for (const auto& [message, count] : messages)
            if (count > evidence_->error_count) {
                evidence_->error_count = count;
                evidence_->error_template = message;
            }
    }

    // Who is to blame for a phase is news only where the phase takes time.
    [[nodiscard]] bool matters(Phase phase) const {
        constexpr double large_share = 0.3;
        const auto at = static_cast<std::size_t>(phase);
        return evidence_->moved_phase == phase_names[at] ||
               evidence_->now.phase_ms[at] > large_share * evidence_->now.mean_ms;
    }

    [[nodiscard]] std::string link() const {
        const auto* view = "alerts";
        std::string query;
        for (const auto& [name, value] : alert_.info.labels) {
            if (name == "route") view = "endpoint";
            query += (query.empty() ? "?" : "&") + name + "=" + encoded(value);
        }
        const bool of_endpoint = std::string_view(view) == "endpoint";
        if (of_endpoint) query += std::string("&side=") + std::string(to_string(rule_.side));
        return sources_.console_url + "/#/" + view + (of_endpoint ? query : "");
    }
    static std::string encoded(std::string_view text) {
        constexpr std::string_view hex = "0123456789ABCDEF";
        std::string out;
        for (const unsigned char c : text) {
            const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                               c == '.' || c == '_' || c == '~';
            if (plain)
                out += static_cast<char>(c);
            else
                out.append({'%', hex[c >> 4U], hex[c & 0xFU]});
        }
        return out;
    }

    const ActiveAlert& alert_;
    const AlertEvidenceSources& sources_;
    const AlertRule& rule_;
    std::shared_ptr<AlertEvidence> evidence_ = std::make_shared<AlertEvidence>();
};

}  // namespace

std::shared_ptr<const AlertEvidence> gather_alert_evidence(const ActiveAlert& alert,
                                                           const AlertEvidenceSources& sources) {
    if (sources.evaluator->rule(alert.info.rule) == nullptr) return nullptr;
    return Gatherer(alert, sources).gather();
}

}  // namespace sonde
