#include "agent/correlate/due_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sonde {
namespace {

// Held against a sorted set, over sequences that rise with outliers, as times of writing do.
TEST(DueQueue, GivesTheEarliestAndOfOneTimeTheFirst) {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        constexpr std::size_t capacity = 500;
        DueQueue queue(capacity);
        std::set<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>> reference;
        std::uint64_t now_ns = 1000, number = 0;
        for (int i = 0; i < 5000; ++i) {
            if (reference.size() < capacity && random() % 5 < 3) {
                now_ns += random() % 3;
                const auto time_ns = random() % 4 == 0 ? now_ns - random() % 500 : now_ns;
                const auto place = static_cast<std::uint32_t>(random());
                queue.push(time_ns, place);
                reference.emplace(time_ns, ++number, place);
            } else if (!reference.empty()) {
                const auto [time_ns, of, place] = *reference.begin();
                ASSERT_EQ(queue.front().time_ns, time_ns);
                ASSERT_EQ(queue.front().place, place);
                queue.pop();
                reference.erase(reference.begin());
            }
            ASSERT_EQ(queue.size(), reference.size());
        }
    }
}

}  // namespace
}  // namespace sonde
