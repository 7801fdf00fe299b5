#include "sinks/otlp/partial_success.hpp"

#include <algorithm>
#include <array>
#include <protozero/pbf_reader.hpp>

namespace sonde {
namespace {

std::uint32_t clamped(std::int64_t value) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, UINT32_MAX));
}

// Export…ServiceResponse { Export…PartialSuccess partial_success = 1 { int64 rejected_… = 1; string error_message = 2 }
// }: the same numbers for all signals.
std::uint32_t read_protobuf(std::string_view body, std::string& message) {
    std::int64_t rejected = 0;
    try {  // protozero tells about bytes that are no message by an exception; it stays here
        protozero::pbf_reader response(body.data(), body.size());
        while (response.next(1, protozero::pbf_wire_type::length_delimited)) {
            auto partial = response.get_message();
            while (partial.next()) {
                if (partial.tag() == 1 && partial.wire_type() == protozero::pbf_wire_type::varint) {
                    rejected = partial.get_int64();
                } else if (partial.tag() == 2 && partial.wire_type() == protozero::pbf_wire_type::length_delimited) {
                    message = partial.get_string();
                } else {
                    partial.skip();
                }
            }
        }
    } catch (const protozero::exception&) {
        return 0;
    }
    return clamped(rejected);
}

// The value behind `"name":`, up to the next quote, comma or brace. The answer has two members at most; reading it with
// a whole parser would add nothing.
std::string_view member(std::string_view body, std::string_view quoted_name) {
    auto at = body.find(quoted_name);
    if (at == std::string_view::npos) return {};
    at = body.find_first_not_of(" \t\r\n", at + quoted_name.size());
    if (at == std::string_view::npos || body[at] != ':') return {};
    at = body.find_first_not_of(" \t\r\n", at + 1);
    if (at == std::string_view::npos) return {};
    if (body[at] == '"') ++at;
    return body.substr(at, body.find_first_of("\",}", at) - at);
}

std::uint32_t read_json(OtlpSignal signal, std::string_view body, std::string& message) {
    constexpr std::array<std::string_view, 3> names{"\"rejectedSpans\"", "\"rejectedLogRecords\"",
                                                    "\"rejectedDataPoints\""};
    std::int64_t rejected = 0;
    for (const char c : member(body, names[static_cast<std::size_t>(signal)])) {
        if (c < '0' || c > '9' || rejected > UINT32_MAX) break;
        rejected = rejected * 10 + (c - '0');
    }
    message = member(body, "\"errorMessage\"");
    return clamped(rejected);
}

}  // namespace

std::uint32_t read_partial_success(OtlpFormat format, OtlpSignal signal, std::string_view body, std::string& message) {
    constexpr std::size_t longest_message = 200;
    message.clear();
    const auto rejected =
        format == OtlpFormat::protobuf ? read_protobuf(body, message) : read_json(signal, body, message);
    message.resize(std::min(message.size(), longest_message));
    for (auto& c : message)
        if (c < ' ' || c == 0x7f) c = ' ';  // it goes to a terminal
    if (message.empty()) message = "a part was refused without a reason";
    return rejected;
}

}  // namespace sonde
