#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/inline_string.hpp"
#include "agent/redact/keyed_hash.hpp"
#include "agent/redact/policy.hpp"
#include "agent/redact/prefilter.hpp"

namespace sonde {

// Where a text stood: a label of the counters.
enum class Place : std::uint8_t { header, query, path, user_agent, host, label, message, field, self_log, recording };
inline constexpr std::size_t place_count = 10;
std::string_view to_string(Place place);

enum class Verdict : std::uint8_t { unchanged, changed, drop_field, drop_record };

struct Redacted {
    std::string_view text;  // empty for drop_field and drop_record
    Verdict verdict = Verdict::unchanged;
};

// What a rule found, for those who explain: the rule and the range of bytes in the text that was given.
struct Finding {
    Span span;
    std::size_t rule = 0;
};

// Takes secrets out of texts by a policy. One per thread: it owns its automata and buffers, takes no lock, and does
// not allocate once they have grown to the texts that it meets (the first few of each kind). Time is linear in the
// text, whatever its bytes.
//
// A returned view points into the text that was given (unchanged) or into the redactor, until its next call.
class Redactor {
public:
    explicit Redactor(std::shared_ptr<const RedactionPolicy> policy);
    ~Redactor();
    Redactor(const Redactor&) = delete;
    Redactor& operator=(const Redactor&) = delete;

    // Free text: patterns, values behind telling names, and words that may be paths or URLs as path() reads them.
    Redacted text(std::string_view text, Place place);
    // A value under its name: a telling name hides all of it, otherwise as text().
    Redacted field(std::string_view name, std::string_view value, Place place = Place::field);
    // As field(), with the names of headers that are always hidden.
    Redacted header(std::string_view name, std::string_view value);
    // "a=1&b=2", without '?': by name (percent-encoded too), then the decoded value by pattern.
    Redacted query(std::string_view query, Place place = Place::query);
    // A path or URL with or without query: each segment as it is and decoded; behind a segment that is a telling name
    // (/reset-token/…) also what only looks random.
    Redacted path(std::string_view path, Place place = Place::path);

    // The same searches, for those that cannot change a length or want to explain: findings are in the order of the
    // text and do not overlap; the view holds until the next call. Nothing is counted.
    std::span<const Finding> find_text(std::string_view text);
    std::span<const Finding> find_field(std::string_view name, std::string_view value);
    std::span<const Finding> find_header(std::string_view name, std::string_view value);
    std::span<const Finding> find_query(std::string_view query);
    std::span<const Finding> find_path(std::string_view path);

    [[nodiscard]] const RedactionPolicy& policy() const { return *policy_; }
    // Number of values that a rule found at a place. Any thread.
    [[nodiscard]] std::uint64_t count(std::size_t rule, Place place) const;

private:
    struct Matchers;  // RE2 objects
    struct CachedName {
        std::size_t hash = 0;
        std::size_t index = 0;
        InlineString<48> name;
    };
    static constexpr std::size_t name_cache_entries = 512;

    RuleMask search(std::string_view text, std::size_t offset);
    void search_builtin(std::string_view text, std::size_t offset, RuleMask candidates);
    void search_names(std::string_view text, std::size_t offset);
    void search_custom(std::string_view text, std::size_t offset);
    void search_decoded(std::string_view raw, std::size_t offset);
    void search_query(std::string_view query, std::size_t offset);
    void search_segments(std::string_view path, std::size_t offset);
    void search_text(std::string_view text);
    void search_words(std::string_view text, Span within);
    bool hide(Span span, std::size_t rule, std::string_view value);
    bool hide_named(std::string_view name, std::string_view raw, std::size_t offset);
    [[nodiscard]] bool allowed(std::string_view value) const;
    std::size_t telling_name(std::string_view name);
    std::span<const Finding> settle();
    Redacted rewrite(std::string_view text, std::span<const Finding> findings, Place place);
    void append_replacement(std::string_view value, std::size_t rule);

    const std::shared_ptr<const RedactionPolicy> policy_;
    const Prefilter& prefilter_;  // of the policy
    Prefilter::Ranges ranges_;
    RuleMask enabled_ = 0;
    RuleMask unfiltered_ = 0;  // enabled rules that the prefilter does not know
    std::unique_ptr<Matchers> matchers_;
    KeyedHash hash_;
    std::vector<Finding> findings_;
    std::vector<Span> spans_;
    std::string unsearched_;
    std::string decoded_;
    std::string out_;
    std::vector<CachedName> name_cache_;
    std::vector<std::array<std::atomic<std::uint64_t>, place_count>> counts_;  // by rule
};

}  // namespace sonde
