#include "agent/api/logs_api.hpp"

#include <algorithm>
#include <unordered_map>

#include "agent/api/answer.hpp"
#include "agent/api/run_number.hpp"
#include "agent/log/message_template.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr std::uint64_t limit_default = 100, limit_most = 1000;
constexpr std::size_t body_most = std::size_t{4} << 20;
constexpr std::uint64_t ns_per_s = 1'000'000'000;

std::optional<std::uint64_t> hex_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size() || text.size() > 16) return std::nullopt;
    return value;
}

std::string hex_text(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 0; i < 16; ++i) out[i] = digits[value >> (60 - 4 * i) & 0xFU];
    return out;
}

class LineFilter {
public:
    explicit LineFilter(Parameters& parameters)
        : service_(parameters.text("service")),
          text_(parameters.text("q").value_or("")),
          level_(parameters.choice("level", {"any", "trace", "debug", "info", "warn", "error", "fatal"})),
          match_(parameters.choice("match",
                                   {"any", "attached", "trace", "thread", "process", "access", "candidates", "none"})),
          from_s_(parameters.number("from", 0, 0, UINT32_MAX)),
          to_s_(parameters.number("to", UINT32_MAX, 0, UINT32_MAX)) {
        if (const auto text = parameters.text("span_id")) read_hex(*text, span_id_);
        if (const auto text = parameters.text("template")) read_hex(*text, template_);
        for (std::size_t i = 0; i < severity_count; ++i)
            if (severity_names[i] == level_) least_ = static_cast<Severity>(i);
    }
    [[nodiscard]] bool ids_are_valid() const { return ids_are_valid_; }
    [[nodiscard]] bool matches(const KeptLine& line) const {
        return line.severity >= least_ && matches_rule(line.match) &&
               (span_id_ == 0 || span_id_ == line.request_span_id) &&
               (template_ == 0 || template_ == line.template_hash) && (!service_ || *service_ == line.service) &&
               line.time_ns / ns_per_s >= from_s_ && line.time_ns / ns_per_s < to_s_ &&
               (text_.empty() || line.line.find(text_) != std::string::npos);
    }

private:
    void read_hex(std::string_view text, std::uint64_t& into) {
        const auto value = hex_number(text);
        ids_are_valid_ = ids_are_valid_ && value;
        into = value.value_or(0);
    }
    [[nodiscard]] bool matches_rule(LogMatch match) const {
        return match_ == "any" || (match_ == "attached" ? is_attached(match) : match_ == to_string(match));
    }
    const std::optional<std::string_view> service_;
    const std::string_view text_, level_, match_;
    const std::uint64_t from_s_, to_s_;
    std::uint64_t span_id_ = 0, template_ = 0;
    Severity least_ = Severity::unknown;
    bool ids_are_valid_ = true;
};

constexpr const char* wrong_id = "span_id and template are up to 16 hexadecimal digits";

struct Row {
    std::uint64_t number;
    std::string text;
};

void append_row(std::vector<Row>& rows, const History& history, const KeptLine& line) {
    auto& row =
        rows.emplace_back(Row{line.number, R"({"id":")" + run_number(history, line.number) + R"(","template":")"});
    row.text += hex_text(line.template_hash) + "\",";
    row.text += std::string_view(line.line).substr(1);
}

Response answer_of(const History& history, const std::vector<Row>& rows, std::size_t count, std::uint64_t next,
                   std::uint64_t missed, bool restarted) {
    std::string out = R"({"next":")" + run_number(history, next) + R"(","missed":)" + std::to_string(missed) +
                      R"(,"restarted":)" + (restarted ? "true" : "false") + R"(,"logs":[)";
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) out += ',';
        out += rows[i].text;
    }
    return json_text(out + "]}");
}

