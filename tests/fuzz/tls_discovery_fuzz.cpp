#include <array>
#include <cstdlib>
#include <string_view>

#include "agent/probe/tls/go_functions.hpp"
#include "agent/probe/tls/mapped_files.hpp"
#include "agent/probe/tls/prologue.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

template <auto cheap_entry, auto starts_cheaply, auto first_callee, auto forwarded_callee, auto returns,
          auto is_stack_check>
void check_architecture(std::span<const std::byte> code) {
    for (unsigned arguments = 1; arguments <= 4; ++arguments) {
        const auto at = cheap_entry(code, arguments, sonde::CallingConvention::system_v);
        check(at == 0 || at < code.size());
        check(at == 0 || starts_cheaply(code.subspan(at)));
    }
    (void)first_callee(code);
    (void)forwarded_callee(code);
    (void)is_stack_check(code);
    if (const auto found = returns(code))
        for (const auto at : *found) check(at < code.size());
}

}  // namespace

// Machine code, tables of Go programs and /proc/PID/maps as other people's processes have them: answers stay inside the
// input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> code(reinterpret_cast<const std::byte*>(data), size);
    check_architecture<sonde::x86::cheap_entry, sonde::x86::starts_cheaply, sonde::x86::first_callee,
                       sonde::x86::forwarded_callee, sonde::x86::returns, sonde::x86::is_stack_check>(code);
    check_architecture<sonde::aarch64::cheap_entry, sonde::aarch64::starts_cheaply, sonde::aarch64::first_callee,
                       sonde::aarch64::forwarded_callee, sonde::aarch64::returns, sonde::aarch64::is_stack_check>(code);
    constexpr std::array<std::string_view, 2> names{"crypto/tls.(*Conn).Read", "a"};
    if (const auto table = sonde::find_go_functions(code, names)) check(table->functions.size() == names.size());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& file : sonde::parse_mapped_files(text, "/proc/1")) {
        check(file.inode != 0 && file.name.starts_with('/'));
        check(file.path.starts_with("/proc/1/"));
    }
    return 0;
}
