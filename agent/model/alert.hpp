#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/model/transaction.hpp"

namespace sonde {

enum class AlertSeverity : std::uint8_t { info, warning, critical };
enum class AlertState : std::uint8_t { pending, firing, resolved };

constexpr std::string_view to_string(AlertSeverity severity) {
    constexpr std::array<std::string_view, 3> names{"info", "warning", "critical"};
    return names[static_cast<std::size_t>(severity)];
}
constexpr std::string_view to_string(AlertState state) {
    constexpr std::array<std::string_view, 3> names{"pending", "firing", "resolved"};
    return names[static_cast<std::size_t>(state)];
}

// Names and values, sorted by name; none is empty.
using AlertLabels = std::vector<std::pair<std::string, std::string>>;

// What transactions of a label set came to over one span of time. Means in milliseconds; negative: not observed.
struct AlertFigures {
    double covered_s = 0;  // 0: there is no such span
    std::uint64_t count = 0;
    double rate_per_s = 0;
    double error_share = 0;
    double mean_ms = -1, p50_ms = -1, p95_ms = -1, p99_ms = -1;
    std::array<double, phase_count> phase_ms{-1, -1, -1, -1, -1, -1};  // by Phase
};

// One of the worst transactions in the window. line: as in the events file, redacted, logs included.
struct AlertWitness {
    std::uint64_t number = 0;  // of /api/v1/transactions/{number}
    std::string line;
};

// Something that was different before. time_ns: CLOCK_REALTIME.
struct AlertChange {
    std::uint64_t time_ns = 0;
    std::string kind;  // restart, deployment, configuration
    std::string what;
};

// Why an alert fires, as far as it was seen. Everything in it has passed the redactor.
struct AlertEvidence {
    bool has_figures = false;  // the signal is about transactions
    AlertFigures now;          // the rule's window
    AlertFigures before;       // the hour before, the window not left out
    std::string moved_phase;   // whose mean grew most; empty: none did, or there was no hour before
    double moved_ms = 0;       // by so much
    std::vector<AlertWitness> worst;
    std::string holder_route;    // what the thread served while these requests waited; empty: nothing that was seen
    double holder_share = 0;     // of their waiting time, 0 … 1
    std::string blocked_on;      // the downstream calls of the same process in their time; empty: none seen
    std::string error_template;  // most frequent error message among their log lines
    std::uint64_t error_count = 0;
    std::vector<AlertChange> changes;  // in the half hour before, newest first
    std::string link;                  // to the console
};

// One alert as others are told of it.
struct AlertInfo {
    std::string fingerprint;  // 16 hexadecimal digits: of rule and labels
    std::string rule;
    AlertSeverity severity = AlertSeverity::warning;
    AlertState state = AlertState::firing;
    AlertLabels labels;
    double value = 0, threshold = 0;
    std::string value_text, threshold_text;  // with units: "12.5%", "2 s"
    std::string signal;
    std::uint64_t since_ns = 0;     // CLOCK_REALTIME: the condition holds
    std::uint64_t fired_ns = 0;     // 0: not yet
    std::uint64_t resolved_ns = 0;  // 0: not yet
    std::string summary, description, runbook;
    std::shared_ptr<const AlertEvidence> evidence;  // null: pending, or lost in a restart
};

// What goes out at once: a group of alerts to a notifier, or one change of state to the events file.
struct AlertNotice {
    std::string group;         // identity of the group, stable
    AlertLabels group_labels;  // what its alerts have in common
    std::string source;        // name of this machine
    std::string link;          // to the console
    std::vector<AlertInfo> alerts;
    std::string line;  // as one line of the events file, without '\n'; empty: not for events files
    [[nodiscard]] bool firing() const {
        for (const auto& alert : alerts)
            if (alert.state == AlertState::firing) return true;
        return false;
    }
    [[nodiscard]] AlertSeverity severity() const {
        auto worst = AlertSeverity::info;
        for (const auto& alert : alerts) worst = alert.severity > worst ? alert.severity : worst;
        return worst;
    }
};

}  // namespace sonde
