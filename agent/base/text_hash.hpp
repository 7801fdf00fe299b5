#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace sonde {

// Of a text, never 0. For tables of this process that compare, too: not the same on every machine, no defence against
// who picks the texts. FNV-1a over eight bytes at a time, finished by a mixer: good and fast on short texts.
inline std::uint64_t text_hash(std::string_view text) {
    constexpr std::uint64_t mixer = 0x9e3779b97f4a7c15;
    std::uint64_t hash = 0xcbf29ce484222325 ^ text.size();
    std::uint64_t word = 0;
    for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
        std::memcpy(&word, text.data(), sizeof word);
        hash = (hash ^ word) * 0x100000001b3;
        hash ^= hash >> 29;
    }
    word = 0;
    if (!text.empty()) std::memcpy(&word, text.data(), text.size());
    hash = (hash ^ word) * mixer;
    hash ^= hash >> 32;
    hash *= mixer;
    hash ^= hash >> 29;
    return hash == 0 ? 1 : hash;
}

}  // namespace sonde
