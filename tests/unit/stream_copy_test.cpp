#include "sinks/file/stream_copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace sonde {
namespace {

// Every alignment of both sides, sizes from none over part of a cache line to several.
TEST(StreamCopy, CopiesWhatItIsToldAndNothingBeside) {
    std::vector<char> from(512);
    std::iota(from.begin(), from.end(), 1);
    std::vector<char> to(640);
    for (std::size_t from_at = 0; from_at < 64; from_at += 7) {
        for (std::size_t to_at = 0; to_at < 64; ++to_at) {
            for (const std::size_t size : {0, 1, 15, 63, 64, 65, 127, 128, 129, 200, 400}) {
                std::fill(to.begin(), to.end(), '\0');
                stream_copy(to.data() + to_at, from.data() + from_at, size);
                stream_done();
                ASSERT_TRUE(std::equal(from.begin() + static_cast<std::ptrdiff_t>(from_at),
                                       from.begin() + static_cast<std::ptrdiff_t>(from_at + size),
                                       to.begin() + static_cast<std::ptrdiff_t>(to_at)));
                const auto untouched = [](char c) { return c == '\0'; };
                ASSERT_TRUE(std::all_of(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(to_at), untouched));
                ASSERT_TRUE(std::all_of(to.begin() + static_cast<std::ptrdiff_t>(to_at + size), to.end(), untouched));
            }
        }
    }
}

}  // namespace
}  // namespace sonde
