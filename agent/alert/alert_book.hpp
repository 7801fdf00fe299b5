#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/alert/alert_rule.hpp"
#include "agent/model/alert.hpp"

namespace sonde {

// 16 hexadecimal digits: rule and labels. The same in every run.
std::string alert_fingerprint(std::string_view rule, const AlertLabels& labels);

// One alert's life. Times: CLOCK_REALTIME, ns.
struct ActiveAlert {
    AlertInfo info;
    std::uint64_t calm_since_ns = 0;  // firing, and the value is over the resolve threshold's good side; 0: it is not
    std::uint64_t touched_ns = 0;     // the last evaluation that looked at it
    std::uint64_t hold_until_ns = 0;  // after a restart: silence means nothing until then
    std::size_t row = 0;              // where its value was found; a hint
};

// What alerts are there, by fingerprint, and how they come and go:
//
//              breach                 for_s of breaches
//     (none) ─────────▶ pending ──────────────────────────▶ firing ◀─────────┐
//        ▲                 │ no breach                        │ value is over │ breach, or not yet over
//        ├─────────────────┘                                  ▼               │
//        │                            resolve_s of calm    (calm) ────────────┘
//        └──────── forgotten ◀──── resolved ◀─────────────────┘
//
// A value that was not observed is calm: a route that nobody asks does not fail. One thread.
class AlertBook {
public:
    static constexpr std::size_t alerts_max = 2000;

    // The value is beyond the rule's threshold. Null: there are too many alerts, which is counted.
    ActiveAlert* breach(const AlertRule& rule, AlertLabels labels, double value, std::uint64_t now_ns);
    // It is not. Nothing: not observed.
    void calm(const AlertRule& rule, ActiveAlert& alert, std::optional<double> value, std::uint64_t now_ns);
    // Its rule is there no longer.
    void drop(ActiveAlert& alert, std::uint64_t now_ns);
    // Takes over what an earlier run left.
    void restore(ActiveAlert alert);
    // Removes what is not pending and not firing and was told.
    void forget(const std::string& fingerprint) { alerts_.erase(fingerprint); }

    // Alerts that began to fire or were resolved since the last call; fingerprints.
    std::vector<std::string> take_transitions() { return std::exchange(transitions_, {}); }
    [[nodiscard]] std::map<std::string, ActiveAlert>& alerts() { return alerts_; }
    [[nodiscard]] const std::map<std::string, ActiveAlert>& alerts() const { return alerts_; }
    // Number of alerts that found no room.
    [[nodiscard]] std::uint64_t overflowed() const { return overflowed_; }

private:
    void fire(ActiveAlert& alert, std::uint64_t now_ns);
    void resolve(ActiveAlert& alert, std::uint64_t now_ns);

    std::map<std::string, ActiveAlert> alerts_;
    std::vector<std::string> transitions_;
    std::uint64_t overflowed_ = 0;
};

// The rule's words about the alert, {variables} filled in: {value}, {threshold}, {rule}, {severity}, {window}, and the
// labels. What is not known stays as it is.
std::string alert_text(const std::string& text, const AlertRule& rule, const AlertInfo& info);

}  // namespace sonde
