#include "agent/redact/redactor.hpp"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "agent/redact/expression.hpp"
#include "agent/redact/named_value.hpp"

namespace sonde {
namespace {

std::string_view part(std::string_view text, Span span) { return text.substr(span.begin, span.end - span.begin); }

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent-decoding (RFC 3986, section 2.1), '+' as the blank of forms; what is not well formed stays.
void decode(std::string_view raw, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const int high = raw[i] == '%' && i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(raw[i + 2]) : -1;
        if (low >= 0) {
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            out.push_back(raw[i] == '+' ? ' ' : raw[i]);
        }
    }
}

// A byte that ends a word of a text; a table, since string_view::find_first_of asks once per byte and call.
constexpr auto ends_word = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view(" \t\r\n\"'<>()")) table[static_cast<unsigned char>(c)] = true;
    return table;
}();

bool is_encoded(std::string_view raw) {
    return raw.find('%') != std::string_view::npos || raw.find('+') != std::string_view::npos;
}

constexpr RuleRange everywhere{0, static_cast<std::size_t>(-1)};

// Calls on_match with each match that begins at range.first or behind, until it returns a place behind range.last;
// it returns where to search on, which is behind the match's begin.
template <typename OnMatch>
void for_each_match(const RE2& expression, std::string_view text, RuleRange range, OnMatch on_match) {
    const re2::StringPiece whole(text.data(), text.size());
    re2::StringPiece match;
    for (auto at = range.first; at < text.size() && at <= range.last;) {
        if (!expression.Match(whole, at, text.size(), RE2::UNANCHORED, &match, 1)) return;
        const auto begin = static_cast<std::size_t>(match.data() - text.data());
        at = match.empty() ? begin + 1 : on_match(Span{begin, begin + match.size()});
    }
}

}  // namespace

struct Redactor::Matchers {
    static constexpr std::int64_t set_memory_bytes = 8 << 20;

    std::array<std::unique_ptr<RE2>, builtin_count> builtin;
    RE2 names;
    std::vector<std::unique_ptr<RE2>> custom;
    std::unique_ptr<RE2::Set> any_custom;
    std::unique_ptr<RE2::Set> allowed;

    explicit Matchers(const RedactionPolicy& policy)
        : names(named_value_regex(policy.names().names()), expression_options()) {
        for (std::size_t i = 0; i < builtin_count; ++i) {
            const auto regex = builtin_patterns()[i].regex;
            builtin[i] = std::make_unique<RE2>(re2::StringPiece(regex.data(), regex.size()), expression_options());
        }
        const auto& config = policy.config();
        if (!config.patterns.empty())
            any_custom = std::make_unique<RE2::Set>(expression_options(set_memory_bytes), RE2::UNANCHORED);
        for (const auto& pattern : config.patterns) {
            custom.push_back(std::make_unique<RE2>(pattern.regex, expression_options()));
            any_custom->Add(pattern.regex, nullptr);
        }
        if (!config.allow_values.empty())
            allowed = std::make_unique<RE2::Set>(expression_options(set_memory_bytes), RE2::ANCHOR_BOTH);
        for (const auto& value : config.allow_values) allowed->Add(value, nullptr);
        if (any_custom) any_custom->Compile();
        if (allowed) allowed->Compile();
    }

    // Asked without a list of the expressions that match: for one, RE2 allocates at each call.
    static bool matches(const RE2::Set& set, std::string_view text, bool when_out_of_memory) {
        RE2::Set::ErrorInfo error{};
        if (set.Match({text.data(), text.size()}, nullptr, &error)) return true;
        return error.kind == RE2::Set::kOutOfMemory && when_out_of_memory;
    }
};

std::string_view to_string(Place place) {
    constexpr std::array<std::string_view, place_count> names{"header", "query",   "path",  "user_agent", "host",
                                                              "label",  "message", "field", "self_log",   "recording"};
    return names[static_cast<std::size_t>(place)];
}

Redactor::Redactor(std::shared_ptr<const RedactionPolicy> policy)
    : policy_(std::move(policy)),
      prefilter_(policy_->prefilter()),
      matchers_(std::make_unique<Matchers>(*policy_)),
      hash_(policy_->hash_key()),
      name_cache_(name_cache_entries),
      counts_(policy_->rule_count()) {
    for (std::size_t rule = 0; rule < builtin_count; ++rule)
        if (policy_->action(rule) != RedactAction::off) enabled_ |= RuleMask{1} << rule;
    enabled_ |= named_bit;
    unfiltered_ = enabled_ & (bit(Builtin::ipv4) | bit(Builtin::ipv6));
}

