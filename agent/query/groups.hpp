#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/query/event_line.hpp"

namespace sonde {

// What lines can be grouped by.
enum class GroupBy : std::uint8_t { service, route, method, status, side, outcome, path, minute, hour, day };
constexpr std::array<std::string_view, 10> group_by_names{"service", "route", "method", "status", "side",
                                                          "outcome", "path",  "minute", "hour",   "day"};

// "route,status" → both. Errors name what there is (usage).
Result<std::vector<GroupBy>> parse_group_by(std::string_view text);

// Durations with weights: log-linear, 16 buckets an octave from 1 µs to 2^40 ns; a quantile is within 3.2% of a
// duration that was added. 4 KiB.
class WeightedDurations {
public:
    void add(std::uint64_t duration_ns, double weight);
    // 0 when empty.
    [[nodiscard]] std::uint64_t quantile_ns(double q) const;
    [[nodiscard]] std::uint64_t max_ns() const { return max_ns_; }

private:
    static constexpr unsigned sub_bits = 4, first_octave = 10, last_octave = 39;
    static constexpr std::size_t buckets = 2 + (last_octave - first_octave + 1) * (std::size_t{1} << sub_bits);
    static std::size_t index(std::uint64_t duration_ns);
    static std::uint64_t lower_ns(std::size_t bucket);

    std::array<double, buckets> weights_{};
    double total_ = 0;
    std::uint64_t max_ns_ = 0;
};

struct Group {
    std::vector<std::string> names;  // one per GroupBy
    std::uint64_t lines = 0;
    double count = 0;        // lines by their sample_weight: what there was before sampling
    double errors = 0;       // likewise, of outcome error or status 5xx
    double duration_ns = 0;  // likewise, sum
    WeightedDurations durations;
};

// Sums per group; bounded: further groups are summed in one that is called {other}. One thread.
class Groups {
public:
    static constexpr std::size_t max_groups_default = 10'000;  // 40 MiB

    explicit Groups(std::vector<GroupBy> by, std::size_t max_groups = max_groups_default);

    void add(const EventFields& fields);

    // Number of lines in {other}.
    [[nodiscard]] std::uint64_t overflowed() const { return other_ ? other_->lines : 0; }
    // By number, largest first; groups of time in the order of time. {other} comes last.
    [[nodiscard]] std::vector<const Group*> sorted(std::string_view sort) const;
    [[nodiscard]] const std::vector<GroupBy>& by() const { return by_; }

private:
    static void append_name(std::string& key, GroupBy by, const EventFields& fields);

    const std::vector<GroupBy> by_;
    const std::size_t max_groups_;
    std::unordered_map<std::string, std::unique_ptr<Group>> groups_;  // names, each with '\0' behind it
    std::unique_ptr<Group> other_;
    std::string key_;
};

}  // namespace sonde
