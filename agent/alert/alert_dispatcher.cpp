#include "agent/alert/alert_dispatcher.hpp"

#include <algorithm>
#include <array>

#include "agent/alert/alert_payload.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000, ns_per_s = 1'000'000'000;
// A resolved alert that nobody could be told of goes after so long.
constexpr std::uint64_t forget_resolved_s = 24 * 3600;
constexpr std::size_t alerts_per_notice = 100;

}  // namespace

std::string_view to_string(AlertMute mute) {
    constexpr std::array<std::string_view, 4> names{"", "silenced", "inhibited", "maintenance"};
    return names[static_cast<std::size_t>(mute)];
}

bool AlertDispatcher::inhibited(const AlertInfo& alert, const AlertBook& book) const {
    if (!options_.inhibit || alert.severity != AlertSeverity::warning) return false;
    return std::any_of(book.alerts().begin(), book.alerts().end(), [&](const auto& entry) {
        const auto& other = entry.second.info;
        // alerts without labels have nothing in common but the machine, unless they speak of the same thing
        return other.severity == AlertSeverity::critical && other.state == AlertState::firing &&
               other.labels == alert.labels && (!alert.labels.empty() || other.signal == alert.signal);
    });
}

AlertMute AlertDispatcher::mute_of(const AlertInfo& alert, const AlertBook& book, const AlertSilences& silences,
                                   std::uint64_t now_ns) const {
    if (silences.silencing(alert, now_ns) != nullptr) return AlertMute::silenced;
    if (std::any_of(options_.maintenance.begin(), options_.maintenance.end(),
                    [&](const auto& window) { return in_maintenance(window, alert, now_ns); }))
        return AlertMute::maintenance;
    return inhibited(alert, book) ? AlertMute::inhibited : AlertMute::none;
}

std::map<std::string, AlertDispatcher::Group> AlertDispatcher::groups_of(const AlertBook& book) const {
    std::map<std::string, Group> groups;
    for (const auto& [fingerprint, alert] : book.alerts()) {
        if (alert.info.state == AlertState::pending) continue;
        AlertLabels labels;
        for (const auto& name : options_.group_by) {
            if (name == "rule") labels.emplace_back("rule", alert.info.rule);
            for (const auto& label : alert.info.labels)
                if (label.first == name) labels.push_back(label);
        }
        // what has none of the labels is grouped by rule, lest unrelated things come together
        if (labels.empty()) labels.emplace_back("rule", alert.info.rule);
        auto& group = groups[alert_fingerprint("group", labels)];
        group.labels = std::move(labels);
        group.alerts.push_back(&alert);
    }
    return groups;
}

bool AlertDispatcher::is_news(const AlertTold* told, const std::set<std::string>& firing, bool has_resolved,
                              std::uint32_t repeat_s, std::uint64_t now_ns) {
    if (told == nullptr) return !firing.empty();
    if (has_resolved || !std::includes(told->firing.begin(), told->firing.end(), firing.begin(), firing.end()))
        return true;
    return !firing.empty() && now_ns >= told->at_ns + repeat_s * ns_per_s;
}

