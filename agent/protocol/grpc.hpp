#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/model/transaction.hpp"

// gRPC over HTTP/2, as its protocol document has it (grpc/grpc, doc/PROTOCOL-HTTP2.md). No allocation.
namespace sonde {

// "application/grpc", alone or followed by '+' or ';' (case-insensitive): not application/grpc-web.
bool is_grpc_content_type(std::string_view content_type);

// The value of grpc-status: a decimal number, 0 … 16. Anything else is no status.
std::optional<std::int16_t> parse_grpc_status(std::string_view value);

// What the status says of the call: the codes that blame the server are errors (OpenTelemetry, semantic conventions
// for gRPC, server spans), CANCELLED is the caller's leaving, what else is the caller's own doing is ok.
Outcome grpc_outcome(std::int16_t status);

}  // namespace sonde
