#pragma once

#include <re2/re2.h>

#include <cstdint>

namespace sonde {

// How redaction uses RE2: on bytes (a text need not be UTF-8), quietly, with bounded memory. Matches are found by the
// automaton alone (no groups), so each search is linear and allocates only while the automaton grows.
inline RE2::Options expression_options(std::int64_t max_memory_bytes = 1 << 20) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_log_errors(false);
    options.set_max_mem(max_memory_bytes);
    return options;
}

}  // namespace sonde
