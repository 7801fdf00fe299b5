#include "agent/redact/pattern.hpp"

#include <algorithm>

#include "agent/redact/validator.hpp"

namespace sonde {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }
bool is_word(char c) { return is_alnum(c) || c == '_'; }
bool is_separator(char c) { return c == ' ' || c == '-' || c == '.'; }

char before(std::string_view text, std::size_t at) { return at > 0 ? text[at - 1] : '\0'; }
char after(std::string_view text, std::size_t end) { return end < text.size() ? text[end] : '\0'; }
std::string_view part(std::string_view text, Span span) { return text.substr(span.begin, span.end - span.begin); }

// Nothing of a number or a word directly before and behind.
bool stands_alone(std::string_view text, Span span) {
    return !is_word(before(text, span.begin)) && !is_word(after(text, span.end));
}

std::size_t whole(std::string_view, Span match, std::vector<Span>& out) {
    out.push_back(match);
    return match.end;
}

std::size_t email(std::string_view text, Span match, std::vector<Span>& out) {
    constexpr std::size_t local_max = 64, domain_max = 255;  // RFC 5321, section 4.5.3.1
    const auto found = part(text, match);
    auto at = found.rfind('@');
    const auto local = at != std::string_view::npos ? at : (at = found.rfind("%40"));
    const auto domain = found.substr(at + (found[at] == '@' ? 1 : 3));
    const auto label = domain.substr(domain.rfind('.') + 1);
    const bool top_level = label.size() >= 2 && std::none_of(label.begin(), label.end(), is_digit);
    if (!top_level || domain.size() > domain_max) return match.end;
    // of a longer run of characters only the end can be the local part
    out.push_back({match.begin + (local > local_max ? local - local_max : 0), match.end});
    return match.end;
}

// Digits of a group of digits in text[at …], none: 0.
std::size_t group_length(std::string_view text, std::size_t at, std::size_t end) {
    auto i = at;
    while (i < end && is_digit(text[i])) ++i;
    return i - at;
}

// A card number is one group, or groups of 4-4-4-…, 4-6-5, 4-6-4 with one kind of separator. Which groups of the
// match belong to it is tried from each group on: a date or an amount may stand before.
std::size_t card(std::string_view text, Span match, std::vector<Span>& out) {
    if (is_word(before(text, match.begin))) match.begin += group_length(text, match.begin, match.end);
    for (auto begin = match.begin; begin < match.end;) {
        if (!is_digit(text[begin])) {
            ++begin;
            continue;
        }
        const auto first = group_length(text, begin, match.end);
        std::array<char, 20> digits;
        std::size_t count = 0, groups = 0, second = 0;
        auto end = begin;
        auto found = begin;
        for (; groups < 5 && end < match.end; ++groups) {
            const auto length = group_length(text, end, match.end);
            if (count + length > 19 || (groups > 0 && first != 4)) break;
            if (groups == 1 && length != 4 && length != 6) break;
            if (groups == 1) second = length;
            if (groups == 2 && length != 4 && (second == 4 || length != 5)) break;
            std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(end), length,
                        digits.begin() + static_cast<std::ptrdiff_t>(count));
            count += length;
            end += length;
            if (card_number_valid({digits.data(), count}) && !is_word(after(text, end))) found = end;
            if (end + 1 >= match.end || !is_separator(text[end]) || !is_digit(text[end + 1])) break;
            if (groups > 0 && text[end] != text[begin + first]) break;
            ++end;
        }
        if (found > begin) {
            out.push_back({begin, found});
            begin = found;
        } else {
            begin += first;
        }
    }
    return match.end;
}

// The match is its first five or six characters.
std::size_t iban(std::string_view text, Span match, std::vector<Span>& out) {
    std::array<char, 34> plain;
    std::size_t size = 0;
    if (is_word(before(text, match.begin))) return match.begin + 1;
    for (auto i = match.begin; i < text.size() && size < plain.size(); ++i) {
        if (is_digit(text[i]) || is_upper(text[i])) {
            plain[size++] = text[i];
            if (size >= 15 && !is_word(after(text, i + 1)) && iban_valid({plain.data(), size})) {
                out.push_back({match.begin, i + 1});
                return i + 1;
            }
        } else if (!is_separator(text[i]) || is_separator(text[i - 1])) {
            break;
        }
    }
    return match.begin + 1;
}

std::size_t ssn(std::string_view text, Span match, std::vector<Span>& out) {
    const auto found = part(text, match);  // AAA-GG-SSSS
    const bool alone = stands_alone(text, match) && before(text, match.begin) != '-' && after(text, match.end) != '-';
    const std::array<char, 9> digits{found[0], found[1], found[2], found[4], found[5],
                                     found[7], found[8], found[9], found[10]};
    if (!alone || found[3] != found[6] || !ssn_valid({digits.data(), digits.size()})) return match.begin + 1;
    out.push_back(match);
    return match.end;
}

