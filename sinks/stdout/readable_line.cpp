#include "sinks/stdout/readable_line.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "agent/base/readable_duration.hpp"

namespace sonde {
namespace {

constexpr std::string_view reset = "\x1b[0m";
constexpr std::string_view dim = "\x1b[2m";
constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view yellow = "\x1b[33m";
constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view block = "\u2588";

struct PhaseStyle {
    char letter;
    std::string_view colour;
};
// in the order of Phase
constexpr std::array<PhaseStyle, phase_count> styles{
    {{'q', "\x1b[35m"}, {'u', "\x1b[34m"}, {'c', "\x1b[32m"}, {'r', "\x1b[33m"}, {'b', "\x1b[31m"}, {'t', "\x1b[36m"}}};

void append_coloured(std::string& out, std::string_view text, std::string_view colour, bool wanted) {
    if (wanted) out += colour;
    out += text;
    if (wanted) out += reset;
}

template <typename... Values>
void append_format(std::string& out, const char* format, Values... values) {
    std::array<char, 64> text;
    const int size = std::snprintf(text.data(), text.size(), format, values...);
    out.append(text.data(), std::min(static_cast<std::size_t>(std::max(size, 0)), text.size() - 1));
}

void append_time(std::string& out, std::uint64_t time_ns) {
    const auto ms = time_ns / 1'000'000 % 86'400'000;
    append_format(out, "%02u:%02u:%02u.%03u", static_cast<unsigned>(ms / 3'600'000),
                  static_cast<unsigned>(ms / 60'000 % 60), static_cast<unsigned>(ms / 1000 % 60),
                  static_cast<unsigned>(ms % 1000));
}

// Length of the valid UTF-8 sequence at the start of `text`, which shows and moves nothing; 0: there is none.
std::size_t printable_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
    char32_t code = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xC0U) != 0x80) return 0;
        code = code << 6U | (at(i) & 0x3FU);
    }
    constexpr std::array<char32_t, 5> shortest{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const bool control = code < 0xA0;  // C1: as good as ESC [ to some terminals
    const bool direction = (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                           (code >= 0x2066 && code <= 0x2069);  // lines, and text that shows reversed
    const bool valid = code >= shortest[length] && code <= 0x10FFFF && !surrogate && !control && !direction;
    return valid ? length : 0;
}

void append_printable(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const auto length = printable_length(text);
        if (length == 0) {
            out += '?';
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
}

// Cells per phase, in order; the last one counts what was not observed. Shares are rounded at their ends, so that
// they always add up to bar_cells.
std::array<int, phase_count + 1> share_cells(const Transaction& transaction) {
    std::array<int, phase_count + 1> cells{};
    std::uint64_t total = transaction.duration_ns;
    std::uint64_t observed = 0;
    for (const auto ns : transaction.phase_ns) observed += static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    total = std::max({total, observed, std::uint64_t{1}});
    double end = 0;
    int filled = 0;
    for (std::size_t i = 0; i < phase_count; ++i) {
        end += static_cast<double>(std::max<std::int64_t>(transaction.phase_ns[i], 0));
        const int reached = static_cast<int>(end / static_cast<double>(total) * bar_cells + 0.5);
        cells[i] = std::min(reached, bar_cells) - filled;
        filled += cells[i];
    }
    cells[phase_count] = bar_cells - filled;
    return cells;
}

void append_bar(std::string& out, const Transaction& transaction, bool colour) {
    const auto cells = share_cells(transaction);
    for (std::size_t i = 0; i < phase_count; ++i) {
        if (cells[i] == 0) continue;
        if (colour) out += styles[i].colour;
        for (int cell = 0; cell < cells[i]; ++cell) {
            if (colour) {
                out += block;
            } else {
                out += styles[i].letter;
            }
        }
        if (colour) out += reset;
    }
    out.append(static_cast<std::size_t>(cells[phase_count]), '.');
}

std::string_view colour_of(const Transaction& transaction) {
    if (transaction.outcome == Outcome::error || transaction.status >= 500) return red;
    if (transaction.outcome == Outcome::aborted || transaction.status >= 400) return yellow;
    return transaction.status == 0 ? dim : green;
}

void append_transaction(std::string& out, const Transaction& transaction, bool colour) {
    append_time(out, transaction.time_ns);
    out += "  ";
    std::string status = transaction.status == 0 ? "  -" : std::to_string(transaction.status);
    append_coloured(out, status, colour_of(transaction), colour);
    const auto duration = readable_duration(transaction.duration_ns);
    const auto columns = duration.size() - (duration.find("µ") == std::string::npos ? 0 : 1);
    out.append(12 - std::min<std::size_t>(columns, 11), ' ');
    out += duration;
    out += "  ";
    append_bar(out, transaction, colour);
    out += transaction.side == Side::client ? "  -> " : "  ";
    append_printable(out, transaction.method.empty() ? "-" : std::string_view(transaction.method));
    out += ' ';
    append_printable(out, transaction.path.empty() ? "-" : std::string_view(transaction.path));
    if (!transaction.service.empty()) {
        out += "  ";
        if (colour) out += dim;
        append_printable(out, transaction.service);
        if (colour) out += reset;
    }
    if (transaction.outcome == Outcome::aborted) append_coloured(out, "  aborted", yellow, colour);
    out += '\n';
}

std::string_view colour_of(Severity severity) {
    if (severity >= Severity::error) return red;
    return severity == Severity::warn ? yellow : dim;
}

void append_log(std::string& out, const LogLine& line, bool colour) {
    append_time(out, line.time_ns());
    out += "  ";
    const auto level =
        line.record.severity == Severity::unknown ? std::string_view("log") : to_string(line.record.severity);
    append_coloured(out, level, colour_of(line.record.severity), colour);
    out.append(level.size() < 6 ? 6 - level.size() : 0, ' ');
    append_printable(out, line.record.message);
    if (!line.service.empty()) {
        out += "  ";
        if (colour) out += dim;
        append_printable(out, line.service);
        if (colour) out += reset;
    }
    out += '\n';
}

void append_loss(std::string& out, const LossRecord& loss, bool colour) {
    append_time(out, loss.time_ns);
    if (colour) out += red;
    out += "  lost:";
    for (std::size_t type = 0; type < loss.since_last.rows.size(); ++type) {
        const auto& lost = loss.since_last.rows[type].lost;
        for (std::size_t reason = 0; reason < lost.size(); ++reason) {
            if (lost[reason] == 0) continue;
            append_format(out, " %llu ", static_cast<unsigned long long>(lost[reason]));
            out.append(record_type_names[type]).append(" (").append(loss_reason_names[reason]).append(")");
        }
    }
    if (colour) out += reset;
    out += '\n';
}

void append_alert(std::string& out, const AlertRecord& record, bool colour) {
    if (!record.notice) return;
    for (const auto& alert : record.notice->alerts) {
        append_time(out, record.time_ns);
        const bool fires = alert.state == AlertState::firing;
        if (colour) out += fires && alert.severity != AlertSeverity::info ? red : reset;
        out.append("  alert ").append(to_string(alert.state)).append(": ");
        append_printable(out, alert.summary);
        if (colour) out += reset;
        out += '\n';
    }
}

}  // namespace

void append_readable_header(std::string& out, bool colour) {
    out += "time (UTC)    status  duration  ";
    for (std::size_t i = 0; i < phase_count; ++i) {
        if (i > 0) out += ' ';
        if (colour)
            out.append(styles[i].colour).append(block).append(reset);
        else
            out.append(1, styles[i].letter).append("=");
        out += phase_names[i];
    }
    out += "\n";
}

void append_readable_line(std::string& out, const Record& record, bool colour) {
    if (const auto* transaction = std::get_if<Transaction>(&record)) {
        append_transaction(out, *transaction, colour);
    } else if (const auto* loss = std::get_if<LossRecord>(&record)) {
        append_loss(out, *loss, colour);
    } else if (const auto* log = std::get_if<LogLinePtr>(&record)) {
        append_log(out, **log, colour);
    } else if (const auto* alert = std::get_if<AlertRecord>(&record)) {
        append_alert(out, *alert, colour);
    }
}

}  // namespace sonde
