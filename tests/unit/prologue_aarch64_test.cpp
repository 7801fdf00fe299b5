#include <gtest/gtest.h>

#include <initializer_list>

#include "agent/probe/tls/prologue.hpp"

namespace sonde::aarch64 {
namespace {

class Code {
public:
    Code(std::initializer_list<std::uint32_t> words) {
        const auto bytes = std::as_bytes(std::span(words.begin(), words.size()));
        bytes_.assign(bytes.begin(), bytes.end());
    }
    operator std::span<const std::byte>() const { return bytes_; }

private:
    std::vector<std::byte> bytes_;
};

const Code go_function{0xf9400b90,   // ldr x16, [x28, #16]
                       0xd10103f1,   // sub x17, sp, #64
                       0xeb10023f,   // cmp x17, x16
                       0x54ffffa9,   // b.ls -12
                       0xf81c0ffe,   // str x30, [sp, #-64]!
                       0xd65f03c0};  // ret
const Code c_function{0xa9be7bfd,    // stp x29, x30, [sp, #-32]!
                      0x910003fd,    // mov x29, sp
                      0xa90153f3,    // stp x19, x20, [sp, #16]
                      0xaa0003f3,    // mov x19, x0
                      0x97fffffc,    // bl -16
                      0xd65f03c0};   // ret
const Code clobbers{0xd503245f,      // bti c
                    0xaa0203e1,      // mov x1, x2
                    0x97fffff8};     // bl -32
const Code branches{0xd503233f,      // paciasp
                    0xb4ffffe0,      // cbz x0, -4
                    0x17fffff3};     // b -52

TEST(PrologueAarch64, ABranchIsCheapAPushIsNot) {
    EXPECT_TRUE(starts_cheaply(Code{0x54ffffa9}));  // b.ls
    EXPECT_TRUE(starts_cheaply(Code{0xb4ffffe0}));  // cbz
    EXPECT_TRUE(starts_cheaply(Code{0x97fffff8}));  // bl
    EXPECT_TRUE(starts_cheaply(Code{0x10000001}));  // adr
    EXPECT_FALSE(starts_cheaply(c_function));
    EXPECT_FALSE(starts_cheaply(Code{0xd65f03c0}));  // ret
    EXPECT_FALSE(starts_cheaply(Code{}));
}

TEST(PrologueAarch64, TheCheapEntryStillHasTheArguments) {
    EXPECT_EQ(cheap_entry(go_function, 3, CallingConvention::go), 12U);
    EXPECT_EQ(cheap_entry(c_function, 3), 16U);
    EXPECT_EQ(cheap_entry(clobbers, 1), 8U);
    EXPECT_EQ(cheap_entry(clobbers, 2), 0U);
    EXPECT_EQ(cheap_entry(branches, 4), 4U);
    EXPECT_EQ(cheap_entry(Code{0xf9400402, 0x17fffff1}, 2), 4U);  // ldr x2, [x0, #8]
    EXPECT_EQ(cheap_entry(Code{0xf9400402, 0x17fffff1}, 3), 0U);
    EXPECT_EQ(cheap_entry(Code{0xa9400801, 0x17ffffef}, 1), 0U);  // ldp x1, x2, [x0]: two at once are not looked into
    EXPECT_EQ(cheap_entry(Code{0x910003fd}, 3), 0U);              // the end comes before a branch
}

TEST(PrologueAarch64, TheStackCheckOfGoIsItsBranch) {
    const std::span<const std::byte> code = go_function;
    EXPECT_TRUE(is_stack_check(code.subspan(12)));
    EXPECT_FALSE(is_stack_check(code));
    EXPECT_FALSE(is_stack_check(code.subspan(22)));
}

TEST(PrologueAarch64, WhatIsCalledFirst) {
    EXPECT_EQ(first_callee(c_function), 0);
    EXPECT_EQ(forwarded_callee(c_function), 0);
    EXPECT_EQ(first_callee(clobbers), 8 - 32);
    EXPECT_EQ(forwarded_callee(clobbers), std::nullopt);
    EXPECT_EQ(first_callee(branches), 8 - 52);
    EXPECT_EQ(forwarded_callee(branches), std::nullopt);  // not on every path
    EXPECT_EQ(first_callee(Code{0xd65f03c0}), std::nullopt);
}

TEST(PrologueAarch64, EveryReturnIsFound) {
    EXPECT_EQ(returns(go_function), std::vector<std::size_t>{20});
    EXPECT_EQ(returns(branches), std::vector<std::size_t>{});
    EXPECT_EQ(returns(std::span<const std::byte>(go_function).first(21)), std::nullopt);
}

}  // namespace
}  // namespace sonde::aarch64
