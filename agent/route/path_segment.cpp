#include "agent/route/path_segment.hpp"

#include <algorithm>
#include <cstring>

namespace sonde {
namespace {

constexpr std::string_view id_name = "{id}", uuid_name = "{uuid}", hash_name = "{hash}", date_name = "{date}",
                           email_name = "{email}", token_name = "{token}";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Printable ASCII without quotes and braces, by byte.
constexpr auto plain_bytes = [] {
    std::array<bool, 256> table{};
    for (std::size_t c = ' ' + 1; c < 0x7f; ++c) table[c] = true;
    for (const unsigned char c : {'"', '\\', '{', '}', '<', '>', '`'}) table[c] = false;
    return table;
}();

bool is_plain(char c) { return plain_bytes[static_cast<unsigned char>(c)]; }

std::size_t leading_digits(std::string_view s) {
    return static_cast<std::size_t>(std::find_if_not(s.begin(), s.end(), is_digit) - s.begin());
}

bool is_number(std::string_view s) {
    if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
    return !s.empty() && leading_digits(s) == s.size();
}

bool is_uuid(std::string_view s) {
    if (s.size() != 36) return false;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_hex(s[i])) return false;
    }
    return true;
}

bool is_hash(std::string_view s) {
    const bool prefixed = s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    if (prefixed) s.remove_prefix(2);
    if (s.size() < 8 || !std::all_of(s.begin(), s.end(), is_hex)) return false;
    const auto digits = static_cast<std::size_t>(std::count_if(s.begin(), s.end(), is_digit));
    if (prefixed) return true;
    // "deadbeef" may be a word, and "facade" is one: two digits among letters are not
    return s.size() >= 16 ? digits >= 1 : digits >= 2 && digits < s.size();
}

bool is_date(std::string_view s) {
    if (s.size() < 7 || leading_digits(s) != 4 || s[4] != '-' || (s[0] != '1' && s[0] != '2')) return false;
    s.remove_prefix(5);
    if (leading_digits(s) != 2) return false;
    s.remove_prefix(2);
    if (s.size() >= 3 && s[0] == '-' && leading_digits(s.substr(1)) == 2) s.remove_prefix(3);
    if (s.empty()) return true;
    constexpr std::string_view time_characters = "0123456789TtZz_:.,+-%AaDd";  // %3A is ':', %2D is '-'
    const bool separated = s[0] == 'T' || s[0] == 't' || s[0] == '_' || s[0] == '%';
    return separated && s.find_first_not_of(time_characters) == std::string_view::npos;
}

bool is_email(std::string_view s) {
    auto at = s.find('@');
    std::size_t width = 1;
    if (at == std::string_view::npos) at = s.find("%40"), width = 3;
    if (at == std::string_view::npos || at == 0) return false;
    const auto domain = s.substr(at + width);
    const auto dot = domain.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return false;
    const auto top = domain.substr(dot + 1);  // letters: package@1.2.3 is not an address
    return top.size() >= 2 && std::all_of(top.begin(), top.end(), is_letter);
}

struct Mix {
    std::size_t digits = 0, letters = 0, transitions = 0;  // transitions: between a letter and a digit
};

Mix mix_of(std::string_view s) {
    Mix mix;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const bool digit = is_digit(s[i]);
        mix.digits += digit;
        mix.letters += !digit;
        mix.transitions += i > 0 && digit != is_digit(s[i - 1]);
    }
    return mix;
}

// A run of letters and digits that no person would have typed. v1beta1, utf8, getUserById2 and h264 are not;
// dQw4w9WgXcQ, 01ARZ3NDEKTSV4RRFFQ69G5FAV and 9s6XKzkNRiz8i3 are.
bool is_random(std::string_view run) {
    const auto mix = mix_of(run);
    const auto size = run.size();
    if (size >= 8 && mix.transitions >= 4) return true;
    if (size >= 10 && mix.transitions >= 3 && mix.digits * 5 >= size) return true;
    if (size >= 20 && mix.transitions >= 2) return true;
    return size >= 32;
}

// "order20240115": a name and then a number that counts something.
bool is_numbered(std::string_view run) {
    constexpr std::size_t min_digits = 5;  // fewer may be a year, a version, a resolution
    const auto last = std::find_if_not(run.rbegin(), run.rend(), is_digit);
    const auto digits = static_cast<std::size_t>(last - run.rbegin());
    return digits >= min_digits && mix_of(run.substr(0, run.size() - digits)).digits == 0;
}

