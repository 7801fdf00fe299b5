#include "sinks/delivery/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

constexpr BreakerOptions options{.failures_to_open = 3, .open_ms = 1000, .successes_to_close = 2};

CircuitBreaker opened_at(std::uint64_t now_ms) {
    CircuitBreaker breaker(options);
    for (int i = 0; i < 3; ++i) breaker.failed(now_ms);
    return breaker;
}

TEST(CircuitBreaker, OpensAfterFailuresInARow) {
    CircuitBreaker breaker(options);
    breaker.failed(0);
    breaker.failed(0);
    breaker.succeeded();  // the row is broken
    breaker.failed(0);
    breaker.failed(0);
    EXPECT_EQ(breaker.state(), BreakerState::closed);
    EXPECT_TRUE(breaker.allows(0));
    breaker.failed(0);
    EXPECT_EQ(breaker.state(), BreakerState::open);
    EXPECT_FALSE(breaker.allows(0));
    EXPECT_EQ(breaker.opened(), 1);
}

TEST(CircuitBreaker, IsHalfOpenAfterThePause) {
    auto breaker = opened_at(500);
    EXPECT_FALSE(breaker.allows(1499));
    EXPECT_EQ(breaker.state(), BreakerState::open);
    EXPECT_TRUE(breaker.allows(1500));
    EXPECT_EQ(breaker.state(), BreakerState::half_open);
}

TEST(CircuitBreaker, ClosesAfterSuccessesInARow) {
    auto breaker = opened_at(0);
    ASSERT_TRUE(breaker.allows(1000));
    breaker.succeeded();
    EXPECT_EQ(breaker.state(), BreakerState::half_open);
    breaker.succeeded();
    EXPECT_EQ(breaker.state(), BreakerState::closed);
    breaker.failed(1000);  // the count begins anew
    breaker.failed(1000);
    EXPECT_EQ(breaker.state(), BreakerState::closed);
}

TEST(CircuitBreaker, OneFailureWhileHalfOpenOpensAgain) {
    auto breaker = opened_at(0);
    ASSERT_TRUE(breaker.allows(1000));
    breaker.succeeded();
    breaker.failed(1100);
    EXPECT_EQ(breaker.state(), BreakerState::open);
    EXPECT_EQ(breaker.opened(), 2);
    EXPECT_FALSE(breaker.allows(2099));
    ASSERT_TRUE(breaker.allows(2100));
    breaker.succeeded();
    EXPECT_EQ(breaker.state(), BreakerState::half_open);  // the first success was forgotten
}

TEST(CircuitBreaker, LateFailuresDoNotProlongThePause) {
    auto breaker = opened_at(0);
    breaker.failed(900);
    EXPECT_TRUE(breaker.allows(1000));
    EXPECT_EQ(breaker.opened(), 1);
}

}  // namespace
}  // namespace sonde
