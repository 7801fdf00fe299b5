#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// How JSON lines are written: by hand, into a buffer on the stack (sinks/event_json.hpp says why). Any thread.
namespace sonde {

// Collects the line on the stack: copies of constant size into it compile to plain stores, and the string is
// touched once per line.
class LineBuffer {
public:
    explicit LineBuffer(std::string& out) : out_(out) { cursor_ = bytes_.data(); }
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;
    ~LineBuffer() { spill(); }

    template <std::size_t N>
    void literal(const char (&text)[N]) {
        room(N - 1);
        std::memcpy(cursor_, text, N - 1);
        cursor_ += N - 1;
    }
    void text(std::string_view text) {
        if (text.empty()) return;
        if (text.size() > bytes_.size()) {
            spill();
            out_.append(text);
            return;
        }
        room(text.size());
        std::memcpy(cursor_, text.data(), text.size());
        cursor_ += text.size();
    }
    void character(char c) {
        room(1);
        *cursor_++ = c;
    }
    void number(std::integral auto value) {
        room(max_digits);
        cursor_ = std::to_chars(cursor_, cursor_ + max_digits, value).ptr;
    }
    // Shortest text that reads back as the same number; finite.
    void number(double value) {
        room(max_double);
        cursor_ = std::to_chars(cursor_, cursor_ + max_double, value).ptr;
    }
    // Exactly `digits` digits, with leading zeros.
    void padded(std::uint32_t value, std::size_t digits) {
        room(digits);
        for (auto i = digits; i-- > 0; value /= 10) cursor_[i] = static_cast<char>('0' + value % 10);
        cursor_ += digits;
    }

private:
    static constexpr std::size_t max_digits = 20;  // of a 64-bit integer with its sign
    static constexpr std::size_t max_double = 24;  // -1.7976931348623157e+308

    void room(std::size_t size) {
        if (static_cast<std::size_t>(bytes_.data() + bytes_.size() - cursor_) < size) spill();
    }
    void spill() {
        out_.append(bytes_.data(), static_cast<std::size_t>(cursor_ - bytes_.data()));
        cursor_ = bytes_.data();
    }

    std::string& out_;
    std::array<char, 4096> bytes_;  // most lines have about 1 KiB
    char* cursor_;
};

struct Utf8Sequence {
    std::size_t length;
    bool valid;
};

// The sequence at the start of `text`, whose first byte is not ASCII; when invalid, the part that one replacement
// character stands for (Unicode 15, §3.9, table 3-7 and "substitution of maximal subparts").
inline Utf8Sequence utf8_sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;   // shorter form exists
        if (lead == 0xED) high = 0x9F;  // surrogates
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;   // shorter form exists
        if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
    } else {
        return {1, false};
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (i >= text.size() || at(i) < low || at(i) > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {length, true};
}

constexpr std::array<bool, 256> make_plain_bytes() {
    std::array<bool, 256> plain{};
    for (std::size_t i = 0x20; i < 0x80; ++i) plain[i] = i != '"' && i != '\\';
    return plain;
}
inline constexpr auto plain_bytes = make_plain_bytes();

inline void append_control(LineBuffer& line, unsigned char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"':
            return line.literal("\\\"");
        case '\\':
            return line.literal("\\\\");
        case '\b':
            return line.literal("\\b");
        case '\f':
            return line.literal("\\f");
        case '\n':
            return line.literal("\\n");
        case '\r':
            return line.literal("\\r");
        case '\t':
            return line.literal("\\t");
        default:
            break;
    }
    line.literal("\\u00");
    line.character(hex[c >> 4U]);
    line.character(hex[c & 0xFU]);
}

inline void append_quoted(LineBuffer& line, std::string_view text) {
    line.character('"');
    std::size_t position = 0;
    while (position < text.size()) {
        auto end = position;
        while (end < text.size() && plain_bytes[static_cast<unsigned char>(text[end])]) ++end;
        line.text(text.substr(position, end - position));
        position = end;
        if (position == text.size()) break;
        const auto byte = static_cast<unsigned char>(text[position]);
        if (byte < 0x80) {
            append_control(line, byte);
            ++position;
            continue;
        }
        const auto sequence = utf8_sequence(text.substr(position));
        if (sequence.valid) {
            line.text(text.substr(position, sequence.length));
        } else {
            line.literal("\\ufffd");
        }
        position += sequence.length;
    }
    line.character('"');
}

inline void append_time(LineBuffer& line, std::uint64_t time_ns) {
    constexpr std::uint64_t ns_per_second = 1'000'000'000;
    constexpr std::uint32_t seconds_per_day = 86'400;
    const auto seconds = time_ns / ns_per_second;
    const auto day = static_cast<int>(seconds / seconds_per_day);
    const auto second_of_day = static_cast<std::uint32_t>(seconds % seconds_per_day);
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    line.character('"');
    line.padded(static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
    line.character('-');
    line.padded(static_cast<unsigned>(date.month()), 2);
    line.character('-');
    line.padded(static_cast<unsigned>(date.day()), 2);
    line.character('T');
    line.padded(second_of_day / 3600, 2);
    line.character(':');
    line.padded(second_of_day / 60 % 60, 2);
    line.character(':');
    line.padded(second_of_day % 60, 2);
    line.character('.');
    line.padded(static_cast<std::uint32_t>(time_ns % ns_per_second), 9);
    line.literal("Z\"");
}

}  // namespace sonde
