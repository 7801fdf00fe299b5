#include "agent/redact/prefilter.hpp"

#include <algorithm>
#include <cassert>

namespace sonde {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_name(char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; }
bool is_local_part(char c) { return is_name(c) || c == '%' || c == '+'; }

bool starts_with(std::string_view text, std::string_view word, bool ignore_case) {
    if (text.size() < word.size()) return false;
    if (!ignore_case) return text.starts_with(word);
    return std::equal(word.begin(), word.end(), text.begin(), [](char w, char t) { return w == lower(t); });
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

}  // namespace

Isa best_isa() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return Isa::avx2;
    if (__builtin_cpu_supports("ssse3")) return Isa::ssse3;
#endif
    return Isa::scalar;
}

Prefilter::Prefilter(const std::vector<std::string>& names, Isa isa) : isa_(isa), tables_{} {
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
    index();
}

void Prefilter::add(std::string_view text, RuleMask rules, bool ignore_case) {
    assert(text.size() >= 3);
    const auto known = std::any_of(words_.begin(), words_.end(),
                                   [&](const Word& word) { return word.text == text && word.rules == rules; });
    if (!known) words_.push_back({std::string(text), ignore_case, rules});
}

// Words that begin alike share a set: then the tables of a set let few other bytes through.
void Prefilter::index() {
    std::sort(words_.begin(), words_.end(), [](const Word& a, const Word& b) {
        return a.ignore_case != b.ignore_case ? a.ignore_case < b.ignore_case : a.text < b.text;
    });
    for (std::size_t i = 0; i < words_.size(); ++i) {
        const auto set = i * sets_.size() / words_.size();
        const auto one = static_cast<std::uint8_t>(1U << set);
        for (std::size_t k = 0; k < 3; ++k) {
            const auto enter = [&](char c) {
                const auto byte = static_cast<unsigned char>(c);
                tables_.low[k][byte & 15U] |= one;
                tables_.high[k][byte >> 4U] |= one;
            };
            const char c = words_[i].text[k];
            enter(c);
            if (words_[i].ignore_case && c >= 'a' && c <= 'z') enter(static_cast<char>(c & ~0x20));
        }
        sets_[set].push_back(words_[i]);
    }
    words_.clear();
}

RuleMask Prefilter::confirm(std::string_view text, std::size_t at, unsigned sets) const {
    RuleMask found = 0;
    for (; sets != 0; sets &= sets - 1)
        for (const auto& word : sets_[static_cast<unsigned>(__builtin_ctz(sets))])
            if (starts_with(text.substr(at), word.text, word.ignore_case))
                found |= confirm_rule(word.rules, text, at, word.text.size());
    return found;
}

RuleMask Prefilter::candidates(std::string_view text) const {
    // stands for "there is an @": without one, "://" begins no URL with a password
    constexpr RuleMask at_sign = RuleMask{1} << 31;
    const Context context{this, text};
    const ScanInput input{
        &tables_,
        text.data(),
        text.size(),
        &context,
        [](const void* c, std::size_t at, unsigned sets) {
            const auto& scanned = *static_cast<const Context*>(c);
            return scanned.self->confirm(scanned.text, at, sets);
        },
        [](const void* c, std::size_t at) {
            const auto scanned = static_cast<const Context*>(c)->text;
            const bool email =
                at > 0 && is_local_part(scanned[at - 1]) && at + 1 < scanned.size() && is_alnum(scanned[at + 1]);
            return at_sign | (email ? bit(Builtin::email) : 0);
        },
    };
    const auto found = isa_ == Isa::avx2    ? scan_avx2(input)
                       : isa_ == Isa::ssse3 ? scan_ssse3(input)
                                            : scan_scalar(input);
    return (found & at_sign) != 0 ? found & ~at_sign : found & ~bit(Builtin::url_password);
}

}  // namespace sonde
