#include <cstdlib>
#include <vector>

#include "agent/protocol/client_hello.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

bool is_begun_by(std::string_view whole, std::string_view part) { return part.empty() || whole == part; }

}  // namespace

// Shown names are printable, what is done does not change when bytes follow, and a prefix is never more than the
// whole.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    const auto whole = sonde::parse_client_hello(bytes);
    for (const char c : whole.server_name.view()) check(c > ' ' && c < 0x7f && c != '"' && c != '\\');
    for (const char c : whole.alpn.view()) check(c > ' ' && c < 0x7f);
    check(!sonde::tls_version_name(whole.version).empty());
    if (whole.state != sonde::ParseState::done) return 0;
    std::vector<std::byte> longer(bytes.begin(), bytes.end());
    longer.insert(longer.end(), 64, std::byte{22});
    const auto again = sonde::parse_client_hello(longer);
    check(again.state == sonde::ParseState::done && again.server_name.view() == whole.server_name.view());
    for (const std::size_t n : {size / 4, size / 2, size - size / 4}) {
        const auto part = sonde::parse_client_hello(bytes.first(n));
        check(part.state != sonde::ParseState::invalid);
        check(part.state == sonde::ParseState::done || is_begun_by(whole.server_name.view(), part.server_name.view()) ||
              !whole.server_name.view().empty());
    }
    return 0;
}
