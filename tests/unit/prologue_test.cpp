#include "agent/probe/tls/prologue.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace sonde::x86 {
namespace {

class Code {
public:
    Code(std::initializer_list<int> bytes) {
        for (const int byte : bytes) bytes_.push_back(static_cast<std::byte>(byte));
    }
    operator std::span<const std::byte>() const { return bytes_; }

private:
    std::vector<std::byte> bytes_;
};

// libssl 3.0 of Debian 12: SSL_write
const Code sub_first{0x48, 0x83, 0xec, 0x18,                                       // sub rsp, 24
                     0x85, 0xd2,                                                   // test edx, edx
                     0x78, 0x2a,                                                   // js +42
                     0x48, 0x63, 0xd2,                                             // movsxd rdx, edx
                     0x48, 0x8d, 0x4c, 0x24, 0x08, 0xe8, 0xf0, 0xfe, 0xff, 0xff};  // call -272
const Code push_first{0x41, 0x57, 0x41, 0x56, 0x48, 0x89, 0xfb};

TEST(Prologue, APushOrAJumpIsCheapAStackAdjustmentIsNot) {
    EXPECT_TRUE(starts_cheaply(push_first));
    EXPECT_FALSE(starts_cheaply(sub_first));
    EXPECT_FALSE(starts_cheaply(Code{0xf3, 0x0f, 0x1e, 0xfa}));              // endbr64
    EXPECT_FALSE(starts_cheaply(Code{0xff, 0x35, 0x00, 0x00, 0x00, 0x00}));  // push [rip]
    EXPECT_FALSE(starts_cheaply(Code{}));
}

TEST(Prologue, TheCheapEntryIsTheFirstEmulatedInstruction) {
    EXPECT_EQ(cheap_entry(sub_first, 2), 6U);
    EXPECT_EQ(cheap_entry(push_first, 4), 0U);
    EXPECT_EQ(cheap_entry(Code{0xf3, 0x0f, 0x1e, 0xfa, 0x55}, 4), 4U);  // endbr64; push rbp
}

TEST(Prologue, AnArgumentThatIsOverwrittenEndsTheSearch) {
    const Code clears_rdi{0x31, 0xff, 0x55};  // xor edi, edi; push rbp
    EXPECT_EQ(cheap_entry(clears_rdi, 1), 0U);
    const Code clears_rcx{0x31, 0xc9, 0x55};  // xor ecx, ecx; push rbp
    EXPECT_EQ(cheap_entry(clears_rcx, 3), 2U);
    EXPECT_EQ(cheap_entry(clears_rcx, 4), 0U);
}

// crypto/tls.(*Conn).Write as Go 1.19 compiles it
TEST(Prologue, GoChecksItsStackFirst) {
    const Code go{0x4c, 0x8d, 0x64, 0x24, 0xf0,         // lea r12, [rsp - 16]
                  0x4d, 0x3b, 0x66, 0x10,               // cmp r12, [r14 + 16]
                  0x0f, 0x86, 0x00, 0x01, 0x00, 0x00};  // jbe +256
    EXPECT_EQ(cheap_entry(go, 2, CallingConvention::go), 9U);
    const Code overwrites{0x31, 0xdb, 0x55};  // xor ebx, ebx; push rbp
    EXPECT_EQ(cheap_entry(overwrites, 2, CallingConvention::go), 0U);
    EXPECT_EQ(cheap_entry(overwrites, 2), 2U);
}

TEST(Prologue, NothingBehindAReturnOrAnIndirectJumpCounts) {
    EXPECT_EQ(cheap_entry(Code{0x48, 0x89, 0xd8, 0xc3, 0x55}, 1), 0U);  // mov; ret; push
    EXPECT_EQ(cheap_entry(Code{0xff, 0xe0, 0x55}, 1), 0U);              // jmp rax
    EXPECT_EQ(cheap_entry(Code{0x48, 0x89, 0xd8}, 1), 0U);              // the bytes end
}

TEST(Prologue, FindsTheInnerFunction) {
    EXPECT_EQ(first_callee(sub_first), 0x15 - 272);
    EXPECT_FALSE(forwarded_callee(sub_first));  // it jumps, and extends rdx
    const Code forwards{0x48, 0x83, 0xec, 0x08, 0xe8, 0x10, 0x00, 0x00, 0x00};
    EXPECT_EQ(forwarded_callee(forwards), 9 + 16);
    EXPECT_FALSE(first_callee(Code{0xff, 0xd0}));  // call rax
    EXPECT_FALSE(first_callee(Code{0xc3}));
}

TEST(Prologue, FindsEveryReturn) {
    const auto found = returns(Code{0x55, 0xc3, 0x48, 0x89, 0xd8, 0xc3});
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, (std::vector<std::size_t>{1, 5}));
    EXPECT_FALSE(returns(Code{0x55, 0x06}));  // no instruction in 64-bit mode
}

}  // namespace
}  // namespace sonde::x86
