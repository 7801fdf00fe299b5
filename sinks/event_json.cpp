#include "sinks/event_json.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstring>
#include <string_view>

namespace sonde {
namespace {

// Collects the line on the stack: copies of constant size into it compile to plain stores, and the string is
// touched once per line.
class LineBuffer {
public:
    explicit LineBuffer(std::string& out) : out_(out) { cursor_ = bytes_.data(); }
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;
    ~LineBuffer() { spill(); }

    template <std::size_t N>
    void literal(const char (&text)[N]) {
        room(N - 1);
        std::memcpy(cursor_, text, N - 1);
        cursor_ += N - 1;
    }
    void text(std::string_view text) {
        if (text.empty()) return;
        if (text.size() > bytes_.size()) {
            spill();
            out_.append(text);
            return;
        }
        room(text.size());
        std::memcpy(cursor_, text.data(), text.size());
        cursor_ += text.size();
    }
    void character(char c) {
        room(1);
        *cursor_++ = c;
    }
    void number(std::integral auto value) {
        room(max_digits);
        cursor_ = std::to_chars(cursor_, cursor_ + max_digits, value).ptr;
    }
    // Shortest text that reads back as the same number; finite.
    void number(double value) {
        room(max_double);
        cursor_ = std::to_chars(cursor_, cursor_ + max_double, value).ptr;
    }
    // Exactly `digits` digits, with leading zeros.
    void padded(std::uint32_t value, std::size_t digits) {
        room(digits);
        for (auto i = digits; i-- > 0; value /= 10) cursor_[i] = static_cast<char>('0' + value % 10);
        cursor_ += digits;
    }

private:
    static constexpr std::size_t max_digits = 20;  // of a 64-bit integer with its sign
    static constexpr std::size_t max_double = 24;  // -1.7976931348623157e+308

    void room(std::size_t size) {
        if (static_cast<std::size_t>(bytes_.data() + bytes_.size() - cursor_) < size) spill();
    }
    void spill() {
        out_.append(bytes_.data(), static_cast<std::size_t>(cursor_ - bytes_.data()));
        cursor_ = bytes_.data();
    }