Redactor::~Redactor() = default;

std::uint64_t Redactor::count(std::size_t rule, Place place) const {
    return counts_[rule][static_cast<std::size_t>(place)].load(std::memory_order_relaxed);
}

bool Redactor::hide(Span span, std::size_t rule, std::string_view value) {
    if (span.begin >= span.end || policy_->action(rule) == RedactAction::off) return false;
    if (matchers_->allowed && Matchers::matches(*matchers_->allowed, value, false)) return false;
    findings_.push_back({span, rule});
    return true;
}

void Redactor::search_builtin(std::string_view text, std::size_t offset, RuleMask candidates) {
    for (candidates &= (RuleMask{1} << builtin_count) - 1; candidates != 0; candidates &= candidates - 1) {
        const auto rule = static_cast<std::size_t>(__builtin_ctz(candidates));
        auto range = everywhere;
        if ((unfiltered_ >> rule & 1U) == 0)
            range = {Prefilter::first_match(rule, text, ranges_[rule].first), ranges_[rule].last};
        for_each_match(*matchers_->builtin[rule], text, range, [&](Span match) {
            spans_.clear();
            const auto resume = builtin_patterns()[rule].refine(text, match, spans_);
            for (const auto span : spans_) hide({offset + span.begin, offset + span.end}, rule, part(text, span));
            return resume;
        });
    }
}

void Redactor::search_names(std::string_view text, std::size_t offset) {
    for_each_match(matchers_->names, text, ranges_[builtin_count], [&](Span match) {
        const auto found = find_named_value(text, match, policy_->names());
        if (found.index != FieldNames::not_found && !policy_->allowed_name(part(text, found.name)))
            hide({offset + found.value.begin, offset + found.value.end}, RedactionPolicy::first_name_rule + found.index,
                 part(text, found.value));
        return found.resume;
    });
}

void Redactor::search_custom(std::string_view text, std::size_t offset) {
    if (!matchers_->any_custom || !Matchers::matches(*matchers_->any_custom, text, true)) return;
    for (std::size_t i = 0; i < matchers_->custom.size(); ++i)
        for_each_match(*matchers_->custom[i], text, everywhere, [&](Span match) {
            hide({offset + match.begin, offset + match.end}, policy_->first_custom_rule() + i, part(text, match));
            return match.end;
        });
}

RuleMask Redactor::search(std::string_view text, std::size_t offset) {
    const auto found = prefilter_.candidates(text, ranges_);
    const auto candidates = (found & enabled_) | unfiltered_;
    if (candidates != 0) {
        search_builtin(text, offset, candidates);
        if ((candidates & named_bit) != 0) search_names(text, offset);
    }
    search_custom(text, offset);
    return found;
}

// What only shows once decoded hides the whole of the raw text.
void Redactor::search_decoded(std::string_view raw, std::size_t offset) {
    const auto before = findings_.size();
    decode(raw, decoded_);
    search(decoded_, 0);
    if (findings_.size() == before) return;
    const auto rule = findings_[before].rule;
    findings_.resize(before);
    findings_.push_back({{offset, offset + raw.size()}, rule});
}

std::size_t Redactor::telling_name(std::string_view name) {
    if (is_encoded(name)) {
        decode(name, decoded_);
        return policy_->allowed_name(decoded_) ? FieldNames::not_found : policy_->names().find(decoded_);
    }
    const auto hash = std::hash<std::string_view>{}(name);
    auto& cached = name_cache_[hash % name_cache_entries];
    if (cached.hash == hash && !cached.name.cut() && cached.name.view() == name) return cached.index;
    const auto index = policy_->allowed_name(name) ? FieldNames::not_found : policy_->names().find(name);
    cached.hash = hash;
    cached.index = index;
    cached.name.assign(name);
    return index;
}

bool Redactor::hide_named(std::string_view name, std::string_view raw, std::size_t offset) {
    const auto index = telling_name(name);
    if (index == FieldNames::not_found) return false;
    decode(raw, decoded_);
    return worth_hiding(decoded_, policy_->names().names()[index].telling) &&
           hide({offset, offset + raw.size()}, RedactionPolicy::first_name_rule + index, raw);
}

