#include "agent/redact/field_name.hpp"

#include <algorithm>
#include <span>

#include "agent/redact/validator.hpp"

namespace sonde {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c | 0x20) : c; }

// Behind one of these the name is about the secret, and does not hold it.
constexpr auto about = std::to_array<std::string_view>(
    {"count",   "counts",   "length",    "len",        "size",     "type",    "types",    "ttl",
     "expiry",  "expires",  "expire",    "expiration", "timeout",  "age",     "limit",    "limits",
     "usage",   "used",     "policy",    "required",   "enabled",  "valid",   "validity", "url",
     "uri",     "endpoint", "path",      "file",       "name",     "names",   "status",   "state",
     "reset",   "version",  "index",     "duration",   "max",      "min",     "budget",   "algorithm",
     "service", "manager",  "handler",   "controller", "filter",   "factory", "provider", "exception",
     "error",   "errors",   "validator", "encoder",    "rotation", "refresh", "hint"});

constexpr std::array<std::string_view, 14> nothing{"true", "false", "null", "none", "nil",      "undefined", "yes",
                                                   "no",   "on",    "off",  "nan",  "redacted", "masked",    "n/a"};

bool is_one_of(std::span<const std::string_view> list, std::string_view text) {
    return std::any_of(list.begin(), list.end(), [&](std::string_view known) {
        return known.size() == text.size() &&
               std::equal(known.begin(), known.end(), text.begin(), [](char k, char t) { return k == lower(t); });
    });
}

// A name in lower case without its separators; edge[i]: a word begins at i.
struct FoldedName {
    std::array<char, FieldNames::max_name_bytes> bytes;
    std::array<bool, FieldNames::max_name_bytes + 1> edge{};
    std::size_t size = 0;

    explicit FoldedName(std::string_view name) {
        if (name.size() > bytes.size()) name.remove_prefix(name.size() - bytes.size());
        bool new_word = true;
        for (std::size_t i = 0; i < name.size(); ++i) {
            const char c = name[i];
            if (!is_digit(c) && !is_upper(c) && !is_lower(c) && static_cast<signed char>(c) >= 0) {
                new_word = true;
                continue;
            }
            const char before = i > 0 ? name[i - 1] : '\0';
            const char after = i + 1 < name.size() ? name[i + 1] : '\0';
            // apiKey, APIKey, key2
            new_word = new_word || (is_upper(c) && (is_lower(before) || is_digit(before))) ||
                       (is_upper(c) && is_upper(before) && is_lower(after)) || (is_digit(c) && !is_digit(before)) ||
                       (is_digit(before) && !is_digit(c));
            edge[size] = new_word;
            new_word = false;
            bytes[size++] = lower(c);
        }
        edge[size] = true;
    }
    [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
    [[nodiscard]] std::string_view word_at(std::size_t begin) const {
        auto end = begin + 1;
        while (end < size && !edge[end]) ++end;
        return view().substr(std::min(begin, size), end - begin);
    }
};

}  // namespace

const std::vector<TellingName>& default_telling_names() {
    static const std::vector<TellingName> names{
        {"password", Telling::always},      {"passwd", Telling::always},
        {"passphrase", Telling::always},    {"passcode", Telling::always},
        {"pwd", Telling::always},           {"secret", Telling::always},
        {"api_key", Telling::always},       {"credential", Telling::value},
        {"authorization", Telling::always}, {"private_key", Telling::always},
        {"access_key", Telling::value},     {"client_secret", Telling::always},
        {"ssn", Telling::always},           {"social_security", Telling::always},
        {"cvv", Telling::always},           {"card_number", Telling::always},
        {"token", Telling::value},          {"session", Telling::value},
        {"session_id", Telling::always},    {"cookie", Telling::value},
        {"csrf", Telling::value},           {"xsrf", Telling::value},
        {"otp", Telling::always},           {"auth", Telling::random},
        {"key", Telling::random},           {"signature", Telling::random},
        {"sig", Telling::random},           {"sid", Telling::random},
    };
    return names;
}

FieldNames::FieldNames(std::vector<TellingName> names) : names_(std::move(names)) {
    for (const auto& name : names_) {
        Folded folded{name.name, name.name.size() >= 5 && name.telling != Telling::random && name.name != "session"};
        std::erase(folded.text, '_');
        folded_.push_back(std::move(folded));
    }
}

std::size_t FieldNames::find(std::string_view name) const {
    const FoldedName folded(name);
    const auto text = folded.view();
    std::size_t best = not_found;
    for (std::size_t i = 0; i < folded_.size(); ++i) {
        const auto& wanted = folded_[i];
        if (best != not_found && folded_[best].text.size() >= wanted.text.size()) continue;
        for (auto at = text.find(wanted.text); at != std::string_view::npos; at = text.find(wanted.text, at + 1)) {
            auto end = at + wanted.text.size();
            if (!folded.edge[at] && !wanted.inside_words) continue;
            if (!folded.edge[end] && text[end] == 's') ++end;  // tokens
            if (!folded.edge[end] || (end < text.size() && is_one_of(about, folded.word_at(end)))) continue;
            best = i;
            break;
        }
    }
    return best;
}

bool worth_hiding(std::string_view value, Telling telling) {
    if (value.empty() || is_one_of(nothing, value)) return false;
    if (std::all_of(value.begin(), value.end(), [](char c) { return c == '*' || c == 'x' || c == 'X' || c == '.'; }))
        return false;  // masked by somebody before
    if (telling == Telling::always) return true;
    if (telling == Telling::random) return looks_random(value);
    // "unexpected token: '}'"
    if (std::none_of(value.begin(), value.end(), [](char c) {
            return is_digit(c) || is_upper(c) || is_lower(c) || static_cast<signed char>(c) < 0;
        }))
        return false;
    constexpr std::size_t count_digits = 7;  // a count or a number of seconds; a code that long may be a secret
    return value.size() > count_digits || !std::all_of(value.begin(), value.end(), is_digit);
}

}  // namespace sonde