enum class Look : unsigned char { word, numbered, random };

// The look of the most variable run of letters and digits; everything else, %XX too, separates runs.
Look look_of(std::string_view s) {
    Look look = Look::word;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= s.size(); ++i) {
        if (i < s.size() && (is_digit(s[i]) || is_letter(s[i]))) continue;
        const auto run = s.substr(begin, i - begin);
        if (is_random(run) || is_hash(run)) return Look::random;
        if (is_numbered(run)) look = Look::numbered;
        if (i + 2 < s.size() && s[i] == '%' && is_hex(s[i + 1]) && is_hex(s[i + 2])) i += 2;
        begin = i + 1;
    }
    return look;
}

// No letters at all. "1.0" and "2.1.3" are versions and stay; addresses and coordinates do not.
bool is_numeric_mix(std::string_view s) {
    std::size_t digits = 0, dots = 0;
    for (const char c : s) {
        if (is_letter(c) || c == '%') return false;
        digits += is_digit(c);
        dots += c == '.';
    }
    return digits >= 6 || (dots == 3 && digits >= 4);
}

// The placeholder for the whole of s, or empty.
std::string_view exact_placeholder(std::string_view s) {
    if (is_number(s)) return id_name;
    if (is_uuid(s)) return uuid_name;
    if (is_hash(s)) return hash_name;
    if (is_date(s)) return date_name;
    return {};
}

class NameWriter {
public:
    explicit NameWriter(SegmentBuffer& buffer) : buffer_(buffer) {}
    void append(std::string_view text) {
        std::memcpy(buffer_.data() + size_, text.data(), text.size());
        size_ += text.size();
    }
    [[nodiscard]] std::string_view view() const { return {buffer_.data(), size_}; }

private:
    SegmentBuffer& buffer_;
    std::size_t size_ = 0;
};

// Where the extension's dot is, or npos: "1.2" and "v1.10" have none.
std::size_t extension_dot(std::string_view s) {
    const auto dot = s.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return std::string_view::npos;
    const auto extension = s.substr(dot + 1);
    const bool fits =
        !extension.empty() && extension.size() <= 5 && is_letter(extension[0]) &&
        std::all_of(extension.begin(), extension.end(), [](char c) { return is_letter(c) || is_digit(c); });
    return fits ? dot : std::string_view::npos;
}

bool is_hashed_part(std::string_view s) { return is_hash(s) || (s.size() >= 8 && look_of(s) == Look::random); }

RouteSegment classify_file(std::string_view segment, std::size_t dot, SegmentBuffer& buffer) {
    NameWriter name(buffer);
    const auto stem = segment.substr(0, dot);
    const auto extension = segment.substr(dot);
    auto whole = exact_placeholder(stem);
    if (whole.empty() && stem.find('.') == std::string_view::npos && look_of(stem) == Look::numbered) whole = id_name;
    if (!whole.empty()) {
        name.append(whole);
        name.append(extension);
        return {name.view(), true};
    }
    for (std::size_t begin = 0; begin <= stem.size();) {
        const auto end = std::min(stem.find('.', begin), stem.size());
        const auto part = stem.substr(begin, end - begin);
        const auto separator = part.find_last_of("-_");
        if (begin > 0) name.append(".");
        if (separator != std::string_view::npos && is_hashed_part(part.substr(separator + 1))) {
            name.append(part.substr(0, separator + 1));
            name.append(hash_name);
        } else {
            name.append(is_hashed_part(part) ? hash_name : part);
        }
        begin = end + 1;
    }
    name.append(extension);
    return {name.view(), true};
}

}  // namespace

RouteSegment classify_segment(std::string_view segment, SegmentBuffer& buffer) {
    if (!std::all_of(segment.begin(), segment.end(), is_plain)) return {token_name, false};
    if (is_email(segment)) return {email_name, false};
    if (const auto placeholder = exact_placeholder(segment); !placeholder.empty()) return {placeholder, false};
    if (segment.size() > max_segment_bytes) return {token_name, false};
    if (const auto dot = extension_dot(segment); dot != std::string_view::npos)
        return classify_file(segment, dot, buffer);
    if (is_numeric_mix(segment)) return {id_name, false};
    switch (look_of(segment)) {
        case Look::random:
            return {token_name, false};
        case Look::numbered:
            return {id_name, false};
        case Look::word:
            break;
    }
    return {segment, true};
}

}  // namespace sonde
