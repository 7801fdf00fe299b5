#include "sinks/event_json.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <ctime>

namespace sonde {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

template <typename Number>
void append_number(std::string& out, Number value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

// Length of the well-formed UTF-8 sequence at the start of text, 0 where there is none (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto first = byte(0);
    std::size_t length = 0;
    unsigned char low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) length = 2;
    else if (first >= 0xe0 && first <= 0xef) length = 3;
    else if (first >= 0xf0 && first <= 0xf4) length = 4;
    if (length == 0 || text.size() < length) return 0;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    return length;
}

void append_escaped(std::string& out, char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    const auto value = static_cast<unsigned char>(c);
    out += "\\u00";
    out += hex[value >> 4];
    out += hex[value & 15];
}

void append_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size()) {
            const auto c = static_cast<unsigned char>(text[plain]);
            if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) break;
            ++plain;
        }
        out.append(text.data(), plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        if (static_cast<unsigned char>(text.front()) < 0x80) {
            append_escaped(out, text.front());
            text.remove_prefix(1);
        } else if (const auto length = utf8_length(text); length > 0) {
            out.append(text.data(), length);
            text.remove_prefix(length);
        } else {
            out += replacement;
            text.remove_prefix(1);
        }
    }
    out += '"';
}

// RFC 3339, UTC, nanoseconds. The date of the last second is kept: lines come in the order of time.
void append_time(std::string& out, std::uint64_t time_ns) {
    thread_local std::time_t cached_second = -1;
    thread_local std::array<char, 32> cached{};
    thread_local std::size_t cached_size = 0;
    const auto second = static_cast<std::time_t>(time_ns / 1'000'000'000);
    if (second != cached_second) {
        std::tm parts{};
        ::gmtime_r(&second, &parts);
        cached_size = std::strftime(cached.data(), cached.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
        cached_second = second;
    }
    out += '"';
    out.append(cached.data(), cached_size);
    std::array<char, 9> fraction{};
    auto rest = time_ns % 1'000'000'000;
    for (auto digit = fraction.rbegin(); digit != fraction.rend(); ++digit, rest /= 10)
        *digit = static_cast<char>('0' + rest % 10);
    out.append(fraction.data(), fraction.size());
    out += "Z\"";
}

void append_address(std::string& out, const Endpoint& endpoint) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (endpoint.family == 0 || ::inet_ntop(endpoint.family, endpoint.address.data(), text.data(), text.size()) == nullptr)
        out += "null";
    else
        append_string(out, text.data());
}

void append_endpoint(std::string& out, std::string_view name, const Endpoint& endpoint) {
    out += ",\"";
    out += name;
    if (endpoint.family == 0) {
        out += "\":null";
        return;
    }
    out += "\":{\"address\":";
    append_address(out, endpoint);
    out += ",\"port\":";
    append_number(out, endpoint.port);
    out += '}';
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
    out += ",\"";
    out += name;
    out += "\":";
    append_string(out, text);
}

void append_optional(std::string& out, std::string_view name, std::int64_t value) {
    out += ",\"";
    out += name;
    out += "\":";
    if (value < 0)
        out += "null";
    else
        append_number(out, value);
}

void append_phases(std::string& out, const Transaction& t) {
    out += ",\"phases\":{";
    for (std::size_t i = 0; i < phase_count; ++i) {
        out += i == 0 ? "\"" : ",\"";
        out += phase_names[i];
        out += "_ns\":";
        if (t.phase_ns[i] == unobserved_ns)
            out += "null";
        else
            append_number(out, t.phase_ns[i]);
    }
    out += '}';
}

void append_process(std::string& out, const Transaction& t) {
    if (!t.process) {
        out += ",\"process\":null";
        return;
    }
    out += ",\"process\":{\"pid\":";
    append_number(out, t.process->pid);
    out += ",\"tid\":";
    append_number(out, t.tid);
    append_text(out, "comm", t.process->comm);
    append_text(out, "exe", t.process->exe);
    out += '}';
    if (t.process->container_id.empty()) return;
    out += ",\"container\":{\"id\":";
    append_string(out, t.process->container_id);
    out += '}';
}

void append_unobserved(std::string& out, const Transaction& t) {
    out += ",\"unobserved\":[";
    bool first = true;
    const auto name = [&](std::string_view what) {
        out += first ? "\"" : ",\"";
        out += what;
        out += '"';
        first = false;
    };
    if (t.status == 0) name("status");
    for (std::size_t i = 0; i < phase_count; ++i)
        if (t.phase_ns[i] == unobserved_ns) name(phase_names[i]);
    if (t.request_body_bytes < 0) name("request_body_bytes");
    if (t.response_body_bytes < 0) name("response_body_bytes");
    if (t.server.family == 0) name("server");
    if (t.client.family == 0) name("client");
    if (!t.process) name("process");
    out += ']';
}

void append_transaction(std::string& out, const Transaction& t) {
    out += "{\"type\":\"transaction\",\"time\":";
    append_time(out, t.time_ns);
    append_text(out, "side", to_string(t.side));
    append_text(out, "service", t.service);
    append_text(out, "method", t.method);
    append_text(out, "route", t.route);
    append_text(out, "path", t.path);
    append_optional(out, "status", t.status == 0 ? -1 : t.status);
    append_text(out, "outcome", to_string(t.outcome));
    append_text(out, "protocol", to_string(t.protocol));
    out += t.tls ? ",\"tls\":true" : ",\"tls\":false";
    append_optional(out, "duration_ns", static_cast<std::int64_t>(t.duration_ns));
    append_phases(out, t);
    append_optional(out, "request_bytes", static_cast<std::int64_t>(t.request_bytes));
    append_optional(out, "response_bytes", static_cast<std::int64_t>(t.response_bytes));
    append_optional(out, "request_body_bytes", t.request_body_bytes);
    append_optional(out, "response_body_bytes", t.response_body_bytes);
    append_text(out, "host", t.host);
    append_text(out, "user_agent", t.user_agent);
    out += ",\"client_ip\":";
    append_address(out, t.client);
    append_endpoint(out, "server", t.server);
    append_endpoint(out, "client", t.client);
    append_process(out, t);
    out += ",\"sample_weight\":1";
    append_unobserved(out, t);
    out += "}\n";
}

void append_loss(std::string& out, const LossRecord& loss) {
    out += "{\"type\":\"loss\",\"time\":";
    append_time(out, loss.time_ns);
    std::uint64_t seen = 0, delivered = 0;
    out += ",\"lost\":[";
    bool first = true;
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        const auto& row = loss.since_last.rows[type];
        seen += row.seen;
        delivered += row.delivered;
        for (std::size_t reason = 0; reason < SONDE_LOSS_REASONS; ++reason) {
            if (row.lost[reason] == 0) continue;
            out += first ? "{\"record\":" : ",{\"record\":";
            first = false;
            append_string(out, record_type_names[type]);
            append_text(out, "reason", loss_reason_names[reason]);
            append_optional(out, "count", static_cast<std::int64_t>(row.lost[reason]));
            out += '}';
        }
    }
    out += ']';
    append_optional(out, "seen", static_cast<std::int64_t>(seen));
    append_optional(out, "delivered", static_cast<std::int64_t>(delivered));
    append_optional(out, "in_flight", static_cast<std::int64_t>(loss.in_flight));
    out += "}\n";
}

}  // namespace

void append_event_json(std::string& out, const Record& record) {
    if (const auto* transaction = std::get_if<Transaction>(&record))
        append_transaction(out, *transaction);
    else
        append_loss(out, std::get<LossRecord>(record));
}

}  // namespace sonde
