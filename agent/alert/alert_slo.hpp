#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "agent/alert/alert_rule.hpp"
#include "agent/history/cell.hpp"

namespace sonde {

// How fast one rule's error budget is used up, over two windows (Google, "The Site Reliability Workbook", chapter 5,
// "Multiwindow, Multi-Burn-Rate Alerts"): the long one says that it matters, the short one that it still goes on. Both
// must be over the factor, so the lower of both is the value. Requests are counted in tenths of the short window; about
// 12 bytes per row and tenth. What came before the agent's start is not known: a window that is longer than that says
// what it has. One thread.
class AlertSlo {
public:
    explicit AlertSlo(const AlertRule& rule);

    void add(std::uint64_t second, std::size_t row, const Cell& cell);
    void expire(std::uint64_t now_s);

    struct Burn {
        double rate = std::numeric_limits<double>::quiet_NaN();  // of the slower window
        std::uint64_t count = 0;                                 // requests in the short window
    };
    [[nodiscard]] Burn burn(std::size_t row, std::uint64_t now_s) const;

private:
    struct Slot {
        std::uint64_t start_s;
        std::uint32_t total = 0, bad = 0;
    };
    [[nodiscard]] std::uint32_t bad_of(const Cell& cell) const;

    const double budget_;
    const std::uint64_t latency_ns_;  // 0: errors are bad
    const std::uint64_t short_s_, long_s_, slot_s_;
    std::vector<std::deque<Slot>> rows_;
};

}  // namespace sonde
