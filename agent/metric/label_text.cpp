#include "agent/metric/label_text.hpp"

#include <cstddef>

namespace sonde {
namespace {

// Bytes of the valid UTF-8 sequence that s starts with; 0: none. One bad byte makes Prometheus refuse a whole scrape.
std::size_t utf8_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto lead = byte(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const auto second = byte(1);  // overlong forms, surrogates, beyond U+10FFFF
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return length;
}

}  // namespace

bool is_clean_label(std::string_view s) {
    while (!s.empty()) {
        const auto length = utf8_length(s);
        if (length == 0) return false;
        s.remove_prefix(length);
    }
    return true;
}

std::string clean_label(std::string_view s) {
    std::string out;
    while (!s.empty()) {
        const auto length = utf8_length(s);
        if (length == 0) {
            out += '_';
            s.remove_prefix(1);
        } else {
            out += s.substr(0, length);
            s.remove_prefix(length);
        }
    }
    return out;
}

}  // namespace sonde
