#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sonde {

// The built-in patterns, in the order of their names below.
enum class Builtin : std::uint8_t {
    email,
    credit_card,
    iban,
    us_ssn,
    phone,
    ipv4,
    ipv6,
    jwt,
    bearer,
    basic_auth,
    url_password,
    aws_key,
    gcp_key,
    azure_key,
    github_token,
    slack_token,
    stripe_key,
    private_key_block,
};
inline constexpr std::size_t builtin_count = 18;

// Bit i: rule i may match. Bit builtin_count: a telling name stands before '=' or ':' (named_value.hpp).
using RuleMask = std::uint32_t;
inline constexpr RuleMask named_bit = RuleMask{1} << builtin_count;
// A telling name occurs at all: what follows it in a path may be a secret.
inline constexpr RuleMask telling_bit = RuleMask{1} << (builtin_count + 1);
constexpr RuleMask bit(Builtin rule) { return RuleMask{1} << static_cast<unsigned>(rule); }

// Half-open range of bytes.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool operator==(const Span&) const = default;
};

// Looks closer at what the regular expression found in text: adds the ranges that are secret to out (none: it is
// something else, an order number say) and returns where to search on, behind match.begin.
using Refine = std::size_t (*)(std::string_view text, Span match, std::vector<Span>& out);

struct BuiltinPattern {
    std::string_view name;
    std::string_view regex;  // RE2 syntax, bytes (Latin-1), no counted repetition that makes its automaton large
    Refine refine;
    bool enabled_by_default;
};

// Indexed by Builtin.
const std::array<BuiltinPattern, builtin_count>& builtin_patterns();

}  // namespace sonde
