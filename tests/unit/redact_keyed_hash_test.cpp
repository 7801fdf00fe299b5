#include "agent/redact/keyed_hash.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sonde {
namespace {

std::string hex(const KeyedHash::Digest& digest) {
    std::string text;
    for (const auto byte : digest) {
        text += "0123456789abcdef"[byte >> 4U];
        text += "0123456789abcdef"[byte & 15U];
    }
    return text;
}

// RFC 4231, section 4.3, and again: the key stays.
TEST(KeyedHash, IsHmacSha256) {
    KeyedHash hash("Jefe");
    KeyedHash::Digest digest{};
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(hash.digest("what do ya want for nothing?", digest));
        EXPECT_EQ(hex(digest), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}

TEST(KeyedHash, WithoutAKeyThereIsNone) {
    KeyedHash hash("");
    KeyedHash::Digest digest{};
    EXPECT_FALSE(hash.digest("x", digest));
}

}  // namespace
}  // namespace sonde
