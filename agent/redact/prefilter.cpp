#include "agent/redact/prefilter.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace sonde {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_name(char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; }
bool is_local_part(char c) { return is_name(c) || c == '%' || c == '+'; }

// Byte i of the text in bits 8i …; zeros behind its end.
std::uint64_t first_bytes(std::string_view text) {
    std::uint64_t bytes = 0;
    if (text.size() >= sizeof bytes) {
        std::memcpy(&bytes, text.data(), sizeof bytes);
        if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
        return bytes;
    }
    for (std::size_t i = 0; i < text.size(); ++i) bytes |= std::uint64_t{static_cast<unsigned char>(text[i])} << 8 * i;
    return bytes;
}

// A name that goes on for longer is left to the regular expression: the check stays cheap however the text is made.
constexpr std::size_t examined_name = 64;

// Is a telling name that starts at `at` followed by what ends a name? Wider than named_value.cpp's expression.
bool ends_like_a_name(std::string_view text, std::size_t at) {
    auto i = at;
    const auto stop = std::min(text.size(), at + examined_name);
    while (i < stop && is_name(text[i])) ++i;
    if (i == stop && i < text.size()) return true;
    while (i < text.size() && (text[i] == '\\' || text[i] == ']' || text[i] == '"' || text[i] == '\'')) {
        if (i - at > 2 * examined_name) return true;
        ++i;
    }
    const auto behind = i;
    while (i < text.size() && is_blank(text[i])) {
        if (i - at > 3 * examined_name) return true;
        ++i;
    }
    if (i == text.size()) return false;
    if (text[i] == '=' || text[i] == ':' || text[i] == '>' || text[i] == '%') return true;
    if (i == behind) return false;
    // --password hunter2
    auto first = at;
    while (first > 0 && at - first < examined_name && is_name(text[first - 1])) --first;
    return at - first == examined_name || text.substr(first).starts_with("--");
}

// What must stand at `at` for the rule, beyond the word found there. True: maybe.
RuleMask confirm_rule(RuleMask rule, std::string_view text, std::size_t at, std::size_t word_bytes) {
    const char next = at + word_bytes < text.size() ? text[at + word_bytes] : '\0';
    if (rule == (named_bit | telling_bit)) return ends_like_a_name(text, at) ? rule : telling_bit;
    if (rule == bit(Builtin::bearer) || rule == bit(Builtin::basic_auth)) return is_blank(next) ? rule : 0;
    if (rule == bit(Builtin::email)) return at > 0 && is_local_part(text[at - 1]) && is_alnum(next) ? rule : 0;
    return rule;
}

// Stands for "there is an '@'".
constexpr RuleMask at_sign = RuleMask{1} << 31;

bool is_separator(char c) { return c == ' ' || c == '-' || c == '.'; }

// The next `count` bytes from at on are of a class.
template <typename Class>
bool are(std::string_view text, std::size_t at, std::size_t count, Class is) {
    if (at + count > text.size()) return false;
    for (auto i = at; i < at + count; ++i)
        if (!is(text[i])) return false;
    return true;
}

// '@' in an address; +49…; (212) 555-…
RuleMask rare_byte(std::string_view text, std::size_t at) {
    if (text[at] == '@') {
        const bool email = at > 0 && is_local_part(text[at - 1]) && at + 1 < text.size() && is_alnum(text[at + 1]);
        return at_sign | (email ? bit(Builtin::email) : 0);
    }
    if (text[at] == '+') {
        constexpr std::size_t shortest = 8;  // digits of an international number
        const auto part = [](char c) { return is_digit(c) || is_separator(c) || c == '(' || c == ')'; };
        return are(text, at + 1, 1, is_digit) && text[at + 1] != '0' && are(text, at + 2, shortest - 1, part)
                   ? bit(Builtin::phone)
                   : 0;
    }
    if (!are(text, at + 1, 3, is_digit) || at + 5 >= text.size() || text[at + 4] != ')') return 0;
    return are(text, at + (is_separator(text[at + 5]) ? 6 : 5), 3, is_digit) ? bit(Builtin::phone) : 0;
}

// Two capitals and two digits stand there: an account follows.
bool begins_iban(std::string_view text) {
    const auto account = [](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); };
    return text.size() > 4 && are(text, is_separator(text[4]) ? 5 : 4, 4, account);
}