void AlertDispatcher::tell(const std::string& key, const Group& group, const AlertBook& book,
                           const AlertSilences& silences, std::uint64_t now_ns, std::vector<Outgoing>& out) {
    for (std::size_t i = 0; i < options_.notifiers.size(); ++i) {
        const auto& notifier = options_.notifiers[i];
        const auto id = std::make_pair(notifier.name, key);
        if (in_flight_.count(id) > 0) continue;
        const auto told = told_.find(id);
        const auto* last = told == told_.end() ? nullptr : &told->second;
        std::set<std::string> firing;
        std::vector<const AlertInfo*> alerts;
        bool has_resolved = false;
        for (const auto* alert : group.alerts) {
            const auto& info = alert->info;
            if (info.severity < notifier.min_severity) continue;
            if (info.state == AlertState::resolved) {
                // told once that it fires, told once that it is over, silenced or not: nobody shall wait for it
                if (last == nullptr || last->firing.count(info.fingerprint) == 0 || !notifier.send_resolved) continue;
                has_resolved = true;
            } else {
                if (mute_of(info, book, silences, now_ns) != AlertMute::none) {
                    // what is known to fire goes on firing unseen
                    if (last != nullptr && last->firing.count(info.fingerprint) > 0) firing.insert(info.fingerprint);
                    continue;
                }
                firing.insert(info.fingerprint);
            }
            alerts.push_back(&info);
        }
        // Alertmanager ends what it does not hear of, and repeats by its own rules
        const auto repeat_s = notifier.type == NotifierType::alertmanager
                                  ? std::min(options_.repeat_s, alertmanager_repeat_s)
                                  : options_.repeat_s;
        if (alerts.empty() || !is_news(last, firing, has_resolved, repeat_s, now_ns)) continue;
        // the worst first: what does not fit is the least important, and told by the count
        std::stable_sort(alerts.begin(), alerts.end(),
                         [](const auto* a, const auto* b) { return a->severity > b->severity; });
        if (alerts.size() > alerts_per_notice) alerts.resize(alerts_per_notice);
        Outgoing outgoing{i, {}};
        outgoing.notice.group = key;
        outgoing.notice.group_labels = group.labels;
        for (const auto* info : alerts) outgoing.notice.alerts.push_back(*info);
        out.push_back(std::move(outgoing));
        in_flight_[id] = {std::move(firing), now_ns};
    }
}

std::vector<AlertDispatcher::Outgoing> AlertDispatcher::dispatch(AlertBook& book, const AlertSilences& silences,
                                                                 std::uint64_t now_ns) {
    std::vector<Outgoing> out;
    const auto groups = groups_of(book);
    std::erase_if(due_ns_, [&](const auto& entry) { return groups.count(entry.first) == 0; });
    for (const auto& [key, group] : groups) {
        const auto [due, is_new] = due_ns_.try_emplace(key, now_ns + options_.group_wait_ms * ns_per_ms);
        if (now_ns < due->second) continue;
        due->second = now_ns + options_.group_interval_ms * ns_per_ms;
        tell(key, group, book, silences, now_ns, out);
    }
    forget_told(book, now_ns);
    return out;
}

bool AlertDispatcher::settled(std::size_t notifier, const std::string& group, bool delivered) {
    const auto found = in_flight_.find({options_.notifiers[notifier].name, group});
    if (found == in_flight_.end()) return false;
    if (delivered) told_[found->first] = found->second;
    in_flight_.erase(found);
    return delivered;
}

// A resolved alert stays until every notifier that knew of it was told.
void AlertDispatcher::forget_told(AlertBook& book, std::uint64_t now_ns) {
    std::vector<std::string> gone;
    for (const auto& entry : book.alerts()) {
        const AlertInfo& info = entry.second.info;
        if (info.state != AlertState::resolved) continue;
        const auto knows = [&](const AlertTellings& tellings) {
            return std::any_of(tellings.begin(), tellings.end(), [&](const auto& told) {
                const auto notifier = std::find_if(options_.notifiers.begin(), options_.notifiers.end(),
                                                   [&](const auto& each) { return each.name == told.first.first; });
                return notifier != options_.notifiers.end() && notifier->send_resolved &&
                       told.second.firing.count(info.fingerprint) > 0;
            });
        };
        if ((!knows(told_) && !knows(in_flight_)) || info.resolved_ns + forget_resolved_s * ns_per_s < now_ns)
            gone.push_back(entry.first);
    }
    for (const auto& fingerprint : gone) book.forget(fingerprint);
    for (auto& [id, told] : told_)
        std::erase_if(told.firing, [&](const auto& fingerprint) { return book.alerts().count(fingerprint) == 0; });
    std::erase_if(told_, [](const auto& entry) { return entry.second.firing.empty(); });
}

}  // namespace sonde
