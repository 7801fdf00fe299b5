#include "agent/alert/alert_options.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace sonde {
namespace {

constexpr int minutes_per_hour = 60, hours_per_day = 24;

bool is_url(const std::string& text) { return text.starts_with("http://") || text.starts_with("https://"); }

std::string wrong_notifier(const NotifierOptions& notifier) {
    switch (notifier.type) {
        case NotifierType::log:
            return {};
        case NotifierType::webhook:
        case NotifierType::slack:
        case NotifierType::discord:
        case NotifierType::alertmanager:
            return is_url(notifier.url) ? "" : "it needs a url that begins with http:// or https://";
        case NotifierType::pagerduty:
            if (!notifier.url.empty() && !is_url(notifier.url)) return "its url begins with http:// or https://";
            return notifier.pagerduty_key.empty() ? "it needs a pagerduty_key" : "";
        case NotifierType::email:
            break;
    }
    const auto& email = notifier.email;
    if (email.server.empty()) return "it needs email.server";
    if (email.from.empty() || email.to.empty()) return "it needs email.from and email.to";
    const auto bad = [](const std::string& address) {
        return address.find('@') == std::string::npos ||
               std::any_of(address.begin(), address.end(),
                           [](unsigned char c) { return c <= ' ' || c == '<' || c == '>'; });
    };
    if (bad(email.from) || std::any_of(email.to.begin(), email.to.end(), bad))
        return "an address of an e-mail is NAME@HOST, without spaces and <>";
    if (email.user.empty() != email.password.empty()) return "email.user and email.password go together";
    if (!email.user.empty() && email.encryption == EmailOptions::Encryption::none)
        return "it would send the password unencrypted: use starttls or tls";
    return {};
}

std::string wrong_window(const MaintenanceWindow& window) {
    if (minutes_of_day(window.from) < 0 || minutes_of_day(window.to) < 0) return "from and to are times, HH:MM in UTC";
    for (const auto& day : window.days)
        if (day_of_week(day) < 0) return "'" + day + "' is no day of the week";
    return {};
}

}  // namespace

int minutes_of_day(const std::string& text) {
    const auto digit = [&](std::size_t at) { return std::isdigit(static_cast<unsigned char>(text[at])) != 0; };
    if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) return -1;
    const int hours = (text[0] - '0') * 10 + text[1] - '0', minutes = (text[3] - '0') * 10 + text[4] - '0';
    return hours < hours_per_day && minutes < minutes_per_hour ? hours * minutes_per_hour + minutes : -1;
}

int day_of_week(const std::string& text) {
    constexpr std::array<std::string_view, 7> days{"sunday",   "monday", "tuesday", "wednesday",
                                                   "thursday", "friday", "saturday"};
    const auto* const found = std::find(days.begin(), days.end(), text);
    return found == days.end() ? -1 : static_cast<int>(found - days.begin());
}

std::vector<AlertProblem> wrong_alert_options(const AlertOptions& options) {
    std::vector<AlertProblem> problems;
    const auto add = [&](const std::string& what, const std::string& name, std::string message) {
        if (!message.empty()) problems.push_back({name, what + " " + name + ": " + std::move(message)});
    };
    for (const auto& rule : options.rules) add("rule", rule.name, wrong_alert_rule(rule));
    for (const auto& notifier : options.notifiers) add("notifier", notifier.name, wrong_notifier(notifier));
    for (const auto& window : options.maintenance) add("window", window.name, wrong_window(window));
    return problems;
}

}  // namespace sonde
