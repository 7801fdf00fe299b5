#include "agent/alert/alert_silence.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/alert/alert_book.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000, day_s = 86'400, silence_max_s = 366 * day_s;

// Nothing: the alert has no such label.
std::string_view matched_value(const AlertInfo& alert, std::string_view name) {
    if (name == "rule") return alert.rule;
    if (name == "severity") return to_string(alert.severity);
    for (const auto& [label, value] : alert.labels)
        if (label == name) return value;
    return {};
}

}  // namespace

bool AlertSilence::matches(const AlertInfo& alert) const {
    return std::all_of(matchers.begin(), matchers.end(), [&](const auto& matcher) {
        const auto value = matched_value(alert, matcher.first);
        return !value.empty() && alert_text_matches({matcher.second}, value);
    });
}

Result<std::string> AlertSilences::add(AlertSilence silence, std::uint64_t now_ns) {
    const auto refuse = [](const char* what, const char* hint) { return fail(what, hint, ErrorKind::usage); };
    if (silence.matchers.empty()) return refuse("a silence without matchers", "name a rule, a label or a severity");
    if (silence.matchers.size() > matchers_max) return refuse("too many matchers", "16 at most");
    for (const auto& [name, value] : silence.matchers)
        if (name.empty() || value.empty() || name.size() > text_max || value.size() > text_max)
            return refuse("a matcher is a name and a value", "512 bytes each at most");
    if (silence.reason.empty()) return refuse("a silence without a reason", "say why, for those who wonder");
    if (silence.reason.size() > text_max || silence.author.size() > text_max)
        return refuse("reason or author too long", "512 bytes at most");
    if (silence.ends_ns <= std::max(now_ns, silence.starts_ns)) return refuse("the silence ends before it begins", "");
    expire(now_ns);
    if (silences_.size() >= silences_max) return refuse("too many silences", "end some of them");
    AlertLabels identity{{"reason", silence.reason}, {"made", std::to_string(++made_)}};
    silence.id = alert_fingerprint(std::to_string(now_ns), identity);
    silences_.push_back(silence);
    return silence.id;
}

bool AlertSilences::end(std::string_view id, std::uint64_t now_ns) {
    for (auto& silence : silences_)
        if (silence.id == id && silence.ends_ns > now_ns) {
            silence.ends_ns = now_ns;
            silence.starts_ns = std::min(silence.starts_ns, now_ns);
            return true;
        }
    return false;
}

void AlertSilences::expire(std::uint64_t now_ns) {
    std::erase_if(silences_, [&](const auto& silence) { return silence.ends_ns + day_s * ns_per_s < now_ns; });
}

const AlertSilence* AlertSilences::silencing(const AlertInfo& alert, std::uint64_t now_ns) const {
    for (const auto& silence : silences_)
        if (silence.active(now_ns) && silence.matches(alert)) return &silence;
    return nullptr;
}

Result<AlertSilence> parse_alert_silence(std::string_view body, std::uint64_t now_ns) {
    const auto refuse = [](std::string what, const char* hint = "") {
        return fail(std::move(what), hint, ErrorKind::usage);
    };
    boost::system::error_code error;
    const auto parsed = json::parse(body, error);
    const auto* object = error ? nullptr : parsed.if_object();
    if (object == nullptr) return refuse("the body is no JSON object");
    AlertSilence silence;
    std::uint64_t duration_s = 0;
    for (const auto& [key, value] : *object) {
        const std::string name(key);
        if ((name == "reason" || name == "author") && value.is_string()) {
            (name == "reason" ? silence.reason : silence.author) = value.get_string();
        } else if (name == "duration_s" && value.is_int64() && value.get_int64() > 0) {
            duration_s = static_cast<std::uint64_t>(value.get_int64());
        } else if (name == "matchers" && value.is_object()) {
            for (const auto& [label, pattern] : value.get_object()) {
                if (!pattern.is_string()) return refuse("matchers are texts");
                silence.matchers[std::string(label)] = pattern.get_string();
            }
        } else {
            return refuse("'" + name + "' is unknown or of the wrong type",
                          "give matchers, reason, author and duration_s");
        }
    }
    if (duration_s == 0 || duration_s > silence_max_s) return refuse("duration_s is 1 … 31622400");
    silence.starts_ns = now_ns;
    silence.ends_ns = now_ns + duration_s * ns_per_s;
    return silence;
}

bool in_maintenance(const MaintenanceWindow& window, const AlertInfo& alert, std::uint64_t now_ns) {
    constexpr std::uint64_t minutes_per_day = 1440;
    constexpr int days_per_week = 7, epoch_day = 4;  // 1970-01-01 was a Thursday
    if (!alert_text_matches(window.rules, alert.rule)) return false;
    if (!window.services.empty()) {
        const auto service = matched_value(alert, "service");
        if (service.empty() || !alert_text_matches(window.services, service)) return false;
    }
    const auto minute = now_ns / ns_per_s / 60;
    const auto of_day = static_cast<int>(minute % minutes_per_day);
    const auto day = static_cast<int>((minute / minutes_per_day + epoch_day) % days_per_week);
    const auto from = minutes_of_day(window.from), to = minutes_of_day(window.to);
    const auto begins_on = [&](int weekday) {
        return window.days.empty() || std::any_of(window.days.begin(), window.days.end(),
                                                  [&](const auto& name) { return day_of_week(name) == weekday; });
    };
    if (from < to) return of_day >= from && of_day < to && begins_on(day);
    // over midnight: today's window, or the rest of yesterday's
    return (of_day >= from && begins_on(day)) || (of_day < to && begins_on((day + days_per_week - 1) % days_per_week));
}

}  // namespace sonde
