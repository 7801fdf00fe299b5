#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/redact/field_name.hpp"
#include "agent/redact/pattern.hpp"
#include "agent/redact/prefilter.hpp"

namespace sonde {

// What happens to a value that a rule finds, in the order of strictness.
enum class RedactAction : std::uint8_t {
    off,
    partial,      // "…1111": the last four characters stay, of values of at least twelve
    hash,         // "[hash:0123456789abcdef]": the first 64 bits of its HMAC-SHA-256; equal values stay joinable
    mask,         // "[redacted:RULE]"
    drop_field,   // the field that holds it is left out
    drop_record,  // nothing of the record leaves, but its metrics
};
std::string_view to_string(RedactAction action);

struct RuleAction {
    std::string rule;
    RedactAction action = RedactAction::mask;
};

struct CustomPattern {
    std::string name;   // lower case letters, digits and '_'
    std::string regex;  // RE2 syntax, on bytes; the whole match is the secret. It may not match the empty text
    RedactAction action = RedactAction::mask;
};

// One policy as a user writes it. The default is safe: all built-in patterns but addresses, telling names and headers,
// masked.
struct RedactionConfig {
    std::vector<RuleAction> actions{};        // for built-in patterns, telling names, "header" and "path_token"
    std::vector<TellingName> names{};         // telling names beyond the default ones
    std::vector<std::string> headers{};       // header names beyond the default ones, any case
    std::vector<CustomPattern> patterns{};    // bounded: max_custom_patterns
    std::vector<std::string> allow_values{};  // RE2: a value that matches as a whole is never redacted
    std::vector<std::string> allow_names{};   // names of fields, headers, parameters that tell nothing; any case
    std::string hash_key_file{};              // 16 bytes or more, readable by its owner only; needed for action hash
};

inline constexpr std::size_t max_custom_patterns = 64;
inline constexpr std::size_t max_telling_names = 128;

// What is wrong with an expression (RE2 syntax, not matching the empty text), or with the name of a rule, without
// naming where it stands. Empty: nothing.
std::string wrong_expression(const std::string& regex);
std::string wrong_rule_name(std::string_view name);

// A checked policy: immutable, shared by threads. Rules are numbered: built-in patterns (as in Builtin), then "header",
// "path_token", telling names, custom patterns.
class RedactionPolicy {
public:
    // The error names the rule and says why: bad expressions, unknown or doubled names, unreadable key files, actions
    // without what they need.
    static Result<std::shared_ptr<const RedactionPolicy>> build(const RedactionConfig& config);
    // The default configuration; it cannot fail.
    static std::shared_ptr<const RedactionPolicy> defaults();

    static constexpr std::size_t header_rule = builtin_count;
    static constexpr std::size_t path_token_rule = builtin_count + 1;
    static constexpr std::size_t first_name_rule = builtin_count + 2;

    [[nodiscard]] std::size_t first_custom_rule() const { return first_name_rule + names_.names().size(); }
    [[nodiscard]] std::size_t rule_count() const { return rules_.size(); }
    [[nodiscard]] std::string_view rule_name(std::size_t rule) const { return rules_[rule].rule; }
    [[nodiscard]] RedactAction action(std::size_t rule) const { return rules_[rule].action; }

    [[nodiscard]] const FieldNames& names() const { return names_; }
    [[nodiscard]] const RedactionConfig& config() const { return config_; }
    [[nodiscard]] std::string_view hash_key() const { return hash_key_; }
    // For the built-in patterns and the telling names.
    [[nodiscard]] const Prefilter& prefilter() const { return *prefilter_; }
    // Always hidden, whatever the value: Authorization, Cookie, … Any case.
    [[nodiscard]] bool hidden_header(std::string_view name) const;
    [[nodiscard]] bool allowed_name(std::string_view name) const;

private:
    explicit RedactionPolicy(const RedactionConfig& config);
    Status number_rules();
    Status apply_actions();
    Status check_expressions() const;
    Status load_key();

    RedactionConfig config_;
    FieldNames names_;
    std::vector<RuleAction> rules_;
    std::vector<std::string> headers_;      // lower case, sorted
    std::vector<std::string> allow_names_;  // lower case, sorted
    std::string hash_key_;
    std::optional<Prefilter> prefilter_;  // once the names are known to be good
};

}  // namespace sonde
