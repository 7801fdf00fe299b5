#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sinks/delivery/split_body.hpp"

// A batch out of a spool may hold anything that its checksum fits. Halves of what can be divided can be read again, and
// hold as many records as they say.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using sonde::SplitBody;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const SplitBody splits[] = {
        sonde::split_lines,
        [](std::string_view text) { return sonde::split_json(text, {}); },
        [](std::string_view text) {
            return sonde::split_json(text, {{"a"}, {"b", "c"}, {"d"}});
        },
        [](std::string_view text) {
            return sonde::split_protobuf(text, {1U << 1, 1U << 2, 1U << 5 | 1U << 7});
        },
    };
    for (const auto& split : splits) {
        const auto halves = split(body);
        if (!halves) continue;
        for (const auto* part : {&halves->first, &halves->second}) {
            if (part->records == 0) std::abort();
            const auto again = split(part->body);
            if (again.has_value() != (part->records > 1)) std::abort();
            if (again && again->first.records + again->second.records != part->records) std::abort();
        }
    }
    return 0;
}
