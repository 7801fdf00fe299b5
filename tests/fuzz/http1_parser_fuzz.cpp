#include <sys/socket.h>

#include <cstdlib>

#include "agent/protocol/http1_parser.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

bool inside(std::string_view part, std::span<const char> whole) {
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

// A parser stays inside its input, and what is complete does not change when more bytes follow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const char> bytes(reinterpret_cast<const char*>(data), size);
    const auto request = sonde::parse_request_head(bytes, {});
    check(request.consumed <= size);
    for (const auto part :
         {request.method, request.target, request.path, request.authority, request.host, request.user_agent})
        check(part == "/" || inside(part, bytes));
    if (request.state == sonde::ParseState::done) {
        const auto again = sonde::parse_request_head(bytes.first(request.consumed), {});
        check(again.state == sonde::ParseState::done && again.consumed == request.consumed);
        check(again.content_length == request.content_length && again.chunked == request.chunked);
        const auto cut = sonde::parse_request_head(bytes.first(request.consumed - 1), {});
        check(cut.state == sonde::ParseState::need_more);
    }
    const auto trace = sonde::trace_context(request.trace);
    check(trace.trace_id.empty() || trace.trace_id.view().size() == 32);
    check(trace.parent_span_id.empty() || trace.parent_span_id.view().size() == 16);
    const auto trusted = sonde::TrustedProxies::local();
    const auto peer = sonde::parse_address("127.0.0.1");
    const auto client = request.forwarded.client(peer, trusted);
    check(client.port == 0 && (client.family == 0 || client.family == AF_INET || client.family == AF_INET6));
    const auto response = sonde::parse_response_head(bytes, {});
    check(response.consumed <= size);
    if (response.state == sonde::ParseState::done) {
        check(response.status >= 100 && response.status <= 999);
        const auto cut = sonde::parse_response_head(bytes.first(response.consumed - 1), {});
        check(cut.state == sonde::ParseState::need_more);
    }
    return 0;
}
