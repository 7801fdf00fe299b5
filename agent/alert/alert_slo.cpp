#include "agent/alert/alert_slo.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr double ns_per_s = 1e9;
constexpr std::uint64_t slots_per_short_window = 10;

}  // namespace

AlertSlo::AlertSlo(const AlertRule& rule)
    : budget_(1 - rule.objective),
      latency_ns_(static_cast<std::uint64_t>(rule.latency_s * ns_per_s)),
      short_s_(rule.short_window_s),
      long_s_(rule.long_window_s),
      slot_s_(std::max<std::uint64_t>(1, rule.short_window_s / slots_per_short_window)) {}

// Slower than the objective: from the bucket that begins at it or after it on, so never a request that was in time.
std::uint32_t AlertSlo::bad_of(const Cell& cell) const {
    if (latency_ns_ == 0) return cell.by_outcome[static_cast<std::size_t>(Outcome::error)];
    std::uint32_t bad = 0;
    for (auto bucket = DurationBuckets::index(latency_ns_); bucket < DurationBuckets::count; ++bucket)
        if (DurationBuckets::lower_ns(bucket) >= latency_ns_) bad += cell.durations[bucket];
    return bad;
}

void AlertSlo::add(std::uint64_t second, std::size_t row, const Cell& cell) {
    if (row >= rows_.size()) rows_.resize(row + 1);
    auto& slots = rows_[row];
    const auto start = second / slot_s_ * slot_s_;
    if (slots.empty() || slots.back().start_s != start) slots.push_back({start});
    slots.back().total += cell.count;
    slots.back().bad += bad_of(cell);
}

void AlertSlo::expire(std::uint64_t now_s) {
    for (auto& slots : rows_)
        while (!slots.empty() && slots.front().start_s + slot_s_ + long_s_ <= now_s) slots.pop_front();
}

AlertSlo::Burn AlertSlo::burn(std::size_t row, std::uint64_t now_s) const {
    Burn out;
    if (row >= rows_.size()) return out;
    std::uint64_t total = 0, bad = 0, short_total = 0, short_bad = 0;
    for (const auto& slot : rows_[row]) {
        total += slot.total;
        bad += slot.bad;
        if (slot.start_s + slot_s_ + short_s_ <= now_s) continue;
        short_total += slot.total;
        short_bad += slot.bad;
    }
    if (short_total == 0) return out;
    const auto rate = [this](std::uint64_t part, std::uint64_t whole) {
        return static_cast<double>(part) / static_cast<double>(whole) / budget_;
    };
    out.count = short_total;
    out.rate = std::min(rate(bad, total), rate(short_bad, short_total));
    return out;
}

}  // namespace sonde
