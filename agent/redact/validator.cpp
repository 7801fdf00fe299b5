#include "agent/redact/validator.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace sonde {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

int number(std::string_view digits) {
    int value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    return value;
}

struct IbanCountry {
    char code[3];
    std::uint8_t length;
};

// Lengths by country: SWIFT IBAN registry, release 99.
constexpr std::array iban_countries{
    IbanCountry{"AD", 24}, IbanCountry{"AE", 23}, IbanCountry{"AL", 28}, IbanCountry{"AT", 20}, IbanCountry{"AZ", 28},
    IbanCountry{"BA", 20}, IbanCountry{"BE", 16}, IbanCountry{"BG", 22}, IbanCountry{"BH", 22}, IbanCountry{"BI", 27},
    IbanCountry{"BR", 29}, IbanCountry{"BY", 28}, IbanCountry{"CH", 21}, IbanCountry{"CR", 22}, IbanCountry{"CY", 28},
    IbanCountry{"CZ", 24}, IbanCountry{"DE", 22}, IbanCountry{"DJ", 27}, IbanCountry{"DK", 18}, IbanCountry{"DO", 28},
    IbanCountry{"EE", 20}, IbanCountry{"EG", 29}, IbanCountry{"ES", 24}, IbanCountry{"FI", 18}, IbanCountry{"FK", 18},
    IbanCountry{"FO", 18}, IbanCountry{"FR", 27}, IbanCountry{"GB", 22}, IbanCountry{"GE", 22}, IbanCountry{"GI", 23},
    IbanCountry{"GL", 18}, IbanCountry{"GR", 27}, IbanCountry{"GT", 28}, IbanCountry{"HN", 28}, IbanCountry{"HR", 21},
    IbanCountry{"HU", 28}, IbanCountry{"IE", 22}, IbanCountry{"IL", 23}, IbanCountry{"IQ", 23}, IbanCountry{"IS", 26},
    IbanCountry{"IT", 27}, IbanCountry{"JO", 30}, IbanCountry{"KW", 30}, IbanCountry{"KZ", 20}, IbanCountry{"LB", 28},
    IbanCountry{"LC", 32}, IbanCountry{"LI", 21}, IbanCountry{"LT", 20}, IbanCountry{"LU", 20}, IbanCountry{"LV", 21},
    IbanCountry{"LY", 25}, IbanCountry{"MC", 27}, IbanCountry{"MD", 24}, IbanCountry{"ME", 22}, IbanCountry{"MK", 19},
    IbanCountry{"MN", 20}, IbanCountry{"MR", 27}, IbanCountry{"MT", 31}, IbanCountry{"MU", 30}, IbanCountry{"NI", 28},
    IbanCountry{"NL", 18}, IbanCountry{"NO", 15}, IbanCountry{"OM", 23}, IbanCountry{"PK", 24}, IbanCountry{"PL", 28},
    IbanCountry{"PS", 29}, IbanCountry{"PT", 25}, IbanCountry{"QA", 29}, IbanCountry{"RO", 24}, IbanCountry{"RS", 22},
    IbanCountry{"RU", 33}, IbanCountry{"SA", 24}, IbanCountry{"SC", 31}, IbanCountry{"SD", 18}, IbanCountry{"SE", 24},
    IbanCountry{"SI", 19}, IbanCountry{"SK", 24}, IbanCountry{"SM", 27}, IbanCountry{"SO", 23}, IbanCountry{"ST", 25},
    IbanCountry{"SV", 28}, IbanCountry{"TL", 23}, IbanCountry{"TN", 24}, IbanCountry{"TR", 26}, IbanCountry{"UA", 29},
    IbanCountry{"VA", 22}, IbanCountry{"VG", 24}, IbanCountry{"XK", 20}, IbanCountry{"YE", 30}};

int base64_value(char c) {
    if (is_upper(c)) return c - 'A';
    if (is_lower(c)) return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

// Shannon entropy in bits per character.
double entropy(std::string_view text) {
    std::array<std::uint16_t, 256> counts{};
    for (const char c : text) ++counts[static_cast<unsigned char>(c)];
    double sum = 0;
    const auto total = static_cast<double>(text.size());
    for (const auto count : counts)
        if (count > 0) sum -= count / total * std::log2(count / total);
    return sum;
}

}  // namespace

bool luhn_valid(std::string_view digits) {
    int sum = 0;
    bool twice = false;
    for (auto i = digits.size(); i-- > 0; twice = !twice) {
        int d = digits[i] - '0';
        if (twice && (d *= 2) > 9) d -= 9;
        sum += d;
    }
    return !digits.empty() && sum % 10 == 0;
}

