#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sinks/stdout/readable_line.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

// Whatever a client sends, a readable line is one line, and nothing in it drives a terminal.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    sonde::Transaction transaction;
    transaction.path = {text};
    transaction.method = {text.substr(0, std::min<std::size_t>(size, 3))};
    transaction.service = text;
    std::uint64_t number = size;
    for (const auto byte : text.substr(0, 8)) number = number << 8U | static_cast<unsigned char>(byte);
    transaction.duration_ns = number;
    for (std::size_t i = 0; i < sonde::phase_count; ++i)
        transaction.phase_ns[i] = static_cast<std::int64_t>(number >> (8 * i + 1)) - 1;
    std::string line;
    sonde::append_readable_line(line, transaction, false);
    check(std::count(line.begin(), line.end(), '\n') == 1 && line.back() == '\n');
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        check(byte >= 0x20 && byte != 0x7F);
        // U+0080 … U+009F
        check(byte != 0xC2 || static_cast<unsigned char>(line[i + 1]) >= 0xA0);
    }
    return 0;
}
