#include <cstdlib>

#include "agent/redact/redactor.hpp"

namespace {

// In the order of the text, apart, inside it.
void check(std::span<const sonde::Finding> findings, std::size_t size) {
    std::size_t last = 0;
    for (const auto& [span, rule] : findings) {
        if (span.begin < last || span.end <= span.begin || span.end > size) std::abort();
        last = span.end;
    }
}

}  // namespace

// Whatever the bytes: findings lie in the text, and what has none leaves as it came.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    static Redactor redactor(RedactionPolicy::defaults());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(redactor.find_text(text), size);
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
