#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "sinks/sink.hpp"

namespace sonde {

enum class Level : std::uint8_t { debug, info, warning, error };

// What a record is worth: error (5xx, or the protocol broke), warning (4xx, the peer left, records were lost), info.
// A log line has its own level, one that names none is info; an alert has its severity, critical as error.
Level level_of(const Record& record);
std::string_view to_string(Level level);

// Names of the fields that FieldMatch can look at.
constexpr std::array<std::string_view, 12> filter_fields{"side",     "method",    "path",     "host",
                                                         "protocol", "tls",       "outcome",  "user_agent",
                                                         "comm",     "container", "trace_id", "request_id"};

struct FieldMatch {
    std::string field{};                // one of filter_fields
    std::vector<std::string> values{};  // any of them; whole, or up to a '*' at the end
    bool negate = false;                // none of them
};

// What one sink gets: records that fulfil every condition that is set. Texts match whole, or up to a '*' at the end.
// Conditions on transactions say nothing about other records, `types`, `min_level` and for log lines `services` do.
struct FilterOptions {
    std::vector<std::string> types{};     // "transaction", "loss", "log", "alert"; empty: all
    Level min_level = Level::debug;       // this and worse
    std::vector<std::string> services{};  // empty: all
    std::vector<std::string> routes{};    // empty: all
    std::uint16_t status_min = 0;         // 0: any; a status that was not observed is in no range
    std::uint16_t status_max = 0;         // 0: any
    std::vector<FieldMatch> fields{};
};

// Immutable: any thread. Allocates nothing per record.
class RecordFilter {
public:
    RecordFilter() = default;  // passes everything
    // Errors (usage): a type or a field that does not exist, an empty range of statuses.
    static Result<RecordFilter> build(const FilterOptions& options);

    [[nodiscard]] bool passes(const Record& record) const;
    [[nodiscard]] bool passes(const Transaction& transaction) const;

private:
    enum class Type : std::uint8_t { transaction, loss, log, alert };
    struct Match {
        std::size_t field;  // in filter_fields
        std::vector<std::string> values;
        bool negate;
    };
    [[nodiscard]] bool passes(const LogLine& line) const;
    [[nodiscard]] bool wants(Type type) const { return (types_ >> static_cast<unsigned>(type) & 1U) != 0; }

    FilterOptions options_;
    std::vector<Match> matches_;
    std::uint32_t types_ = ~0U;  // bits by Type
    bool everything_ = true;
};

}  // namespace sonde
