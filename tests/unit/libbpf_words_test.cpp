#include "agent/probe/libbpf_words.hpp"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

namespace sonde {
namespace {

constexpr std::string_view log_of_a_refusal =
    "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n"
    "0: R1=ctx(off=0,imm=0) R10=fp0\n"
    "; return *(int *)0;\n"
    "1: (61) r0 = *(u32 *)(r0 +0)\n"
    "R0 invalid mem access 'scalar'\n"
    "processed 2 insns (limit 1000000) max_states_per_insn 0\n"
    "-- END PROG LOAD LOG --\n";

TEST(VerifierReason, IsTheLineBeforeTheStatistics) {
    EXPECT_EQ(verifier_reason(log_of_a_refusal), "R0 invalid mem access 'scalar'");
}

TEST(VerifierReason, OfALogThatWasCutIsItsLastLine) {
    EXPECT_EQ(verifier_reason(log_of_a_refusal.substr(0, log_of_a_refusal.find("1: (61)"))), "; return *(int *)0;");
    EXPECT_EQ(verifier_reason("libbpf: prog 'p': -- BEGIN PROG LOAD LOG --"), "");
    EXPECT_EQ(verifier_reason(""), "");
}

// An object that is no ELF file: libbpf warns of it.
void make_libbpf_warn() {
    const char nothing[64] = {};
    EXPECT_EQ(bpf_object__open_mem(nothing, sizeof nothing, nullptr), nullptr);
}

TEST(LibbpfWords, AreThoseSinceTheyWereForgotten) {
    listen_to_libbpf();
    make_libbpf_warn();
    EXPECT_FALSE(libbpf_words().empty());
    EXPECT_NE(libbpf_words().back(), '\n');
    forget_libbpf_words();
    EXPECT_EQ(libbpf_words(), "");
    make_libbpf_warn();
    EXPECT_FALSE(libbpf_words().empty());
}

}  // namespace
}  // namespace sonde
