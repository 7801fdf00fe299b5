#include "sinks/delivery/record_filter.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::array<std::string_view, 4> type_names{"transaction", "loss", "log", "alert"};
constexpr std::uint16_t first_client_error = 400, first_server_error = 500;

bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == text;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return matches(pattern, text); });
}

Level level_of_transaction(const Transaction& transaction) {
    if (transaction.outcome == Outcome::error || transaction.status >= first_server_error) return Level::error;
    if (transaction.outcome == Outcome::aborted || transaction.status >= first_client_error) return Level::warning;
    return Level::info;
}

Level level_of_line(const LogLine& line) {
    constexpr std::array<Level, severity_count> levels{Level::info,    Level::debug, Level::debug, Level::info,
                                                       Level::warning, Level::error, Level::error};
    return levels[static_cast<std::size_t>(line.record.severity)];
}

// In the order of filter_fields.
std::string_view field_of(const Transaction& transaction, std::size_t field) {
    const auto* process = transaction.process.get();
    switch (field) {
        case 0:
            return to_string(transaction.side);
        case 1:
            return transaction.method;
        case 2:
            return transaction.path;
        case 3:
            return transaction.host;
        case 4:
            return to_string(transaction.protocol);
        case 5:
            return transaction.tls ? "true" : "false";
        case 6:
            return to_string(transaction.outcome);
        case 7:
            return transaction.user_agent;
        case 8:
            return process != nullptr ? std::string_view(process->comm) : std::string_view();
        case 9:
            return process != nullptr ? std::string_view(process->container_id) : std::string_view();
        case 10:
            return transaction.trace.trace_id;
        default:
            return transaction.trace.request_id;
    }
}

template <std::size_t N>
std::string listed(const std::array<std::string_view, N>& names) {
    std::string out;
    for (const auto name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
}

}  // namespace

Level level_of(const Record& record) {
    if (const auto* transaction = std::get_if<Transaction>(&record)) return level_of_transaction(*transaction);
    if (const auto* line = std::get_if<LogLinePtr>(&record)) return level_of_line(**line);
    if (const auto* alert = std::get_if<AlertRecord>(&record); alert != nullptr && alert->notice) {
        constexpr std::array<Level, 3> levels{Level::info, Level::warning, Level::error};
        return levels[static_cast<std::size_t>(alert->notice->severity())];
    }
    return Level::warning;
}

std::string_view to_string(Level level) {
    constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
    return names[static_cast<std::size_t>(level)];
}

Result<RecordFilter> RecordFilter::build(const FilterOptions& options) {
    RecordFilter filter;
    filter.options_ = options;
    if (!options.types.empty()) filter.types_ = 0;
    for (const auto& type : options.types) {
        const auto* const found = std::find(type_names.begin(), type_names.end(), type);
        if (found == type_names.end())
            return fail("no records of type \"" + type + "\"", "choose from: " + listed(type_names), ErrorKind::usage);
        filter.types_ |= 1U << static_cast<unsigned>(found - type_names.begin());
    }
    if (options.status_max != 0 && options.status_min > options.status_max)
        return fail(
            "no status is in " + std::to_string(options.status_min) + " … " + std::to_string(options.status_max),
            "exchange the bounds", ErrorKind::usage);
    for (const auto& match : options.fields) {
        const auto* const found = std::find(filter_fields.begin(), filter_fields.end(), match.field);
        if (found == filter_fields.end())
            return fail("no field \"" + match.field + "\" to filter by", "choose from: " + listed(filter_fields),
                        ErrorKind::usage);
        filter.matches_.push_back(
            {static_cast<std::size_t>(found - filter_fields.begin()), match.values, match.negate});
    }
    filter.everything_ = options.types.empty() && options.min_level == Level::debug && options.services.empty() &&
                         options.routes.empty() && options.status_min == 0 && options.status_max == 0 &&
                         options.fields.empty();
    return filter;
}

bool RecordFilter::passes(const Record& record) const {
    if (const auto* transaction = std::get_if<Transaction>(&record)) return passes(*transaction);
    if (const auto* line = std::get_if<LogLinePtr>(&record)) return passes(**line);
    const auto type = std::holds_alternative<AlertRecord>(record) ? Type::alert : Type::loss;
    return everything_ || (wants(type) && level_of(record) >= options_.min_level);
}

bool RecordFilter::passes(const LogLine& line) const {
    if (everything_) return true;
    if (!wants(Type::log) || level_of_line(line) < options_.min_level) return false;
    return options_.services.empty() || matches_any(options_.services, line.service);
}

bool RecordFilter::passes(const Transaction& transaction) const {
    if (everything_) return true;
    if (!wants(Type::transaction) || level_of_transaction(transaction) < options_.min_level) return false;
    if (transaction.status < options_.status_min) return false;
    if (options_.status_max != 0 && (transaction.status == 0 || transaction.status > options_.status_max)) return false;
    if (!options_.services.empty() && !matches_any(options_.services, transaction.service)) return false;
    if (!options_.routes.empty() && !matches_any(options_.routes, transaction.route)) return false;
    return std::all_of(matches_.begin(), matches_.end(), [&](const Match& match) {
        return matches_any(match.values, field_of(transaction, match.field)) != match.negate;
    });
}

}  // namespace sonde
