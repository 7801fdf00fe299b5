#pragma once

#include <re2/re2.h>
#include <re2/set.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/redact/expression.hpp"
#include "agent/redact/named_value.hpp"

namespace sonde {

// Redaction without the prefilter: RE2::Set tells which expressions match, each of those is searched through the whole
// text. What it finds is what the prefilter may not miss. Slow on purpose; one thread.
class RedactionReference {
public:
    RedactionReference() : names_(default_telling_names()), set_(expression_options(64 << 20), RE2::UNANCHORED) {
        for (const auto& pattern : builtin_patterns()) add(std::string(pattern.regex));
        add(named_value_regex(names_.names()));
        set_.Compile();
    }

    // Rules with something to hide in the text; named_bit for values behind telling names. Calls on_span with each
    // piece to hide and its rule, builtin_count for a telling name's.
    template <typename OnSpan>
    RuleMask rules(std::string_view text, OnSpan on_span) {
        RuleMask found = 0;
        if (!set_.Match({text.data(), text.size()}, &matched_)) return 0;
        for (const auto index : matched_) {
            const auto rule = static_cast<std::size_t>(index);
            re2::StringPiece match;
            for (std::size_t at = 0; at < text.size();) {
                if (!expressions_[rule]->Match({text.data(), text.size()}, at, text.size(), RE2::UNANCHORED, &match, 1))
                    break;
                const auto begin = static_cast<std::size_t>(match.data() - text.data());
                const Span span{begin, begin + match.size()};
                if (rule == builtin_count) {
                    const auto value = find_named_value(text, span, names_);
                    if (value.index != FieldNames::not_found) {
                        found |= named_bit;
                        on_span(value.value, rule);
                    }
                    at = value.resume;
                } else {
                    spans_.clear();
                    at = builtin_patterns()[rule].refine(text, span, spans_);
                    if (!spans_.empty()) found |= RuleMask{1} << rule;
                    for (const auto piece : spans_) on_span(piece, rule);
                }
            }
        }
        return found;
    }
    RuleMask rules(std::string_view text) {
        return rules(text, [](Span, std::size_t) {});
    }

private:
    void add(const std::string& regex) {
        expressions_.push_back(std::make_unique<RE2>(regex, expression_options()));
        set_.Add(regex, nullptr);
    }

    const FieldNames names_;
    RE2::Set set_;
    std::vector<std::unique_ptr<RE2>> expressions_;
    std::vector<int> matched_;
    std::vector<Span> spans_;
};

// The rules that the prefilter knows.
inline constexpr RuleMask prefiltered_rules = ((named_bit << 1U) - 1) & ~(bit(Builtin::ipv4) | bit(Builtin::ipv6));

inline std::vector<std::string> default_prefilter_names() {
    std::vector<std::string> names;
    for (const auto& name : default_telling_names()) names.push_back(name.name);
    return names;
}

}  // namespace sonde
