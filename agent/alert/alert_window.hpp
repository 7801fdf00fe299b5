#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/alert/alert_rule.hpp"
#include "agent/history/cell.hpp"
#include "agent/history/feed.hpp"

namespace sonde {

constexpr std::size_t alert_side_count = 2;

// Which rows the endpoints of the history count in. A route's row has the endpoint's id, a service's row is one per
// service and side, a node's row is its side.
class AlertPlaces {
public:
    // keys: by endpoint id. Services are never forgotten: their names are interned, and bounded by those who intern.
    void update(std::vector<EndpointKey> keys);
    // Grows when rows came or changed.
    [[nodiscard]] std::uint64_t version() const { return version_; }
    [[nodiscard]] std::size_t rows(AlertScope scope) const;
    [[nodiscard]] std::size_t service_row(std::uint32_t endpoint) const { return service_of_[endpoint]; }
    [[nodiscard]] const EndpointKey& key(std::uint32_t endpoint) const { return keys_[endpoint]; }
    [[nodiscard]] AlertLabels labels(AlertScope scope, std::size_t row) const;
    // Rows that the rule is about, rising.
    [[nodiscard]] std::vector<std::uint32_t> rows_of(const AlertRule& rule) const;

private:
    std::vector<EndpointKey> keys_;
    std::vector<std::uint32_t> service_of_;
    std::vector<std::string> services_;
    std::unordered_map<std::string, std::size_t> service_ids_;
    std::uint64_t version_ = 0;
};

// The last window_s seconds of every endpoint, service and side, added up: a second's cells are added as they come, and
// taken away again by tenths of the window. About 1 KiB a row and 100 bytes per tenth and busy endpoint; a window holds
// up to a tenth more than its length.
class AlertWindow {
public:
    explicit AlertWindow(std::uint32_t window_s);

    // A second's cells, in two steps, so that several windows share the decoding: for each cell …
    void add(std::uint32_t endpoint, std::size_t service_row, Side side, const Cell& cell);
    // … and then all of them, as CellWalk reads them.
    void close_second(std::uint64_t second, std::string_view cells, const AlertPlaces& places);
    // Lets go of what is too old; now_s: the second that is under way.
    void expire(std::uint64_t now_s, const AlertPlaces& places);

    [[nodiscard]] std::uint32_t window_s() const { return window_s_; }
    // How long back it reaches, 1 …; since_s: since when there have been cells at all.
    [[nodiscard]] double covered_s(std::uint64_t now_s, std::uint64_t since_s) const;
    // Null: nothing ever counted in this row.
    [[nodiscard]] const Cell* cell(AlertScope scope, std::size_t row) const;
    [[nodiscard]] std::size_t bytes() const;

private:
    struct Slot {
        std::uint64_t start_s = 0;
        std::string cells;
    };
    void take_away(const Slot& slot, const AlertPlaces& places);

    const std::uint32_t window_s_, slot_s_;
    std::vector<std::unique_ptr<Cell>> routes_;
    std::vector<Cell> services_;
    std::array<Cell, alert_side_count> node_{};
    std::deque<Slot> slots_;  // the last one grows
    std::string merged_;
};

// What rules compare, one column per quantity, for all rows of a scope over one window.
class AlertColumns {
public:
    enum Column : std::uint8_t {
        request_rate,
        error_share,
        aborted_share,
        status_1xx,
        status_2xx,
        status_3xx,
        status_4xx,
        status_5xx,
        p50,
        p90,
        p95,
        p99,
        p999,
        queue_share,
        cpu_share,
        runqueue_share,
        blocked_share,
        active_requests,
        column_count
    };
    // Of a signal of transactions but burn_rate.
    static Column column_of(const AlertRule& rule);

    // wanted: bits by Column.
    void fill(const AlertWindow& window, AlertScope scope, std::size_t rows, double covered_s, std::uint32_t wanted);
    // Not a number: not observed. Shares and quantiles of nothing are not observed.
    [[nodiscard]] double value(Column column, std::size_t row) const { return values_[column][row]; }
    [[nodiscard]] const std::vector<double>& values(Column column) const { return values_[column]; }
    // Of what was observed in any row; nothing was: lowest above highest.
    struct Range {
        double lowest = std::numeric_limits<double>::infinity();
        double highest = -std::numeric_limits<double>::infinity();
    };
    [[nodiscard]] Range range(Column column) const { return ranges_[column]; }
    [[nodiscard]] std::uint32_t count(std::size_t row) const { return counts_[row]; }
    // Whether there was enough for the rule to speak about.
    [[nodiscard]] bool enough(std::size_t row, const AlertRule& rule) const {
        return counts_[row] >= rule.min_requests && means_s_[row] >= rule.min_duration_s;
    }

private:
    void fill_row(std::size_t row, const Cell& cell, double covered_s, std::uint32_t wanted);
    void fill_quantiles(std::size_t row, const Cell& cell);

    std::array<std::vector<double>, column_count> values_;
    std::array<Range, column_count> ranges_;
    std::vector<std::uint32_t> counts_;
    std::vector<double> means_s_;  // of the durations; 0: there is none
};

}  // namespace sonde
