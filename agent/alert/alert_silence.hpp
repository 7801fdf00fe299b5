#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/alert/alert_options.hpp"
#include "agent/base/result.hpp"
#include "agent/model/alert.hpp"

namespace sonde {

// Keeps alerts quiet that fulfil all matchers, from starts_ns to ends_ns (CLOCK_REALTIME).
struct AlertSilence {
    std::string id;
    // Name of a label, or `rule` or `severity` → its value; '*' at the end: any with this beginning.
    std::map<std::string, std::string> matchers;
    std::string reason, author;
    std::uint64_t starts_ns = 0, ends_ns = 0;

    [[nodiscard]] bool active(std::uint64_t now_ns) const { return starts_ns <= now_ns && now_ns < ends_ns; }
    [[nodiscard]] bool matches(const AlertInfo& alert) const;
};

// Bounded; what has ended goes after a day. One thread.
class AlertSilences {
public:
    static constexpr std::size_t silences_max = 200, matchers_max = 16, text_max = 512;

    // Gives it an id. Errors (usage): no matcher, no reason, no end in the future, too many or too long texts.
    Result<std::string> add(AlertSilence silence, std::uint64_t now_ns);
    // Ends it now. False: there is no such silence, or it has ended.
    bool end(std::string_view id, std::uint64_t now_ns);
    void restore(AlertSilence silence) { silences_.push_back(std::move(silence)); }
    void expire(std::uint64_t now_ns);

    // Null: no silence holds for it.
    [[nodiscard]] const AlertSilence* silencing(const AlertInfo& alert, std::uint64_t now_ns) const;
    [[nodiscard]] const std::vector<AlertSilence>& all() const { return silences_; }

private:
    std::vector<AlertSilence> silences_;
    std::uint64_t made_ = 0;
};

// {"matchers":{"rule":"http_5xx","service":"shop"},"reason":"…","author":"…","duration_s":3600}, from now on. Any
// bytes; errors (usage) name what is wrong.
Result<AlertSilence> parse_alert_silence(std::string_view body, std::uint64_t now_ns);

// Whether the window holds at that time for the alert.
bool in_maintenance(const MaintenanceWindow& window, const AlertInfo& alert, std::uint64_t now_ns);

}  // namespace sonde
