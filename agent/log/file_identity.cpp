#include "agent/log/file_identity.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

std::uint64_t hash_bytes(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325ULL ^ bytes.size();
    while (!bytes.empty()) {
        std::uint64_t word = 0;
        const auto count = std::min<std::size_t>(bytes.size(), 8);
        std::memcpy(&word, bytes.data(), count);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 32;
        bytes.remove_prefix(count);
    }
    return hash;
}

bool is_separator(char c) { return c == '.' || c == '-' || c == '_'; }

// digits with what dates have between them, or a word that old files are named by
bool is_rotation_mark(std::string_view text) {
    if (text == "old" || text == "bak") return true;
    if (text.empty() || !is_digit(text[0])) return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_digit(c) || is_separator(c) || c == 'T' || c == ':'; });
}

// The mark behind the last separators of name: where its separator stands, or npos.
std::size_t mark_begin(std::string_view name) {
    std::size_t best = std::string_view::npos;
    for (std::size_t at = name.size(); at-- > 1;)
        if (is_separator(name[at]) && is_rotation_mark(name.substr(at + 1))) best = at;
    return best;
}

// A number up to 99,999: more digits are a date.
unsigned number_of(std::string_view mark) {
    constexpr std::size_t digits_max = 5;
    unsigned number = 0;
    const char* const last = mark.data() + mark.size();
    const auto [end, error] = std::from_chars(mark.data(), last, number);
    return error == std::errc() && end == last && mark.size() <= digits_max ? number : 0;
}

}  // namespace

Fingerprint fingerprint_of(std::string_view front) {
    front = front.substr(0, Fingerprint::size_max);
    return {static_cast<std::uint32_t>(front.size()), hash_bytes(front)};
}

bool matches(const Fingerprint& fingerprint, std::string_view front) {
    if (fingerprint.size == 0) return true;
    return front.size() >= fingerprint.size && hash_bytes(front.substr(0, fingerprint.size)) == fingerprint.hash;
}

std::string rotation_base(std::string_view name) {
    for (const std::string_view packed : {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"})
        if (name.ends_with(packed)) return {};
    const auto mark = mark_begin(name);
    if (mark != std::string_view::npos) return std::string(name.substr(0, mark));
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return {};
    const auto inner = mark_begin(name.substr(0, dot));
    if (inner == std::string_view::npos) return {};
    return std::string(name.substr(0, inner)) + std::string(name.substr(dot));
}

unsigned rotation_number(std::string_view name) {
    if (const auto mark = mark_begin(name); mark != std::string_view::npos) return number_of(name.substr(mark + 1));
    name = name.substr(0, name.rfind('.'));
    const auto mark = mark_begin(name);
    return mark == std::string_view::npos ? 0 : number_of(name.substr(mark + 1));
}

}  // namespace sonde
