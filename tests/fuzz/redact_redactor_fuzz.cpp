#include <cstdlib>

#include <string>

#include "agent/redact/redactor.hpp"
#include "tests/support/redaction_reference.hpp"

namespace {

// In the order of the text, apart, inside it.
void check(std::span<const sonde::Finding> findings, std::size_t size) {
    std::size_t last = 0;
    for (const auto& [span, rule] : findings) {
        if (span.begin < last || span.end <= span.begin || span.end > size) std::abort();
        last = span.end;
    }
}

// The bytes hidden are those that a search through the whole text by each expression hides, and more only where words
// may be paths. Of an address that is the password of a URL only the password is.
void compare(std::span<const sonde::Finding> findings, std::string_view text) {
    using namespace sonde;
    static RedactionReference reference;
    constexpr auto email = static_cast<std::size_t>(Builtin::email);
    std::string wanted(text.size(), '.'), got(text.size(), '.');
    const auto mark = [](std::string& bytes, Span span, char how) {
        for (auto i = span.begin; i < span.end; ++i)
            if (bytes[i] != '#') bytes[i] = how;
    };
    reference.rules(text, [&](Span span, std::size_t rule) {
        if (rule < builtin_count && (prefiltered_rules >> rule & 1U) == 0) return;
        mark(wanted, span, rule == email ? '?' : '#');
    });
    for (const auto& finding : findings) mark(got, finding.span, '#');
    const bool paths = text.find_first_of("/%") != std::string_view::npos;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (wanted[i] != '?' && wanted[i] != got[i] && (wanted[i] == '#' || !paths)) std::abort();
}

}  // namespace

// Whatever the bytes: findings lie in the text, and what has none leaves as it came.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    static Redactor redactor(RedactionPolicy::defaults());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(redactor.find_text(text), size);
    compare(redactor.find_text(text), text);
    check(redactor.find_path(text), size);
    check(redactor.find_query(text), size);
    const auto name = text.substr(0, text.find('\n'));
    const auto value = text.substr(std::min(name.size() + 1, size));
    check(redactor.find_header(name, value), value.size());
    const bool found = !redactor.find_text(text).empty();
    const auto redacted = redactor.text(text, Place::message);
    if ((redacted.verdict == Verdict::changed) != found) std::abort();
    if (!found && redacted.text != text) std::abort();
    return 0;
}
