#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/redact/pattern.hpp"
#include "agent/redact/prefilter_scan.hpp"
#include "agent/redact/word_sets.hpp"

namespace sonde {

// Tells in one pass over the bytes which rules may match a text: never misses one that does (shown equal to RE2::Set by
// tests/fuzz/redact_prefilter_fuzz.cpp), and lets little through that does not. Two searches share the pass:
//
//   words      "eyJ", "password", "ghp_", …: shuffles look up the first four bytes of each word, eight sets of words at
//              once (Teddy, as in Hyperscan); what they find is compared whole
//   digits     each 64 bytes become bit masks (digit, dash, space, …); a card number in groups of four is then a few
//              shifts and ands
//
// Linear in the text. Immutable after construction: any thread. candidates() does not allocate.
class Prefilter {
public:
    // names: telling names in lower case, their words split by '_' ("api_key"); the first word has three letters or
    // more.
    explicit Prefilter(const std::vector<std::string>& names, Isa isa = best_isa());

    using Ranges = std::array<RuleRange, rule_range_count>;

    // ranges: where each candidate's search may begin (first_match()) and end: at every match of the rule there is
    // something that begins within its range.
    RuleMask candidates(std::string_view text, Ranges& ranges) const;
    [[nodiscard]] RuleMask candidates(std::string_view text) const {
        Ranges ranges;
        return candidates(text, ranges);
    }
    // Before it no match of the rule begins that reaches `at`, where what makes it a candidate was found.
    static std::size_t first_match(std::size_t rule, std::string_view text, std::size_t at);
    [[nodiscard]] Isa isa() const { return isa_; }

private:
    struct Context {
        const Prefilter* self;
        std::string_view text;
    };
    [[nodiscard]] RuleMask confirm(std::string_view text, std::size_t at, unsigned sets) const;

    const Isa isa_;
    const WordSets words_;
};

}  // namespace sonde