    std::string& out_;
    std::array<char, 4096> bytes_;  // most lines have about 1 KiB
    char* cursor_;
};

struct Utf8Sequence {
    std::size_t length;
    bool valid;
};

// The sequence at the start of `text`, whose first byte is not ASCII; when invalid, the part that one replacement
// character stands for (Unicode 15, §3.9, table 3-7 and "substitution of maximal subparts").
Utf8Sequence utf8_sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;   // shorter form exists
        if (lead == 0xED) high = 0x9F;  // surrogates
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;   // shorter form exists
        if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
    } else {
        return {1, false};
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (i >= text.size() || at(i) < low || at(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {length, true};
}

constexpr std::array<bool, 256> make_plain_bytes() {
    std::array<bool, 256> plain{};
    for (std::size_t i = 0x20; i < 0x80; ++i) plain[i] = i != '"' && i != '\\';
    return plain;
}
constexpr auto plain_bytes = make_plain_bytes();

void append_control(LineBuffer& line, unsigned char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"':
            return line.literal("\\\"");
        case '\\':
            return line.literal("\\\\");
        case '\b':
            return line.literal("\\b");
        case '\f':
            return line.literal("\\f");
        case '\n':
            return line.literal("\\n");
        case '\r':
            return line.literal("\\r");
        case '\t':
            return line.literal("\\t");
        default:
            break;
    }
    line.literal("\\u00");
    line.character(hex[c >> 4U]);
    line.character(hex[c & 0xFU]);
}

void append_quoted(LineBuffer& line, std::string_view text) {
    line.character('"');
    std::size_t position = 0;
    while (position < text.size()) {
        auto end = position;
        while (end < text.size() && plain_bytes[static_cast<unsigned char>(text[end])]) ++end;
        line.text(text.substr(position, end - position));
        position = end;
        if (position == text.size()) break;
        const auto byte = static_cast<unsigned char>(text[position]);
        if (byte < 0x80) {
            append_control(line, byte);
            ++position;
            continue;
        }
        const auto sequence = utf8_sequence(text.substr(position));
        if (sequence.valid) {
            line.text(text.substr(position, sequence.length));
        } else {
            line.literal("\\ufffd");
        }
        position += sequence.length;
    }
    line.character('"');
}

void append_time(LineBuffer& line, std::uint64_t time_ns) {
    constexpr std::uint64_t ns_per_second = 1'000'000'000;
    constexpr std::uint32_t seconds_per_day = 86'400;
    const auto seconds = time_ns / ns_per_second;
    const auto day = static_cast<int>(seconds / seconds_per_day);
    const auto second_of_day = static_cast<std::uint32_t>(seconds % seconds_per_day);
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    line.character('"');
    line.padded(static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
    line.character('-');
    line.padded(static_cast<unsigned>(date.month()), 2);
    line.character('-');
    line.padded(static_cast<unsigned>(date.day()), 2);
    line.character('T');
    line.padded(second_of_day / 3600, 2);
    line.character(':');
    line.padded(second_of_day / 60 % 60, 2);
    line.character(':');
    line.padded(second_of_day % 60, 2);
    line.character('.');
    line.padded(static_cast<std::uint32_t>(time_ns % ns_per_second), 9);
    line.literal("Z\"");
}

class AddressText {
public:
    explicit AddressText(const Endpoint& endpoint) {
        if (endpoint.family == AF_INET) {
            format_ipv4(endpoint);
        } else if (endpoint.family == AF_INET6) {
            if (inet_ntop(AF_INET6, endpoint.address.data(), text_.data(), INET6_ADDRSTRLEN) != nullptr)
                size_ = std::strlen(text_.data());
        }
    }
    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

private:
    // By hand: glibc's inet_ntop goes through snprintf, which costs more than the rest of the line.
    void format_ipv4(const Endpoint& endpoint) {
        char* cursor = text_.data();
        char* const end = cursor + text_.size();
        for (std::size_t i = 0; i < 4; ++i) {
            if (i > 0) *cursor++ = '.';
            cursor = std::to_chars(cursor, end, endpoint.address[i]).ptr;
        }
        size_ = static_cast<std::size_t>(cursor - text_.data());
    }
    std::array<char, INET6_ADDRSTRLEN> text_;
    std::size_t size_ = 0;
};

class TransactionLine {
public:
    TransactionLine(LineBuffer& line, const Transaction& transaction) : line_(line), transaction_(transaction) {}

    void append() {
        append_request();
        append_outcome();
        append_phases();
        append_sizes();
        append_peers();
        append_process();
        append_kubernetes();
        append_trace();
        if (transaction_.grpc) append_grpc();
        line_.literal(",\"sample_weight\":");
        line_.number(transaction_.sample_weight);
        line_.literal(",\"unobserved\":[");
        for (std::size_t i = 0; i < unobserved_count_; ++i) {
            if (i > 0) line_.character(',');
            line_.character('"');
            line_.text(unobserved_[i]);
            line_.character('"');
        }
        line_.literal("]}\n");
    }

private:
    void null(std::string_view name) {
        line_.literal("null");
        unobserved_[unobserved_count_++] = name;
    }
    void text_if(bool observed, std::string_view text, std::string_view name) {
        if (observed) {
            append_quoted(line_, text);
        } else {
            null(name);
        }
    }
    void text_or_null(std::string_view text, std::string_view name) { text_if(!text.empty(), text, name); }
    void number_if(bool observed, std::integral auto value, std::string_view name) {
        if (observed) {
            line_.number(value);
        } else {
            null(name);
        }
    }

    void append_request() {
        line_.literal("{\"type\":\"transaction\",\"time\":");
        append_time(line_, transaction_.time_ns);
        line_.literal(",\"side\":\"");
        line_.text(to_string(transaction_.side));
        line_.literal("\",\"service\":");
        text_or_null(transaction_.service, "service");
        line_.literal(",\"method\":");
        text_or_null(transaction_.method, "method");
        line_.literal(",\"route\":");
        text_or_null(transaction_.route, "route");
        line_.literal(",\"path\":");
        text_or_null(transaction_.path, "path");
    }
    void append_outcome() {
        line_.literal(",\"status\":");
        number_if(transaction_.status != 0, transaction_.status, "status");
        line_.literal(",\"outcome\":\"");
        line_.text(to_string(transaction_.outcome));
        line_.literal("\",\"protocol\":\"");
        line_.text(to_string(transaction_.protocol));
        line_.literal("\",\"tls\":");
        line_.text(transaction_.tls ? "true" : "false");
        line_.literal(",\"duration_ns\":");
        line_.number(transaction_.duration_ns);
    }
    void append_phases() {
        line_.literal(",\"phases\":{");
        for (std::size_t i = 0; i < phase_count; ++i) {
            if (i > 0) line_.character(',');
            line_.character('"');
            line_.text(phase_names[i]);
            line_.literal("_ns\":");
            number_if(transaction_.phase_ns[i] >= 0, transaction_.phase_ns[i], phase_names[i]);
        }
        line_.character('}');
    }
    void append_sizes() {
        line_.literal(",\"request_bytes\":");
        line_.number(transaction_.request_bytes);
        line_.literal(",\"response_bytes\":");
        line_.number(transaction_.response_bytes);
        line_.literal(",\"request_body_bytes\":");
        number_if(transaction_.request_body_bytes >= 0, transaction_.request_body_bytes, "request_body_bytes");
        line_.literal(",\"response_body_bytes\":");
        number_if(transaction_.response_body_bytes >= 0, transaction_.response_body_bytes, "response_body_bytes");
    }
    void append_endpoint(std::string_view address, const Endpoint& endpoint, std::string_view name) {
        if (endpoint.family == AF_UNIX) return line_.literal("{\"address\":\"unix\",\"port\":null}");
        if (address.empty()) return null(name);
        line_.literal("{\"address\":\"");
        line_.text(address);
        line_.literal("\",\"port\":");
        line_.number(endpoint.port);
        line_.character('}');
    }
    void append_peers() {
        // HTTP/2: what is empty in a head whose fields were missed was not observed
        const bool head_observed = !transaction_.method.empty();
        const bool all_observed = head_observed && !transaction_.head_incomplete;
        const AddressText server(transaction_.server);
        const AddressText client(transaction_.client);
        const AddressText client_ip(transaction_.client_ip);
        line_.literal(",\"host\":");
        text_if(all_observed || !transaction_.host.empty(), transaction_.host, "host");
        line_.literal(",\"user_agent\":");
        text_if(all_observed || !transaction_.user_agent.empty(), transaction_.user_agent, "user_agent");
        line_.literal(",\"client_ip\":");
        // not unobserved: a Unix socket has none
        if (transaction_.client_ip.family == AF_UNIX)
            line_.literal("null");
        else
            text_or_null(client_ip.view(), "client_ip");
        line_.literal(",\"server\":");
        append_endpoint(server.view(), transaction_.server, "server");
        line_.literal(",\"client\":");
        append_endpoint(client.view(), transaction_.client, "client");
    }
    void append_process() {
        line_.literal(",\"process\":");
        const auto* process = transaction_.process.get();
        if (process == nullptr) return null("process");
        line_.literal("{\"pid\":");
        line_.number(process->pid);
        line_.literal(",\"tid\":");
        number_if(transaction_.tid != 0, transaction_.tid, "tid");
        line_.literal(",\"comm\":");
        text_or_null(process->comm, "comm");
        line_.literal(",\"exe\":");
        text_or_null(process->exe, "exe");
        line_.character('}');
        if (process->container_id.empty()) return;
        line_.literal(",\"container\":{\"id\":");
        append_quoted(line_, process->container_id);
        line_.character('}');
    }

    // Left out where no cluster is known. What its API did not say is left out, too.
    void append_kubernetes() {
        if (const auto* container = transaction_.kubernetes.get()) {
            line_.literal(",\"k8s\":{\"namespace\":");
            append_quoted(line_, container->namespace_name);
            append_named(",\"pod\":", container->pod);
            append_named(",\"container\":", container->container);
            append_named(",\"node\":", container->node);
            append_named(",\"owner_kind\":", container->owner_kind);
            append_named(",\"owner\":", container->owner);
            append_labels(container->labels);
            line_.character('}');
        }
        if (const auto* peer = transaction_.peer.get()) {
            line_.literal(",\"peer\":{\"namespace\":");
            append_quoted(line_, peer->namespace_name);
            append_named(",\"service\":", peer->service);
            append_named(",\"pod\":", peer->pod);
            line_.character('}');
        }
    }
    template <std::size_t n>
    void append_named(const char (&name)[n], std::string_view value) {
        if (value.empty()) return;
        line_.literal(name);
        append_quoted(line_, value);
    }
    void append_labels(const std::vector<std::pair<std::string, std::string>>& labels) {
        if (labels.empty()) return;
        line_.literal(",\"labels\":{");
        for (std::size_t i = 0; i < labels.size(); ++i) {
            if (i > 0) line_.character(',');
            append_quoted(line_, labels[i].first);
            line_.character(':');
            append_quoted(line_, labels[i].second);
        }
        line_.character('}');
    }

    // Left out where no header named a trace or a request.
    void append_trace() {
        const auto& trace = transaction_.trace;
        if (trace.trace_id.empty() && trace.request_id.empty()) return;
        line_.literal(",\"trace\":{");
        if (!trace.trace_id.empty()) {
            line_.literal("\"trace_id\":\"");
            line_.text(trace.trace_id);
            line_.literal("\",\"span_id\":\"");
            append_hex(trace.span_id);
            line_.character('"');
            if (!trace.parent_span_id.empty()) {
                line_.literal(",\"parent_span_id\":\"");
                line_.text(trace.parent_span_id);
                line_.character('"');
            }
            if (!trace.request_id.empty()) line_.character(',');
        }
        if (!trace.request_id.empty()) {
            line_.literal("\"request_id\":");
            append_quoted(line_, trace.request_id);
        }
        line_.character('}');
    }
    void append_hex(std::uint64_t value) {
        constexpr std::string_view digits = "0123456789abcdef";
        for (int shift = 60; shift >= 0; shift -= 4) line_.character(digits[value >> shift & 0xFU]);
    }

    // "status" is grpc-status, null where neither a trailer nor a head told it.
    void append_grpc() {
        line_.literal(",\"grpc\":{\"status\":");
        number_if(transaction_.grpc_status >= 0, transaction_.grpc_status, "grpc_status");
        line_.character('}');
    }

    LineBuffer& line_;
    const Transaction& transaction_;
    std::array<std::string_view, 24> unobserved_;  // more than there are names
    std::size_t unobserved_count_ = 0;
};

void append_loss(LineBuffer& line, const LossRecord& loss) {
    std::uint64_t seen = 0;
    std::uint64_t delivered = 0;
    bool first = true;
    line.literal("{\"type\":\"loss\",\"time\":");
    append_time(line, loss.time_ns);
    line.literal(",\"lost\":[");
    for (std::size_t type = 0; type < loss.since_last.rows.size(); ++type) {
        const auto& row = loss.since_last.rows[type];
        seen += row.seen;
        delivered += row.delivered;
        for (std::size_t reason = 0; reason < row.lost.size(); ++reason) {
            if (row.lost[reason] == 0) continue;
            if (!first) line.character(',');
            first = false;
            line.literal("{\"record\":\"");
            line.text(record_type_names[type]);
            line.literal("\",\"reason\":\"");
            line.text(loss_reason_names[reason]);
            line.literal("\",\"count\":");
            line.number(row.lost[reason]);
            line.character('}');
        }
    }
    line.literal("],\"seen\":");
    line.number(seen);
    line.literal(",\"delivered\":");
    line.number(delivered);
    line.literal(",\"in_flight\":");
    line.number(loss.in_flight);
    line.literal("}\n");
}

}  // namespace

void append_event_json(std::string& out, const Record& record) {
    LineBuffer line(out);
    if (const auto* transaction = std::get_if<Transaction>(&record)) {
        TransactionLine(line, *transaction).append();
    } else if (const auto* loss = std::get_if<LossRecord>(&record)) {
        append_loss(line, *loss);
    }
}

void append_json_string(std::string& out, std::string_view text) {
    LineBuffer line(out);
    append_quoted(line, text);
}

}  // namespace sonde
