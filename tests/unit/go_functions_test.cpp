#include "agent/probe/tls/go_functions.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

namespace sonde {
namespace {

constexpr std::array<std::string_view, 3> wanted{"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write", "absent"};

template <typename T>
void put(std::vector<std::byte>& table, std::size_t at, T value) {
    if (table.size() < at + sizeof value) table.resize(at + sizeof value);
    std::memcpy(table.data() + at, &value, sizeof value);
}

// A table of three functions as the linker of Go 1.20 lays it out.
std::vector<std::byte> table_of(std::uint32_t magic = 0xfffffff1) {
    std::vector<std::byte> table;
    constexpr std::size_t names = 72, functab = 160, records = 64;  // records: from functab
    put(table, 0, magic);
    put(table, 6, std::uint8_t{1});
    put(table, 7, std::uint8_t{8});
    put(table, 8, std::uint64_t{3});
    put(table, 24, std::uint64_t{0x401000});
    put(table, 32, std::uint64_t{names});
    put(table, 64, std::uint64_t{functab});
    const std::array<std::string, 3> functions{"main.main", "crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write"};
    std::uint32_t name = 0;
    for (std::uint32_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j <= functions[i].size(); ++j) put(table, names + name + j, functions[i].c_str()[j]);
        put(table, functab + i * 8, std::uint32_t{i * 0x100});
        put(table, functab + i * 8 + 4, static_cast<std::uint32_t>(records + i * 8));
        put(table, functab + records + i * 8, std::uint32_t{i * 0x100});
        put(table, functab + records + i * 8 + 4, name);
        name += static_cast<std::uint32_t>(functions[i].size() + 1);
    }
    put(table, functab + 24, std::uint32_t{0x2c0});  // the end of the last one
    return table;
}

TEST(GoFunctions, AreFoundByName) {
    for (const std::uint32_t magic : {0xfffffff0U, 0xfffffff1U}) {
        const auto found = find_go_functions(table_of(magic), wanted);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->text_start, 0x401000U);
        ASSERT_TRUE(found->functions[0] && found->functions[1]);
        EXPECT_EQ(found->functions[0]->address, 0x100U);
        EXPECT_EQ(found->functions[0]->size, 0x100U);
        EXPECT_EQ(found->functions[1]->address, 0x200U);
        EXPECT_EQ(found->functions[1]->size, 0xc0U);
        EXPECT_FALSE(found->functions[2]);
    }
}

TEST(GoFunctions, ATableThatIsCutAnywhereIsRefused) {
    const auto whole = table_of();
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_FALSE(find_go_functions(cut, wanted)) << n;
    }
}

TEST(GoFunctions, OtherFormatsAreRefused) {
    EXPECT_FALSE(find_go_functions(table_of(0xfffffffb), wanted));  // Go 1.2 to 1.15
    auto narrow = table_of();
    put(narrow, 7, std::uint8_t{4});
    EXPECT_FALSE(find_go_functions(narrow, wanted));
    auto endless = table_of();
    put(endless, 8, ~std::uint64_t{0});
    EXPECT_FALSE(find_go_functions(endless, wanted));
    auto backwards = table_of();
    put(backwards, 160 + 24, std::uint32_t{1});
    EXPECT_FALSE(find_go_functions(backwards, wanted));
}

}  // namespace
}  // namespace sonde
