#include <cstdlib>
#include <vector>

#include "agent/protocol/http1_parser.hpp"
#include "agent/redact/head_redactor.hpp"

// A redacted head frames its message as before.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static sonde::Redactor redactor(sonde::RedactionPolicy::defaults());
    std::vector<char> head(data, data + size);
    const auto before = sonde::parse_request_head(std::vector<char>(data, data + size), {});
    sonde::redact_head(head, false, redactor);
    const auto after = sonde::parse_request_head(head, {});
    if (before.state == sonde::ParseState::done &&
        (after.state != before.state || after.consumed != before.consumed ||
         after.content_length != before.content_length || after.chunked != before.chunked))
        std::abort();
    return 0;
}