bool card_number_valid(std::string_view digits) {
    const auto n = digits.size();
    if (n < 13 || n > 19) return false;
    const int two = number(digits.substr(0, 2)), four = number(digits.substr(0, 4));
    bool network = false;
    if (digits[0] == '4') network = n == 13 || n == 16 || n == 19;                                 // Visa
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) network = n == 16;             // Mastercard
    if (two == 34 || two == 37) network = n == 15;                                                 // Amex
    if (two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059)) network = n >= 14;  // Diners
    if (four >= 3528 && four <= 3589) network = n >= 16;                                           // JCB
    if (two == 62 || two == 65 || four == 6011 || (four >= 6440 && four <= 6499))
        network = n >= 16;                                                                // UnionPay, Discover
    if (two == 50 || (two >= 56 && two <= 58) || two == 63 || two == 67) network = true;  // Maestro
    return network && luhn_valid(digits);
}

bool iban_valid(std::string_view text) {
    if (text.size() < 15 || text.size() > 34) return false;
    const auto country = std::find_if(iban_countries.begin(), iban_countries.end(),
                                      [&](const auto& known) { return text.starts_with(known.code); });
    if (country == iban_countries.end() || country->length != text.size()) return false;
    unsigned remainder = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[(i + 4) % text.size()];
        if (is_digit(c)) {
            remainder = (remainder * 10 + static_cast<unsigned>(c - '0')) % 97;
        } else if (is_upper(c)) {
            remainder = (remainder * 100 + static_cast<unsigned>(c - 'A' + 10)) % 97;
        } else {
            return false;
        }
    }
    return remainder == 1;
}

bool ssn_valid(std::string_view digits) {
    if (digits.size() != 9) return false;
    const int area = number(digits.substr(0, 3));
    return area != 0 && area != 666 && area < 900 && number(digits.substr(3, 2)) != 0 && number(digits.substr(5)) != 0;
}

bool ipv4_valid(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.size() >= copy.size()) return false;
    std::memcpy(copy.data(), text.data(), text.size());
    in_addr address{};
    return inet_pton(AF_INET, copy.data(), &address) == 1;
}

bool ipv6_valid(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.size() >= copy.size()) return false;
    std::memcpy(copy.data(), text.data(), text.size());
    in6_addr address{};
    return inet_pton(AF_INET6, copy.data(), &address) == 1;
}

bool basic_credentials_valid(std::string_view base64) {
    while (base64.ends_with('=')) base64.remove_suffix(1);
    std::uint32_t bits = 0;
    int have = 0;
    bool colon = false;
    for (const char c : base64) {
        const int value = base64_value(c);
        if (value < 0) return false;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if ((have += 6) < 8) continue;
        have -= 8;
        const auto byte = static_cast<unsigned char>(bits >> have);
        if (byte < 0x20 || byte == 0x7f) return false;
        colon = colon || byte == ':';
    }
    return colon;
}

// orders/281/items, us-east-1: words and numbers side by side. A random text mixes them.
static bool is_words_and_numbers(std::string_view value) {
    bool separated = false, letter = false, digit = false, lower = false, upper = false;
    for (const char c : value) {
        if (is_lower(c) || is_upper(c)) {
            upper = upper || (is_upper(c) && lower);  // a word may begin with a capital
            lower = lower || is_lower(c);
            letter = true;
        } else if (is_digit(c)) {
            digit = true;
        } else {
            separated = true;
            letter = digit = lower = false;
        }
        if ((letter && digit) || upper) return false;
    }
    return separated;
}

bool looks_random(std::string_view value) {
    constexpr std::size_t examined = 256;  // enough to tell; keeps the cost of a long value flat
    value = value.substr(0, examined);
    while (value.ends_with('=')) value.remove_suffix(1);
    if (value.size() < 16) return false;
    std::size_t digits = 0, letters = 0, case_changes = 0, others = 0;
    bool hex = true;
    char before = 0;
    for (const char c : value) {
        const bool lower = is_lower(c), upper = is_upper(c);
        if (is_digit(c)) {
            ++digits;
        } else if (lower || upper) {
            ++letters;
            if (before != 0 && is_lower(before) != lower) ++case_changes;
            before = c;
            hex = hex && (c | 0x20) <= 'f';
        } else if (base64_value(c) >= 0) {
            ++others;
            hex = hex && c == '-';
        } else if (c == '%' || c == '~' || c == '.') {
            ++others;
            hex = false;
        } else {
            return false;  // a sentence, a path with a query, code
        }
    }
    if (others * 4 > value.size()) return false;
    const double bits = entropy(value);
    if (!hex && is_words_and_numbers(value)) return false;
    if (hex) return digits > 0 && letters > 0 && bits >= 2.8;
    if (digits == 0) return value.size() >= 24 && case_changes >= 6 && bits >= 3.8;
    return letters > 0 && bits >= 3.2 && (digits >= 2 || case_changes >= 3);
}

}  // namespace sonde
