#include <cstdlib>
#include <vector>

#include "agent/protocol/http1_parser.hpp"
#include "agent/redact/head_mask.hpp"

// A masked head frames its message as before.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<char> masked(data, data + size);
    const auto before = sonde::parse_request_head(std::vector<char>(data, data + size), {});
    sonde::mask_head(masked, false);
    const auto after = sonde::parse_request_head(masked, {});
    if (before.state == sonde::ParseState::done &&
        (after.state != before.state || after.consumed != before.consumed ||
         after.content_length != before.content_length || after.chunked != before.chunked))
        std::abort();
    sonde::mask_head(masked, true);
    for (const char c : masked)
        if (c != '*' && c != '\r' && c != '\n') std::abort();
    return 0;
}
