#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sonde {

struct BreakerOptions {
    std::uint32_t failures_to_open = 5;    // 1 …: so many attempts in a row failed
    std::uint32_t open_ms = 10'000;        // 1 …: nothing is tried for so long
    std::uint32_t successes_to_close = 2;  // 1 …: so many attempts in a row succeeded after that
};

enum class BreakerState : std::uint8_t { closed, open, half_open };
constexpr std::string_view to_string(BreakerState state) {
    constexpr std::array<std::string_view, 3> names{"closed", "open", "half_open"};
    return names[static_cast<std::size_t>(state)];
}

// Keeps a destination that is down from being tried over and over.
//
//              failures_to_open failures in a row              open_ms have passed
//     closed ──────────────────────────────────────▶ open ─────────────────────────▶ half_open
//        ▲                                            ▲            a failure              │
//        │                                            └───────────────────────────────────┤
//        └────────────────────── successes_to_close successes ────────────────────────────┘
//
// Times are milliseconds of any steady clock. One thread.
class CircuitBreaker {
public:
    explicit CircuitBreaker(const BreakerOptions& options) : options_(options) {}

    // Whether an attempt may be made now. An open breaker becomes half open here.
    bool allows(std::uint64_t now_ms) {
        if (state_ == BreakerState::open && now_ms >= reopen_ms_) {
            state_ = BreakerState::half_open;
            streak_ = 0;
        }
        return state_ != BreakerState::open;
    }
    void succeeded() {
        if (state_ == BreakerState::half_open && ++streak_ >= options_.successes_to_close)
            state_ = BreakerState::closed;
        if (state_ == BreakerState::closed) streak_ = 0;
    }
    void failed(std::uint64_t now_ms) {
        if (state_ == BreakerState::open) return;
        if (state_ == BreakerState::closed && ++streak_ < options_.failures_to_open) return;
        state_ = BreakerState::open;
        streak_ = 0;
        reopen_ms_ = now_ms + options_.open_ms;
        ++opened_;
    }

    [[nodiscard]] BreakerState state() const { return state_; }
    [[nodiscard]] std::uint64_t opened() const { return opened_; }  // number of times

private:
    const BreakerOptions options_;
    BreakerState state_ = BreakerState::closed;
    std::uint32_t streak_ = 0;  // closed: failures in a row; half open: successes in a row
    std::uint64_t reopen_ms_ = 0;
    std::uint64_t opened_ = 0;
};

}  // namespace sonde