void Redactor::search_query(std::string_view query, std::size_t offset) {
    for (std::size_t begin = 0; begin < query.size();) {
        const auto end = std::min(query.find_first_of("&;", begin), query.size());
        const auto parameter = query.substr(begin, end - begin);
        const auto equals = parameter.find('=');
        const auto value_at = equals == std::string_view::npos ? 0 : equals + 1;
        const auto value = parameter.substr(value_at);
        const bool named = value_at > 0 && hide_named(parameter.substr(0, equals), value, offset + begin + value_at);
        if (!named && is_encoded(value)) search_decoded(value, offset + begin + value_at);
        begin = end + 1;
    }
}

void Redactor::search_segments(std::string_view path, std::size_t offset) {
    std::string_view before;  // the segment before this one
    for (std::size_t begin = 0; begin < path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto segment = path.substr(begin, end - begin);
        if (segment.find('%') != std::string_view::npos) search_decoded(segment, offset + begin);
        // few segments look random: names are looked up for these only
        if (!before.empty() && worth_hiding(segment, Telling::random) && telling_name(before) != FieldNames::not_found)
            hide({offset + begin, offset + end}, RedactionPolicy::path_token_rule, segment);
        before = segment;
        begin = end + 1;
    }
}

void Redactor::search_text(std::string_view text) {
    const auto found = search(text, 0);
    Span rest{0, text.size()};
    if (text.find('%') == std::string_view::npos) {
        if ((found & telling_bit) == 0) return;
        // whole words; before and behind these there is no telling name
        const auto& telling = ranges_[std::countr_zero(telling_bit)];
        rest = {telling.first, telling.last};
        while (rest.begin > 0 && !ends_word[static_cast<unsigned char>(text[rest.begin - 1])]) --rest.begin;
        while (rest.end < text.size() && !ends_word[static_cast<unsigned char>(text[rest.end])]) ++rest.end;
        if (part(text, rest).find('/') == std::string_view::npos) return;
    }
    if (!findings_.empty()) {  // what is hidden already needs no second look, and must not take its word with it
        unsearched_.assign(text);
        for (const auto& [span, rule] : findings_)
            std::fill(&unsearched_[span.begin], unsearched_.data() + span.end, ' ');
        text = unsearched_;
    }
    search_words(text, rest);
}

// Words that may be paths or URLs are read as such: "%20" is a space, and what follows /reset-token/ is one.
void Redactor::search_words(std::string_view text, Span within) {
    for (auto end = within.begin; end < within.end; ++end) {
        const auto begin = end;
        bool like_path = false;
        for (; end < within.end && !ends_word[static_cast<unsigned char>(text[end])]; ++end)
            like_path |= text[end] == '/' || text[end] == '%';
        if (!like_path) continue;
        const auto word = text.substr(begin, end - begin);
        const auto query = std::min(word.find('?'), word.size());
        search_segments(word.substr(0, query), begin);
        if (query < word.size()) search_query(word.substr(query + 1), begin + query + 1);
    }
}

std::span<const Finding> Redactor::find_text(std::string_view text) {
    findings_.clear();
    search_text(text);
    return settle();
}

std::span<const Finding> Redactor::find_field(std::string_view name, std::string_view value) {
    findings_.clear();
    const auto index = telling_name(name);
    const bool hidden = index != FieldNames::not_found &&
                        worth_hiding(value, policy_->names().names()[index].telling) &&
                        hide({0, value.size()}, RedactionPolicy::first_name_rule + index, value);
    if (!hidden) search_text(value);
    return settle();
}

std::span<const Finding> Redactor::find_header(std::string_view name, std::string_view value) {
    if (!policy_->hidden_header(name) || policy_->allowed_name(name)) return find_field(name, value);
    findings_.clear();
    hide({0, value.size()}, RedactionPolicy::header_rule, value);
    return settle();
}

std::span<const Finding> Redactor::find_query(std::string_view query) {
    findings_.clear();
    search(query, 0);
    search_query(query, 0);
    return settle();
}

std::span<const Finding> Redactor::find_path(std::string_view path) {
    findings_.clear();
    const auto query = std::min(path.find('?'), path.size());
    const auto target = path.substr(0, query);
    const auto found = search(target, 0);
    if ((found & telling_bit) != 0 || target.find('%') != std::string_view::npos) search_segments(target, 0);
    if (query < path.size()) {
        search(path.substr(query + 1), query + 1);
        search_query(path.substr(query + 1), query + 1);
    }
    return settle();
}

