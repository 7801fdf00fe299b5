#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sonde {

// What is the same in messages that tell the same: words with a digit in them (numbers, ids, addresses, times) and
// quoted parts become <*>, neighbours divided only by punctuation become one.
//   order 4711 of "bob" failed after 12ms: 10.0.0.1:80 refused  →  order <*> of <*> failed after <*>: <*> refused
// Only the first 512 bytes of a message are looked at, and its template is cut at 256. Of two messages with the same
// template the hashes are equal, today and after a restart.
struct MessageTemplate {
    static constexpr std::size_t input_max = 512;
    static constexpr std::size_t size_max = 256;

    std::array<char, size_max> bytes;
    std::size_t size = 0;

    explicit MessageTemplate(std::string_view message);
    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
    // never 0
    [[nodiscard]] std::uint64_t hash() const;
};

}  // namespace sonde
