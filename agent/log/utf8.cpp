#include "agent/log/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace sonde {
namespace {

struct Piece {
    std::size_t size;  // bytes it takes
    bool valid;
};

// The sequence at the front of text, or the maximal subpart of one. text is not empty.
Piece first_piece(const unsigned char* text, std::size_t size) {
    const unsigned char lead = text[0];
    if (lead < 0x80) return {1, true};
    if (lead < 0xc2 || lead > 0xf4) return {1, false};
    const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xbf;  // bounds of the second byte
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    for (std::size_t i = 1; i < length; ++i) {
        if (i >= size || text[i] < low || text[i] > high) return {i, false};
        low = 0x80, high = 0xbf;
    }
    return {length, true};
}

// Length of the well-formed front of text.
std::size_t valid_prefix(std::string_view text) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t word = 0;
        if (at + 8 <= text.size()) {
            std::memcpy(&word, bytes + at, 8);
            if ((word & 0x8080808080808080ULL) == 0) {
                at += 8;
                continue;
            }
        }
        const auto piece = first_piece(bytes + at, text.size() - at);
        if (!piece.valid) return at;
        at += piece.size;
    }
    return at;
}

}  // namespace

bool is_utf8(std::string_view text) { return valid_prefix(text) == text.size(); }

std::string_view add_as_utf8(std::string_view text, TextArena& arena, bool& changed) {
    auto good = valid_prefix(text);
    changed = good < text.size();
    if (!changed) return arena.add(text);
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    char* const place = arena.allocate(good + (text.size() - good) * replacement.size());
    char* out = place;
    while (true) {
        std::memcpy(out, text.data(), good);
        out += good;
        text.remove_prefix(good);
        if (text.empty()) break;
        const auto bad = first_piece(reinterpret_cast<const unsigned char*>(text.data()), text.size());
        std::memcpy(out, replacement.data(), replacement.size());
        out += replacement.size();
        text.remove_prefix(bad.size);
        good = valid_prefix(text);
    }
    arena.trim(out);
    return {place, static_cast<std::size_t>(out - place)};
}

}  // namespace sonde
