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

}  // namespace

// Machine code, tables of Go programs and /proc/PID/maps as other people's processes have them: answers stay inside the
// input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> code(reinterpret_cast<const std::byte*>(data), size);
    for (unsigned arguments = 1; arguments <= 4; ++arguments) {
        const auto at = sonde::cheap_entry(code, arguments);
        check(at == 0 || at < size);
        check(at == 0 || sonde::starts_cheaply(code.subspan(at)));
    }
    (void)sonde::first_callee(code);
    (void)sonde::forwarded_callee(code);
    if (const auto returns = sonde::returns(code))
        for (const auto at : *returns) check(at < size);
    constexpr std::array<std::string_view, 2> names{"crypto/tls.(*Conn).Read", "a"};
    if (const auto table = sonde::find_go_functions(code, names)) check(table->functions.size() == names.size());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& file : sonde::parse_mapped_files(text, "/proc/1")) {
        check(file.inode != 0 && file.name.starts_with('/'));
        check(file.path.starts_with("/proc/1/"));
    }
    return 0;
}
