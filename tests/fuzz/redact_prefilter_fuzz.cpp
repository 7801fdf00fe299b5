#include <cstdlib>

#include "agent/redact/prefilter.hpp"
#include "tests/support/redaction_reference.hpp"

// The prefilter never misses what RE2::Set and the search behind it find, and finds the same on every instruction set.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    static const Prefilter scalar(default_prefilter_names(), Isa::scalar);
    static const Prefilter ssse3(default_prefilter_names(), std::min(best_isa(), Isa::ssse3));
    static const Prefilter best(default_prefilter_names());
    static RedactionReference reference;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto candidates = scalar.candidates(text);
    if (ssse3.candidates(text) != candidates || best.candidates(text) != candidates) std::abort();
    if ((reference.rules(text) & prefiltered_rules & ~candidates) != 0) std::abort();
    return 0;
}