// Behind "+49 30 1234567" other numbers may stand: with eleven digits a number is whole, and a blank ends it.
std::size_t international_end(std::string_view text, Span match) {
    constexpr std::size_t whole_digits = 11;
    std::size_t digits = 0;
    for (auto i = match.begin; i < match.end; ++i) {
        if (is_digit(text[i])) ++digits;
        if (text[i] == ' ' && digits >= whole_digits) return i;
    }
    return match.end;
}

std::size_t phone(std::string_view text, Span match, std::vector<Span>& out) {
    if (text[match.begin] == '+') match.end = international_end(text, match);
    while (match.end > match.begin && !is_digit(text[match.end - 1])) --match.end;
    const auto found = part(text, match);
    const auto digits = static_cast<std::size_t>(std::count_if(found.begin(), found.end(), is_digit));
    const char first = found[0];
    const auto resume = std::max(match.end, match.begin + 1);
    if (is_word(before(text, match.begin)) || is_word(after(text, match.end))) return resume;
    bool good = digits == 10;
    if (first == '+') {
        good = digits >= 8 && digits <= 15;  // ITU-T E.164: 15 at most
    } else if (first == '0') {
        good = digits == 10 || digits == 11;  // France; United Kingdom
    } else {
        // area and exchange of the North American plan begin with 2 … 9
        const auto area = found.find_first_of("0123456789");
        const auto exchange = found.find_first_of("0123456789", area + 3);
        good = good && found[area] >= '2' && exchange != std::string_view::npos && found[exchange] >= '2';
    }
    const char previous = before(text, match.begin);
    if (good && previous != '-' && previous != '.' && after(text, match.end) != '-') out.push_back(match);
    return resume;
}

std::size_t ipv4(std::string_view text, Span match, std::vector<Span>& out) {
    const auto lead = text.substr(0, match.begin);
    const bool version = lead.ends_with("version ") || lead.ends_with("version=") || lead.ends_with("Version ");
    const bool longer =
        before(text, match.begin) == '.' || (after(text, match.end) == '.' && is_digit(after(text, match.end + 1)));
    if (stands_alone(text, match) && !version && !longer && ipv4_valid(part(text, match))) out.push_back(match);
    return match.end;
}

std::size_t ipv6(std::string_view text, Span match, std::vector<Span>& out) {
    while (match.end > match.begin &&
           (text[match.end - 1] == '.' || (text[match.end - 1] == ':' && !part(text, match).ends_with("::"))))
        --match.end;
    const auto resume = std::max(match.end, match.begin + 1);
    const auto found = part(text, match);
    // a::b is a name in many languages
    const bool digits = std::any_of(found.begin(), found.end(), is_digit);
    if (digits && stands_alone(text, match) && ipv6_valid(found)) out.push_back(match);
    return resume;
}

// The full stop of a sentence is no part of a token.
Span without_full_stop(std::string_view text, Span span) {
    while (span.end > span.begin + 1 && text[span.end - 1] == '.') --span.end;
    return span;
}

std::size_t jwt(std::string_view text, Span match, std::vector<Span>& out) {
    match = without_full_stop(text, match);
    const auto found = part(text, match);
    const auto dot = found.find('.');
    if (dot != std::string_view::npos && dot >= 10 && found.size() - dot > 4) out.push_back(match);
    return match.end;
}

// Behind the scheme's name and its blanks.
Span credentials(std::string_view text, Span match) {
    auto begin = text.find_first_of(" \t", match.begin);
    begin = text.find_first_not_of(" \t", begin);
    return {begin, match.end};
}

std::size_t bearer(std::string_view text, Span match, std::vector<Span>& out) {
    const auto span = without_full_stop(text, credentials(text, match));
    const auto token = part(text, span);
    // token_type=bearer expires_in=3600
    const auto equals = token.find('=');
    if (equals != std::string_view::npos && token.find_first_not_of('=', equals) != std::string_view::npos)
        return span.begin;
    if (is_word(before(text, match.begin)) || token.size() < 8) return span.begin;
    // "bearer authentication failed" is prose
    const bool prose = token.size() < 20 && std::none_of(token.begin(), token.end(), is_digit);
    if (prose) return span.begin;
    out.push_back(span);
    return match.end;
}

std::size_t basic(std::string_view text, Span match, std::vector<Span>& out) {
    const auto span = credentials(text, match);
    if (is_word(before(text, match.begin)) || !basic_credentials_valid(part(text, span))) return span.begin;
    out.push_back(span);
    return match.end;
}

// scheme://user:password@: the password alone, the rest tells where a connection goes.
std::size_t url_password(std::string_view text, Span match, std::vector<Span>& out) {
    const auto user = text.find("://", match.begin) + 3;
    const auto colon = text.find(':', user);
    if (colon + 2 < match.end) out.push_back({colon + 1, match.end - 1});
    return match.end;
}