namespace {

constexpr auto email_rule = static_cast<std::size_t>(Builtin::email);
constexpr auto url_password_rule = static_cast<std::size_t>(Builtin::url_password);

// In amqp://guest:hunter2@broker.example the address "hunter2@broker.example" is none.
bool is_password_in_url(const Finding& a, const Finding& b) {
    return (a.rule == email_rule && b.rule == url_password_rule) ||
           (a.rule == url_password_rule && b.rule == email_rule);
}

}  // namespace

// In the order of the text; what overlaps becomes one, under the stricter rule.
std::span<const Finding> Redactor::settle() {
    if (findings_.size() < 2) return findings_;
    std::sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
        return a.span.begin != b.span.begin ? a.span.begin < b.span.begin : a.span.end > b.span.end;
    });
    std::size_t last = 0;
    for (std::size_t i = 1; i < findings_.size(); ++i) {
        auto& kept = findings_[last];
        const auto& next = findings_[i];
        if (next.span.begin >= kept.span.end) {
            findings_[++last] = next;
            continue;
        }
        if (is_password_in_url(kept, next)) {
            if (kept.rule != url_password_rule) kept = next;
            continue;
        }
        kept.span.end = std::max(kept.span.end, next.span.end);
        if (policy_->action(next.rule) > policy_->action(kept.rule)) kept.rule = next.rule;
    }
    findings_.resize(last + 1);
    return findings_;
}

void Redactor::append_replacement(std::string_view value, std::size_t rule) {
    constexpr std::size_t kept = 4, shortest = 12;  // of a shorter value four characters are too much of it
    const auto action = policy_->action(rule);
    KeyedHash::Digest digest;
    if (action == RedactAction::partial && value.size() >= shortest) {
        out_.append("****").append(value.substr(value.size() - kept));
    } else if (action == RedactAction::hash && hash_.digest(value, digest)) {
        constexpr std::string_view hex = "0123456789abcdef";
        out_.append("[hash:");
        for (std::size_t i = 0; i < 8; ++i) {
            out_.push_back(hex[digest[i] >> 4U]);
            out_.push_back(hex[digest[i] & 15U]);
        }
        out_.push_back(']');
    } else {
        out_.append("[redacted:").append(policy_->rule_name(rule)).push_back(']');
    }
}

// What a replacement must stand in, so that JSON stays JSON: the quotes of the name, escaped as they are, where the
// value has none ("ssn": 219099999).
static std::string_view missing_quotes(std::string_view text, std::size_t value) {
    auto at = value;
    while (at > 0 && value - at < 8 && text[at - 1] == ' ') --at;
    if (at < 2 || text[at - 1] != ':' || text[at - 2] != '"') return {};
    auto begin = at - 2;
    while (begin > 0 && text[begin - 1] == '\\') --begin;
    return text.substr(begin, at - 1 - begin);
}

Redacted Redactor::rewrite(std::string_view text, std::span<const Finding> findings, Place place) {
    if (findings.empty()) return {text, Verdict::unchanged};
    auto strictest = RedactAction::off;
    for (const auto& finding : findings) {
        strictest = std::max(strictest, policy_->action(finding.rule));
        auto& counter = counts_[finding.rule][static_cast<std::size_t>(place)];
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    if (strictest == RedactAction::drop_record) return {{}, Verdict::drop_record};
    if (strictest == RedactAction::drop_field) return {{}, Verdict::drop_field};
    out_.clear();
    std::size_t done = 0;
    for (const auto& [span, rule] : findings) {
        out_.append(text.substr(done, span.begin - done));
        const auto quotes = missing_quotes(text, span.begin);
        out_.append(quotes);
        append_replacement(part(text, span), rule);
        out_.append(quotes);
        done = span.end;
    }
    out_.append(text.substr(done));
    return {out_, Verdict::changed};
}

Redacted Redactor::text(std::string_view text, Place place) { return rewrite(text, find_text(text), place); }
Redacted Redactor::field(std::string_view name, std::string_view value, Place place) {
    return rewrite(value, find_field(name, value), place);
}
Redacted Redactor::header(std::string_view name, std::string_view value) {
    return rewrite(value, find_header(name, value), Place::header);
}
Redacted Redactor::query(std::string_view query, Place place) { return rewrite(query, find_query(query), place); }
Redacted Redactor::path(std::string_view path, Place place) { return rewrite(path, find_path(path), place); }

}  // namespace sonde