Word make_word(std::string_view text, RuleMask rules, bool ignore_case) {
    assert(text.size() >= 3);
    text = text.substr(0, sizeof(std::uint64_t));
    Word word{first_bytes(text), 0, ~std::uint64_t{0} >> 8 * (sizeof(std::uint64_t) - text.size()), rules,
              static_cast<std::uint8_t>(text.size())};
    for (std::size_t i = 0; ignore_case && i < text.size(); ++i)
        if (text[i] >= 'a' && text[i] <= 'z') word.fold |= std::uint64_t{0x20} << 8 * i;
    return word;
}

std::vector<Word> wanted_words(const std::vector<std::string>& names) {
    std::vector<Word> words;
    const auto add = [&](std::string_view text, RuleMask rules, bool ignore_case = false) {
        const auto word = make_word(text, rules, ignore_case);
        if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
    };
    for (const auto& name : names) add(std::string_view(name).substr(0, name.find('_')), named_bit | telling_bit, true);
    add("eyJ", bit(Builtin::jwt));
    add("bearer", bit(Builtin::bearer), true);
    add("basic", bit(Builtin::basic_auth), true);
    add("://", bit(Builtin::url_password));
    add("%40", bit(Builtin::email));
    for (const auto* word : {"AKIA", "ASIA"}) add(word, bit(Builtin::aws_key));
    for (const auto* word : {"AIza", "ya29.", "GOCSPX-"}) add(word, bit(Builtin::gcp_key));
    for (const auto* word : {"AccountKey=", "sig="}) add(word, bit(Builtin::azure_key));
    for (const auto* word : {"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"})
        add(word, bit(Builtin::github_token));
    for (const auto* word : {"xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "hooks.slack.com"})
        add(word, bit(Builtin::slack_token));
    for (const auto* word : {"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"})
        add(word, bit(Builtin::stripe_key));
    add("-----BEGIN ", bit(Builtin::private_key_block));
    return words;
}

}  // namespace

Isa best_isa() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return Isa::avx2;
    if (__builtin_cpu_supports("ssse3")) return Isa::ssse3;
#endif
    return Isa::scalar;
}

Prefilter::Prefilter(const std::vector<std::string>& names, Isa isa)
    : isa_(isa), words_(make_word_sets(wanted_words(names))) {}

RuleMask Prefilter::confirm(std::string_view text, std::size_t at, unsigned sets) const {
    RuleMask found = 0;
    const auto bytes = first_bytes(text.substr(at));
    for (; sets != 0; sets &= sets - 1)
        for (const auto& word : words_.sets[static_cast<unsigned>(__builtin_ctz(sets))])
            if (((bytes | word.fold) & word.mask) == word.bytes) found |= confirm_rule(word.rules, text, at, word.size);
    return found;
}

std::size_t Prefilter::first_match(std::size_t rule, std::string_view text, std::size_t at) {
    const auto back_over = [&](auto part) {
        while (at > 0 && part(text[at - 1])) --at;
        return at;
    };
    switch (static_cast<Builtin>(rule)) {
        case Builtin::email:
            return back_over(is_local_part);
        case Builtin::url_password:
            return back_over([](char c) { return is_alnum(c) || c == '+' || c == '.' || c == '-'; });
        case Builtin::credit_card:
        case Builtin::us_ssn:
        case Builtin::phone:
            return back_over([](char c) { return is_digit(c) || is_separator(c) || c == '(' || c == ')' || c == '+'; });
        default:
            return at;  // it begins with the word
    }
}

RuleMask Prefilter::candidates(std::string_view text, Ranges& ranges) const {
    const Context context{this, text};
    const ScanInput input{
        &words_.tables,
        text.data(),
        text.size(),
        &context,
        [](const void* c, std::size_t at, unsigned sets) {
            const auto& scanned = *static_cast<const Context*>(c);
            return scanned.self->confirm(scanned.text, at, sets);
        },
        [](const void* c, std::size_t at) { return rare_byte(static_cast<const Context*>(c)->text, at); },
        [](const void* c, std::size_t at) {
            return begins_iban(static_cast<const Context*>(c)->text.substr(at)) ? bit(Builtin::iban) : 0;
        },
        ranges.data(),
    };
    const auto found = isa_ == Isa::avx2    ? scan_avx2(input)
                       : isa_ == Isa::ssse3 ? scan_ssse3(input)
                                            : scan_scalar(input);
    // without an '@', "://" begins no URL with a password
    return (found & at_sign) != 0 ? found & ~at_sign : found & ~bit(Builtin::url_password);
}

}  // namespace sonde
