#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/alert/alert_book.hpp"
#include "agent/alert/alert_options.hpp"
#include "agent/alert/alert_silence.hpp"

namespace sonde {

// What a notifier was last told about a group: which alerts of it fire. at_ns: CLOCK_REALTIME.
struct AlertTold {
    std::set<std::string> firing;  // fingerprints
    std::uint64_t at_ns = 0;
};
// By notifier and group.
using AlertTellings = std::map<std::pair<std::string, std::string>, AlertTold>;

enum class AlertMute : std::uint8_t { none, silenced, inhibited, maintenance };
std::string_view to_string(AlertMute mute);

// Decides who is told what, and when:
//
//   alerts ─► by group ─► group_wait after the first, then every group_interval:
//                             per notifier: severity, mutes, what it was told last ─► notice ─► settled(): it was told
//
// A group is told to a notifier when an alert of it began or ended, and again after repeat. Until the notifier has
// settled a notice it gets no other about that group; one that failed is made anew at the next interval, so nothing is
// lost while a notifier is down, and what was told is never told again by mistake. One thread.
class AlertDispatcher {
public:
    explicit AlertDispatcher(const AlertOptions& options) : options_(options) {}

    struct Outgoing {
        std::size_t notifier;  // in AlertOptions::notifiers
        AlertNotice notice;
    };
    // Removes from the book what is resolved and was told.
    std::vector<Outgoing> dispatch(AlertBook& book, const AlertSilences& silences, std::uint64_t now_ns);
    // The notice about this group has reached its destination, or never will. True: the tellings have changed.
    bool settled(std::size_t notifier, const std::string& group, bool delivered);

    [[nodiscard]] AlertMute mute_of(const AlertInfo& alert, const AlertBook& book, const AlertSilences& silences,
                                    std::uint64_t now_ns) const;
    [[nodiscard]] const AlertTellings& tellings() const { return told_; }
    void restore(AlertTellings tellings) { told_ = std::move(tellings); }
    // Number of notices that no notifier has settled.
    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }

private:
    struct Group {
        AlertLabels labels;
        std::vector<const ActiveAlert*> alerts;
    };
    [[nodiscard]] std::map<std::string, Group> groups_of(const AlertBook& book) const;
    void tell(const std::string& key, const Group& group, const AlertBook& book, const AlertSilences& silences,
              std::uint64_t now_ns, std::vector<Outgoing>& out);
    [[nodiscard]] bool inhibited(const AlertInfo& alert, const AlertBook& book) const;
    void forget_told(AlertBook& book, std::uint64_t now_ns);
    static bool is_news(const AlertTold* told, const std::set<std::string>& firing, bool has_resolved,
                        std::uint32_t repeat_s, std::uint64_t now_ns);

    const AlertOptions options_;
    std::map<std::string, std::uint64_t> due_ns_;  // by group
    AlertTellings told_;
    AlertTellings in_flight_;  // what will be told once the notifier has settled it
};

}  // namespace sonde
