#include "agent/alert/alert_book.hpp"

#include <array>
#include <cstdio>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

void describe(ActiveAlert& alert, const AlertRule& rule, double value) {
    auto& info = alert.info;
    const auto unit = unit_of(rule.signal, rule.effective_scope());
    info.value = value;
    info.value_text = alert_value_text(unit, value);
    info.threshold = rule.threshold;
    info.threshold_text = alert_value_text(unit, rule.threshold);
    info.severity = rule.severity;
    info.signal = traits_of(rule.signal).name;
    info.runbook = rule.runbook;
    const auto otherwise = std::string(traits_of(rule.signal).name) + " is {value}, " +
                           (rule.comparison == AlertComparison::above ? "above" : "below") + " {threshold}";
    info.summary = alert_text(rule.summary.empty() ? otherwise : rule.summary, rule, info);
    info.description = alert_text(rule.description, rule, info);
}

std::optional<std::string> variable(std::string_view name, const AlertRule& rule, const AlertInfo& info) {
    if (name == "value") return info.value_text;
    if (name == "threshold") return info.threshold_text;
    if (name == "rule") return rule.name;
    if (name == "severity") return std::string(to_string(rule.severity));
    if (name == "window") return std::to_string(rule.window_s) + " s";
    for (const auto& [label, text] : info.labels)
        if (label == name) return text;
    // labels that this alert has not got: a rule of a service knows no route
    for (const auto known : {"service", "route", "method", "port", "container", "target", "sink", "mountpoint", "pid"})
        if (name == known) return "(any " + std::string(name) + ")";
    return std::nullopt;
}

}  // namespace

std::string alert_fingerprint(std::string_view rule, const AlertLabels& labels) {
    // FNV-1a, 64 bits: the same on every machine and in every run
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto add = [&](std::string_view text) {
        for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3U;
        hash = (hash ^ 0xffU) * 0x100000001b3U;  // no byte of UTF-8: ends the text
    };
    add(rule);
    for (const auto& [name, value] : labels) {
        add(name);
        add(value);
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

std::string alert_text(const std::string& text, const AlertRule& rule, const AlertInfo& info) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto open = text.find('{', at);
        const auto close = open == std::string::npos ? open : text.find('}', open);
        if (close == std::string::npos) break;
        out.append(text, at, open - at);
        const auto value = variable(std::string_view(text).substr(open + 1, close - open - 1), rule, info);
        if (value) {
            out += *value;
        } else {
            out.append(text, open, close - open + 1);
        }
        at = close + 1;
    }
    return out.append(text, at);
}

ActiveAlert* AlertBook::breach(const AlertRule& rule, AlertLabels labels, double value, std::uint64_t now_ns) {
    auto fingerprint = alert_fingerprint(rule.name, labels);
    auto found = alerts_.find(fingerprint);
    if (found != alerts_.end() && found->second.info.state == AlertState::resolved) {
        // it comes back before all have been told that it was over: it goes on, and nobody needs to know
        auto& alert = found->second;
        alert.info.state = AlertState::firing;
        alert.info.resolved_ns = 0;
        alert.calm_since_ns = 0;
        transitions_.push_back(fingerprint);
    }
    if (found == alerts_.end()) {
        if (alerts_.size() >= alerts_max) {
            ++overflowed_;
            return nullptr;
        }
        ActiveAlert made;
        made.info.fingerprint = fingerprint;
        made.info.rule = rule.name;
        made.info.labels = std::move(labels);
        made.info.state = AlertState::pending;
        made.info.since_ns = now_ns;
        found = alerts_.emplace(std::move(fingerprint), std::move(made)).first;
    }
    auto& alert = found->second;
    alert.calm_since_ns = 0;
    alert.hold_until_ns = 0;
    alert.touched_ns = now_ns;
    describe(alert, rule, value);
    if (alert.info.state == AlertState::pending && now_ns >= alert.info.since_ns + rule.for_s * ns_per_s)
        fire(alert, now_ns);
    return &alert;
}

void AlertBook::calm(const AlertRule& rule, ActiveAlert& alert, std::optional<double> value, std::uint64_t now_ns) {
    alert.touched_ns = now_ns;
    if (alert.info.state == AlertState::resolved) return;
    if (alert.info.state == AlertState::pending) {
        alerts_.erase(std::string(alert.info.fingerprint));
        return;
    }
    if (!value && now_ns < alert.hold_until_ns) return;
    if (value) {
        alert.hold_until_ns = 0;
        if (!rule.is_over(*value)) {
            alert.calm_since_ns = 0;
            describe(alert, rule, *value);
            return;
        }
    }
    if (alert.calm_since_ns == 0) alert.calm_since_ns = now_ns;
    if (now_ns < alert.calm_since_ns + rule.resolve_s * ns_per_s) return;
    if (value) alert.info.value_text = alert_value_text(unit_of(rule.signal, rule.effective_scope()), *value);
    resolve(alert, now_ns);
}

void AlertBook::drop(ActiveAlert& alert, std::uint64_t now_ns) {
    if (alert.info.state == AlertState::pending) {
        alerts_.erase(std::string(alert.info.fingerprint));
    } else if (alert.info.state == AlertState::firing) {
        resolve(alert, now_ns);
    }
}

void AlertBook::restore(ActiveAlert alert) {
    auto fingerprint = alert.info.fingerprint;
    if (alerts_.size() < alerts_max) alerts_.emplace(std::move(fingerprint), std::move(alert));
}

void AlertBook::fire(ActiveAlert& alert, std::uint64_t now_ns) {
    alert.info.state = AlertState::firing;
    alert.info.fired_ns = now_ns;
    transitions_.push_back(alert.info.fingerprint);
}

void AlertBook::resolve(ActiveAlert& alert, std::uint64_t now_ns) {
    alert.info.state = AlertState::resolved;
    alert.info.resolved_ns = now_ns;
    transitions_.push_back(alert.info.fingerprint);
}

}  // namespace sonde
