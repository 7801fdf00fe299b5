#include "agent/sample/sink_rate.hpp"

#include <algorithm>

namespace sonde {

double SinkRate::rate(std::uint64_t time_ns) {
    if (bytes_per_second_ == 0) return queue_rate_;
    const auto full = static_cast<double>(bytes_per_second_);
    if (budget_time_ns_ == 0) {
        budget_bytes_ = full;
    } else if (time_ns > budget_time_ns_) {
        budget_bytes_ = std::min(full, budget_bytes_ + full * 1e-9 * static_cast<double>(time_ns - budget_time_ns_));
    }
    budget_time_ns_ = std::max(budget_time_ns_, time_ns);
    // With half of the budget left all pass; then in proportion, so that it comes to rest where what is sent is what
    // comes in.
    const double by_bytes = std::min(1.0, 2 * budget_bytes_ / full);
    return std::max(least, std::min(1.0, by_bytes) * queue_rate_);
}

void SinkRate::sent(std::uint64_t bytes) {
    if (bytes_per_second_ == 0) return;
    // what must be kept may overdraw, by a second at most: then the limit holds again a second later
    budget_bytes_ = std::max(budget_bytes_ - static_cast<double>(bytes), -static_cast<double>(bytes_per_second_));
}

void SinkRate::queue(std::uint64_t queued, std::uint64_t capacity) {
    if (!adaptive_ || capacity == 0) return;
    constexpr double calm = 0.75;
    const double filled = static_cast<double>(queued) / static_cast<double>(capacity);
    queue_rate_ = filled <= calm ? 1.0 : std::max(least, (1 - filled) / (1 - calm));
}

}  // namespace sonde
