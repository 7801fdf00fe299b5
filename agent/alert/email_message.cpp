#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_payload.hpp"
#include "agent/api/answer.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::size_t line_max = 76;  // of base64, RFC 2045 §6.8

std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto byte = [&](std::size_t i) {
            return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
        };
        const auto group = byte(0) << 16U | byte(1) << 8U | byte(2);
        for (unsigned i = 0; i < 4; ++i) out += at + i > bytes.size() ? '=' : alphabet[group >> (18 - 6 * i) & 0x3FU];
    }
    return out;
}

// RFC 2047: encoded words of whole characters, 75 bytes each at most.
std::string subject_header(std::string_view subject) {
    constexpr std::size_t word_bytes = 42;
    std::string out;
    for (std::size_t at = 0; at < subject.size();) {
        auto size = std::min(word_bytes, subject.size() - at);
        while (at + size < subject.size() && (static_cast<unsigned char>(subject[at + size]) & 0xC0U) == 0x80U) --size;
        out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + base64(subject.substr(at, size)) + "?=";
        at += size;
    }
    return out;
}

std::string date_header(std::uint64_t now_ns) {
    constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto seconds = static_cast<std::time_t>(now_ns / ns_per_s);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                  days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                  months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                  utc.tm_sec);
    return text.data();
}

}  // namespace

std::string email_message(const AlertNotice& notice, const EmailOptions& email, std::uint64_t now_ns) {
    std::string to;
    for (const auto& address : email.to) to += (to.empty() ? "<" : ", <") + address + ">";
    std::string body;
    for (std::size_t i = 0; i < std::min(alerts_shown, notice.alerts.size()); ++i) {
        const auto& alert = notice.alerts[i];
        body += std::string(to_string(alert.state)) + " " + std::string(to_string(alert.severity)) + ": " +
                alert.summary + "\n" + alert_evidence_text(alert) + "\n\n";
    }
    if (notice.alerts.size() > alerts_shown)
        body += "and " + std::to_string(notice.alerts.size() - alerts_shown) + " more\n\n";
    body += "sonde on " + notice.source + "\n";
    const auto encoded = base64(valid_utf8(body));
    // messages about one group form a thread
    const auto thread = "<" + notice.group + "@sonde.invalid>";
    std::string out = "Date: " + date_header(now_ns) + "\r\nFrom: <" + email.from + ">\r\nTo: " + to +
                      "\r\nSubject: " + subject_header(valid_utf8(notice_title(notice))) + "\r\nMessage-ID: <" +
                      notice.group + "." + std::to_string(now_ns) + "@sonde.invalid>\r\nIn-Reply-To: " + thread +
                      "\r\nReferences: " + thread +
                      "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    for (std::size_t at = 0; at < encoded.size(); at += line_max) out += encoded.substr(at, line_max) + "\r\n";
    return out;
}

}  // namespace sonde
