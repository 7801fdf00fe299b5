#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sinks/otlp/otlp_options.hpp"

namespace sonde {

// From an Export…ServiceResponse (OTLP 1.3 §Partial Success): the number of spans, log records or data points that were
// refused, and why. Outside bytes: anything that cannot be read counts as none refused.
std::uint32_t read_partial_success(OtlpFormat format, OtlpSignal signal, std::string_view body, std::string& message);

}  // namespace sonde
