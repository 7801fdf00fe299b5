#include "sinks/statsd/statsd_encoder.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace sonde {
namespace {

void append_number(std::string& out, double value) {
    std::array<char, 32> digits{};
    // fixed: statsd servers do not all read exponents
    const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed).ptr;
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// As a part of a name: "/orders/{id}" → "orders_id", "/" → "root". Dots and all that has a meaning become '_'.
void append_name_part(std::string& out, std::string_view text) {
    const auto before = out.size();
    bool gap = false;
    for (const char c : text) {
        if (!is_plain(c)) {
            gap = true;
            continue;
        }
        if (gap && out.size() > before) out += '_';
        gap = false;
        out += c;
    }
    if (out.size() == before) out += "root";
}

// As a tag's value: without what separates tags, fields and lines.
void append_tag(std::string& out, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    if (out.empty() || out.back() != '#') out += ',';
    out += key;
    out += ':';
    for (const char c : value)
        out += c == ',' || c == '|' || c == '#' || static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '_' : c;
}

constexpr double ns_per_ms = 1e6;

}  // namespace

bool StatsdEncoder::add(const Record& record) {
    if (const auto* transaction = std::get_if<Transaction>(&record)) {
        add_transaction(*transaction);
    } else if (const auto* loss = std::get_if<LossRecord>(&record)) {
        add_losses(*loss);
    } else {
        return false;
    }
    return true;
}

// What is not drawn is told by the rate of those that are: it is delivered all the same.
void StatsdEncoder::add_transaction(const Transaction& transaction) {
    if (options_.sample_rate < 1 && std::uniform_real_distribution<double>(0, 1)(random_) >= options_.sample_rate)
        return;
    make_name(transaction);
    make_tail(transaction);
    add_line("requests", 1, "c");
    add_line("duration", static_cast<double>(transaction.duration_ns) / ns_per_ms, "ms");
    add_line("request_bytes", static_cast<double>(transaction.request_bytes), "c");
    add_line("response_bytes", static_cast<double>(transaction.response_bytes), "c");
}

void StatsdEncoder::add_losses(const LossRecord& loss) {
    const auto lost = loss.since_last.lost_total();
    if (lost == 0) return;
    name_ = options_.prefix + '.';
    tail_.clear();
    add_line("records_lost", static_cast<double>(lost), "c");
}

void StatsdEncoder::make_name(const Transaction& transaction) {
    name_ = options_.prefix;
    name_ += transaction.side == Side::server ? ".http.server." : ".http.client.";
    if (options_.dialect == StatsdDialect::dogstatsd) return;
    const auto part = [this](std::string_view text, std::string_view unknown) {
        if (text.empty()) {
            name_ += unknown;
        } else {
            append_name_part(name_, text);
        }
        name_ += '.';
    };
    part(transaction.service, "unknown_service");
    part(transaction.route, "unknown_route");
    part(transaction.status != 0 ? std::to_string(transaction.status / 100) + "xx" : std::string(), "unobserved");
}

void StatsdEncoder::make_tail(const Transaction& transaction) {
    tail_.clear();
    if (const auto rate = options_.sample_rate / transaction.sample_weight; rate < 1) {
        tail_ += "|@";
        append_number(tail_, rate);
    }
    if (options_.dialect == StatsdDialect::plain) return;
    tail_ += "|#";
    append_tag(tail_, "service", transaction.service);
    append_tag(tail_, "method", transaction.method);
    append_tag(tail_, "route", transaction.route);
    if (transaction.status != 0) append_tag(tail_, "status", std::to_string(transaction.status));
    append_tag(tail_, "outcome", to_string(transaction.outcome));
}

void StatsdEncoder::add_line(std::string_view metric, double value, std::string_view type) {
    body_ += name_;
    body_ += metric;
    body_ += ':';
    append_number(body_, value);
    body_ += '|';
    body_ += type;
    body_ += tail_;
    body_ += '\n';
}

}  // namespace sonde
