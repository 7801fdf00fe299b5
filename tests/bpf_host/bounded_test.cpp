#include "bpf/shared/bounded.h"

#include <gtest/gtest.h>

namespace {

TEST(Bounded, ChangesNothingThatIsInRange) {
    for (const __u64 max : {16ULL, 128ULL, 2048ULL, 4096ULL})
        for (__u64 n = 1; n <= max; ++n) ASSERT_EQ(sonde_bounded(n, max), n) << max;
}

TEST(Bounded, NeverGivesMoreThanTheMost) {
    for (const __u64 n : {0ULL, 17ULL, 32ULL, 1ULL << 32, ~0ULL}) {
        EXPECT_GE(sonde_bounded(n, 16), 1u) << n;
        EXPECT_LE(sonde_bounded(n, 16), 16u) << n;
    }
}

}  // namespace