std::size_t aws_key(std::string_view text, Span match, std::vector<Span>& out) {
    if (stands_alone(text, match)) out.push_back(match);
    return match.end;
}

std::size_t azure_key(std::string_view text, Span match, std::vector<Span>& out) {
    const auto value = Span{text.find('=', match.begin) + 1, match.end};
    constexpr std::size_t shortest = 40;  // 256 bits in base64 have 43 characters and '='
    if (value.end - value.begin >= shortest && looks_random(part(text, value))) out.push_back(value);
    return match.end;
}

std::size_t slack_token(std::string_view text, Span match, std::vector<Span>& out) {
    if (const auto hook = part(text, match).find("/services/"); hook != std::string_view::npos)
        match.begin += hook + 10;
    constexpr std::size_t shortest = 16;
    if (match.end - match.begin >= shortest) out.push_back(match);
    return match.end;
}

std::size_t private_key(std::string_view text, Span match, std::vector<Span>& out) {
    constexpr std::string_view last_line = "-----END ";
    auto end = text.find(last_line, match.end);
    if (end != std::string_view::npos) end = text.find("-----", end + last_line.size());
    end = end == std::string_view::npos ? text.size() : end + 5;
    out.push_back({match.begin, end});
    return end;
}

}  // namespace

const std::array<BuiltinPattern, builtin_count>& builtin_patterns() {
    static constexpr std::array<BuiltinPattern, builtin_count> patterns{{
        {"email", R"([A-Za-z0-9._%+\-]+(?:@|%40)[A-Za-z0-9][A-Za-z0-9\-]*(?:\.[A-Za-z0-9\-]*[A-Za-z0-9])+)", email,
         true},
        {"credit_card", R"([0-9](?:[ .\-]?[0-9])+)", card, true},
        {"iban", R"([A-Z][A-Z][0-9][0-9][ .\-]?[A-Z0-9])", iban, true},
        {"us_ssn", R"([0-9][0-9][0-9][ .\-][0-9][0-9][ .\-][0-9][0-9][0-9][0-9])", ssn, true},
        {"phone",
         R"(\+[1-9][0-9 ().\-]+|(?:\([0-9][0-9][0-9]\)[ .\-]?|[0-9][0-9][0-9][ .\-])[0-9][0-9][0-9][ .\-][0-9][0-9][0-9][0-9])"
         R"(|0[1-9][ .\-][0-9][0-9][ .\-][0-9][0-9][ .\-][0-9][0-9][ .\-][0-9][0-9])"
         R"(|0[0-9][0-9][0-9][0-9][ .\-][0-9][0-9][0-9][0-9][0-9][0-9])"
         R"(|0[0-9][0-9][0-9][ .\-][0-9][0-9][0-9][ .\-][0-9][0-9][0-9][0-9])"
         R"(|0[0-9][0-9][ .\-][0-9][0-9][0-9][0-9][ .\-][0-9][0-9][0-9][0-9])",
         phone, true},
        {"ipv4", R"([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)", ipv4, false},
        {"ipv6", R"([0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)", ipv6, false},
        {"jwt", R"(eyJ[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)+)", jwt, true},
        {"bearer", R"((?i:bearer)[ \t]+[A-Za-z0-9._~+/=\-]+)", bearer, true},
        {"basic_auth", R"((?i:basic)[ \t]+[A-Za-z0-9+/]+=*)", basic, true},
        {"url_password", R"([A-Za-z][A-Za-z0-9+.\-]*://[^\s/?#:@"'<>]*:[^\s/?#"'<>]*@)", url_password, true},
        {"aws_key", R"((?:AKIA|ASIA)[A-Z0-9]{16})", aws_key, true},
        {"gcp_key",
         R"(AIza[0-9A-Za-z_\-]{35}|ya29\.[0-9A-Za-z_\-]{20}[0-9A-Za-z_\-]*|GOCSPX-[0-9A-Za-z_\-]{20}[0-9A-Za-z_\-]*)",
         whole, true},
        {"azure_key", R"((?:AccountKey|sig)=[A-Za-z0-9%+/_\-]+=*)", azure_key, true},
        {"github_token", R"(gh[opsru]_[A-Za-z0-9]{36}[A-Za-z0-9]*|github_pat_[A-Za-z0-9_]{22}[A-Za-z0-9_]*)", whole,
         true},
        {"slack_token", R"(xox[abeoprs]-[A-Za-z0-9\-]+|hooks\.slack\.com/services/[A-Za-z0-9/]+)", slack_token, true},
        {"stripe_key", R"((?:[sr]k_(?:live|test)|whsec)_[0-9A-Za-z]{16}[0-9A-Za-z]*)", whole, true},
        {"private_key_block", R"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----)", private_key, true},
    }};
    return patterns;
}

}  // namespace sonde
