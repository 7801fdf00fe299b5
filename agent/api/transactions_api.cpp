#include "agent/api/transactions_api.hpp"

#include <algorithm>

#include "agent/api/answer.hpp"
#include "agent/api/run_number.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t limit_default = 100, limit_most = 1000;
constexpr std::size_t body_most = std::size_t{4} << 20;

std::string hex_of(std::uint64_t span_id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 0; i < 16; ++i) out[i] = digits[span_id >> (60 - 4 * i) & 0xFU];
    return out;
}

// The events line with the id in front.
void append_row(std::string& out, const History& history, const KeptTransaction& t) {
    out += R"({"id":")" + run_number(history, t.number) + R"(","kept_as":")";
    out += kept_as_names[static_cast<std::size_t>(t.kept_as)];
    out += R"(","span_id":")" + hex_of(t.span_id) + "\",";
    out += std::string_view(t.line).substr(1);
}

class TransactionFilter {
public:
    explicit TransactionFilter(Parameters& parameters)
        : service_(parameters.text("service")),
          route_(parameters.text("route")),
          method_(parameters.text("method")),
          status_(parameters.text("status").value_or("")),
          text_(parameters.text("q").value_or("")),
          span_id_(parameters.text("span_id").value_or("")),
          side_(parameters.choice("side", {"any", "server", "client"})),
          outcome_(parameters.choice("outcome", {"any", "ok", "error", "aborted", "unobserved"})),
          kept_as_(parameters.choice("kept_as", {"any", "sampled", "failed", "slow"})),
          port_(parameters.number("port", 0, 1, 65535)),
          pid_(parameters.number("pid", 0, 1, UINT32_MAX)),
          min_ns_(parameters.number("min_duration_ns", 0, 0, UINT64_MAX)),
          from_s_(parameters.number("from", 0, 0, UINT32_MAX)),
          to_s_(parameters.number("to", UINT32_MAX, 0, UINT32_MAX)) {}

    [[nodiscard]] bool status_is_valid() const {
        if (status_.empty()) return true;
        return status_.size() == 3 && status_[0] >= '1' && status_[0] <= '5' &&
               (status_.substr(1) == "xx" || (is_digit(status_[1]) && is_digit(status_[2])));
    }
    [[nodiscard]] bool matches(const KeptTransaction& t) const {
        return t.duration_ns >= min_ns_ && (side_ == "any" || side_ == to_string(t.side)) &&
               (outcome_ == "any" || outcome_ == to_string(t.outcome)) && (pid_ == 0 || pid_ == t.pid) &&
               (port_ == 0 || port_ == t.port) &&
               (kept_as_ == "any" || kept_as_ == kept_as_names[static_cast<std::size_t>(t.kept_as)]) &&
               (!service_ || *service_ == t.service) && (!route_ || *route_ == t.route) &&
               (!method_ || *method_ == t.method.view()) && (span_id_.empty() || span_id_ == hex_of(t.span_id)) &&
               status_matches(t.status) && t.time_ns / 1'000'000'000 >= from_s_ && t.time_ns / 1'000'000'000 < to_s_ &&
               (text_.empty() || t.line.find(text_) != std::string::npos);
    }

private:
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }
    [[nodiscard]] bool status_matches(std::uint16_t status) const {
        if (status_.empty()) return true;
        const auto digits = std::to_string(status);
        return status_[1] == 'x' ? digits[0] == status_[0] : digits == status_;
    }
    const std::optional<std::string_view> service_, route_, method_;
    const std::string_view status_, text_, span_id_, side_, outcome_, kept_as_;
    const std::uint64_t port_, pid_, min_ns_, from_s_, to_s_;
};

std::string answer_of(const History& history, const std::vector<const std::string*>& rows, std::uint64_t next,
                      std::uint64_t missed, bool restarted) {
    std::string out = R"({"next":")" + run_number(history, next) + R"(","missed":)" + std::to_string(missed) +
                      R"(,"restarted":)" + (restarted ? "true" : "false") + R"(,"transactions":[)";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i > 0) out += ',';
        out += *rows[i];
    }
    return out + "]}";
}

struct Found {
    std::uint64_t number, duration_ns;
    std::string row;
};

// What came after the cursor, oldest first; what was not kept or is gone by now is counted as missed.
Response after_cursor(const History& history, const TransactionFilter& filter, std::string_view cursor,
                      std::uint64_t limit) {
    const auto after = number_of(history, cursor);
    const auto from = after.value_or(0);
    const auto last = std::max(history.last_number(), from);
    std::vector<Found> found;
    std::vector<std::uint64_t> held;
    history.transactions([&](const KeptTransaction& t) {
        if (t.number <= from) return false;
        if (t.number > last) return true;
        held.push_back(t.number);
        if (!filter.matches(t)) return true;
        found.push_back({t.number, t.duration_ns, {}});
        append_row(found.back().row, history, t);
        return true;
    });
    std::reverse(found.begin(), found.end());
    // more than the answer may hold: the next one goes on from here
    auto next = last;
    std::vector<const std::string*> rows;
    std::size_t bytes = 0;
    for (const auto& one : found) {
        if (rows.size() == limit || bytes > body_most) break;
        rows.push_back(&one.row);
        bytes += one.row.size();
    }
    if (rows.size() < found.size()) next = found[rows.size() - 1].number;
    const auto held_before = static_cast<std::uint64_t>(
        std::count_if(held.begin(), held.end(), [next](std::uint64_t number) { return number <= next; }));
    return json_text(answer_of(history, rows, next, next - from - held_before, !after));
}

}  // namespace

Response transactions_answer(const History& history, const Request& request) {
    Parameters parameters(
        request, {"after", "sort", "limit", "offset", "service", "route", "method", "status", "q", "side", "outcome",
                  "kept_as", "port", "pid", "min_duration_ns", "from", "to", "span_id"});
    const auto sort = parameters.choice("sort", {"time", "duration"});
    const auto limit = parameters.number("limit", limit_default, 1, limit_most);
    const auto offset = parameters.number("offset", 0, 0, 100'000);
    const TransactionFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    if (!filter.status_is_valid()) return bad_request("status must be three digits, as in 503, or a class, as in 5xx");
    if (const auto cursor = parameters.text("after")) return after_cursor(history, filter, *cursor, limit);

    const auto last = history.last_number();
    std::vector<Found> found;
    std::size_t bytes = 0;
    history.transactions([&](const KeptTransaction& t) {
        if (!filter.matches(t)) return true;
        found.push_back({t.number, t.duration_ns, {}});
        append_row(found.back().row, history, t);
        bytes += found.back().row.size();
        return sort == "duration" || (found.size() < offset + limit && bytes <= body_most);
    });
    if (sort == "duration")
        std::stable_sort(found.begin(), found.end(),
                         [](const Found& a, const Found& b) { return a.duration_ns > b.duration_ns; });
    std::vector<const std::string*> rows;
    bytes = 0;
    for (auto i = offset; i < found.size() && rows.size() < limit && bytes <= body_most; ++i) {
        rows.push_back(&found[i].row);
        bytes += found[i].row.size();
    }
    return json_text(answer_of(history, rows, last, 0, false));
}

Response transaction_answer(const History& history, const Request& request) {
    const auto number = number_of(history, request.tail);
    const auto found = number ? history.transaction(*number) : KeptTransaction{};
    if (found.line.empty())
        return json_answer({{"error", "no such transaction: it was not kept, is gone by now, or the agent restarted"}},
                           404);
    std::string out;
    append_row(out, history, found);
    return json_text(std::move(out));
}

}  // namespace sonde
