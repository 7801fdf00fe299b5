#include "sinks/otlp/otlp_ids.hpp"

namespace sonde {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// splitmix64 (Steele et al., 2014): a permutation of 64-bit numbers that looks random.
std::uint64_t mixed(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27U) * 0x94d049bb133111eb;
    return value ^ value >> 31U;
}

}  // namespace

bool bytes_of_hex(std::string_view text, std::size_t size, std::string& out) {
    out.assign(size, '\0');
    if (text.empty() || text.size() > 2 * size) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = hex_digit(text[text.size() - 1 - i]);
        if (digit < 0) return false;
        auto& byte = out[size - 1 - i / 2];
        byte = static_cast<char>(static_cast<unsigned char>(byte) | digit << (i % 2 * 4));
    }
    return out.find_first_not_of('\0') != std::string::npos;
}

std::string bytes_of_span_id(std::uint64_t span_id) {
    std::string out(otlp_span_id_bytes, '\0');
    for (std::size_t i = 0; i < otlp_span_id_bytes; ++i) out[i] = static_cast<char>(span_id >> (56 - 8 * i));
    return out;
}

std::string trace_id_of_span(std::uint64_t span_id) {
    const auto high = mixed(span_id);
    return bytes_of_span_id(high | 1) + bytes_of_span_id(mixed(high));
}

}  // namespace sonde
