#include "agent/protocol/hpack_inflater.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/http2_wire.hpp"

namespace sonde {
namespace {

using test::Fields;

struct Collected final : HpackFieldHandler {
    void on_field(const HpackField& field) override { fields.emplace_back(field.name, field.value); }
    Fields fields;
};

TEST(HpackInflater, ReadsWhatADeflaterWrote) {
    HpackInflater inflater;
    test::Deflater deflater;
    for (int i = 0; i < 50; ++i) {
        const auto fields = test::request_fields("/path/" + std::to_string(i % 7));
        Collected read;
        const auto result = inflater.inflate(deflater.block(fields), read);
        EXPECT_TRUE(result.complete);
        EXPECT_EQ(result.unknown, 0u);
        EXPECT_EQ(read.fields, fields);
    }
    EXPECT_TRUE(inflater.exact());
}

TEST(HpackInflater, NonsenseIsNotComplete) {
    for (const std::string_view block : {"\xff\xff\xff\xff\xff\xff\xff", "\x40\x85", "\xc0"}) {
        HpackInflater inflater;
        Collected read;
        EXPECT_FALSE(inflater.inflate(block, read).complete && read.fields.empty()) << block.size();
    }
}

// Whatever is missed, a field is right, or unknown, or its block unreadable: never wrong.
TEST(HpackInflater, MissedBlocksNeverMakeAWrongField) {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        HpackInflater inflater;
        test::Deflater deflater(round % 3 == 0 ? 256 : 4096);
        std::size_t known = 0;
        for (int i = 0; i < 60; ++i) {
            Fields fields{{":status", random() % 2 == 0 ? "200" : "404"}};
            for (auto n = random() % 6; n > 0; --n)
                fields.emplace_back("name-" + std::to_string(random() % 9),
                                    std::string(random() % 40, static_cast<char>('a' + random() % 5)));
            const auto block = deflater.block(fields);
            if (random() % 8 == 0) {
                inflater.blocks_missed();
                continue;
            }
            Collected read;
            const auto result = inflater.inflate(block, read);
            known += read.fields.size();
            for (const auto& field : read.fields)
                ASSERT_NE(std::find(fields.begin(), fields.end(), field), fields.end())
                    << round << " " << field.first << "=" << field.second;
            if (result.complete) {
                ASSERT_EQ(read.fields.size() + result.unknown, fields.size());
            }
            if (inflater.exact()) {
                ASSERT_EQ(result.unknown, 0u);
            }
        }
        EXPECT_GT(known, 0u);
    }
}

}  // namespace
}  // namespace sonde