// What came after the cursor, oldest first; what was not kept or is gone by now is counted as missed.
Response after_cursor(const LogStore& logs, const History& history, const LineFilter& filter, std::string_view cursor,
                      std::uint64_t limit) {
    const auto after = number_of(history, cursor);
    const auto from = after.value_or(0);
    const auto last = std::max(logs.last_number(), from);
    std::vector<Row> rows;
    std::vector<std::uint64_t> held;
    logs.lines([&](const KeptLine& line) {
        if (line.number <= from) return false;
        if (line.number > last) return true;
        held.push_back(line.number);
        if (filter.matches(line)) append_row(rows, history, line);
        return true;
    });
    std::reverse(rows.begin(), rows.end());
    std::size_t count = 0, bytes = 0;
    for (; count < rows.size() && count < limit && bytes <= body_most; ++count) bytes += rows[count].text.size();
    // more than the answer may hold: the next one goes on from here
    const auto next = count < rows.size() ? rows[count - 1].number : last;
    const auto held_before = static_cast<std::uint64_t>(
        std::count_if(held.begin(), held.end(), [next](std::uint64_t number) { return number <= next; }));
    return answer_of(history, rows, count, next, next - from - held_before, !after);
}

}  // namespace

Response logs_answer(const LogStore& logs, const History& history, const Request& request) {
    Parameters parameters(request,
                          {"after", "limit", "service", "level", "q", "match", "span_id", "template", "from", "to"});
    const auto limit = parameters.number("limit", limit_default, 1, limit_most);
    const LineFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    if (!filter.ids_are_valid()) return bad_request(wrong_id);
    if (const auto cursor = parameters.text("after")) return after_cursor(logs, history, filter, *cursor, limit);
    const auto last = logs.last_number();
    std::vector<Row> rows;
    std::size_t bytes = 0;
    logs.lines([&](const KeptLine& line) {
        if (!filter.matches(line)) return true;
        append_row(rows, history, line);
        bytes += rows.back().text.size();
        return rows.size() < limit && bytes <= body_most;
    });
    return answer_of(history, rows, rows.size(), last, 0, false);
}

Response log_templates_answer(const LogStore& logs, const Request& request) {
    Parameters parameters(request, {"limit", "service", "level", "q", "match", "span_id", "template", "from", "to"});
    const auto limit = parameters.number("limit", 50, 1, 500);
    const LineFilter filter(parameters);
    if (!parameters.error().empty()) return bad_request(parameters.error());
    if (!filter.ids_are_valid()) return bad_request(wrong_id);
    struct Group {
        std::uint64_t count = 0, last_ns = 0;
        Severity severity = Severity::unknown;  // the worst
        std::string_view service;
        std::string message;  // the newest
    };
    std::unordered_map<std::uint64_t, Group> groups;
    std::uint64_t all = 0;
    logs.lines([&](const KeptLine& line) {
        if (line.template_hash == 0 || !filter.matches(line)) return true;
        auto& group = groups[line.template_hash];
        if (group.count++ == 0) {
            group.service = line.service;
            group.message = line.message;
            group.last_ns = line.time_ns;
        }
        group.severity = std::max(group.severity, line.severity);
        ++all;
        return true;
    });
    std::vector<std::pair<std::uint64_t, const Group*>> order;
    for (const auto& [hash, group] : groups) order.emplace_back(hash, &group);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second->count, a.first) > std::pair(b.second->count, b.first);
    });
    if (order.size() > limit) order.resize(limit);
    json::array out;
    for (const auto& [hash, group] : order)
        out.push_back({{"template", hex_text(hash)},
                       {"text", valid_utf8(MessageTemplate(group->message).view())},
                       {"count", group->count},
                       {"level", group->severity == Severity::unknown ? json::value(nullptr)
                                                                      : json::value(to_string(group->severity))},
                       {"service", valid_utf8(group->service)},
                       {"last", static_cast<double>(group->last_ns / 1'000'000) / 1000},
                       {"example", valid_utf8(group->message)}});
    return json_answer({{"lines", all}, {"templates", std::move(out)}});
}

}  // namespace sonde
