#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>

namespace sonde {

struct RetryOptions {
    std::uint32_t base_delay_ms = 250;    // 1 … 60,000: longest delay before the first retry; doubles with each
    std::uint32_t max_delay_ms = 30'000;  // base_delay_ms … 3,600,000
    std::uint32_t max_retry_after_ms = 300'000;  // a server's Retry-After is obeyed up to this; 0: not at all
    std::uint64_t max_age_ms = 600'000;          // a batch this old that is not in the spool is given up
    std::uint32_t max_attempts = 0;              // of one batch that is not in the spool; 0: as many as its age allows
};

// When to try again: exponential backoff with full jitter, so that a fleet of agents does not come back all at once
// (M. Brooker, "Exponential Backoff And Jitter"): each delay is drawn evenly from 0 … min(max, base · 2^failures).
// A Retry-After is a lower bound. Times are milliseconds of any steady clock. One thread.
class RetrySchedule {
public:
    RetrySchedule(const RetryOptions& options, std::uint64_t seed) : options_(options), random_(seed) {}

    [[nodiscard]] bool due(std::uint64_t now_ms) const { return now_ms >= next_ms_; }
    [[nodiscard]] std::uint64_t next_ms() const { return next_ms_; }
    // Number of failures since the last success.
    [[nodiscard]] std::uint32_t failures() const { return failures_; }

    // The end is near: no more waiting.
    void hurry() { next_ms_ = 0; }
    void succeeded() {
        failures_ = 0;
        next_ms_ = 0;
    }
    void failed(std::uint64_t now_ms, std::optional<std::uint64_t> retry_after_ms = std::nullopt) {
        const auto limit = longest_delay_ms();
        auto delay = std::uniform_int_distribution<std::uint64_t>(0, limit)(random_);
        if (retry_after_ms)
            delay = std::max(delay, std::min<std::uint64_t>(*retry_after_ms, options_.max_retry_after_ms));
        if (failures_ != UINT32_MAX) ++failures_;
        next_ms_ = now_ms + delay;
    }

private:
    [[nodiscard]] std::uint64_t longest_delay_ms() const {
        // the limit is reached long before the shift is
        const auto grown = std::uint64_t{options_.base_delay_ms} << std::min(failures_, 31U);
        return std::min<std::uint64_t>(grown, options_.max_delay_ms);
    }

    const RetryOptions options_;
    std::mt19937_64 random_;
    std::uint32_t failures_ = 0;
    std::uint64_t next_ms_ = 0;
};

}  // namespace sonde
