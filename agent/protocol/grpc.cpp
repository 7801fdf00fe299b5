#include "agent/protocol/grpc.hpp"

#include <algorithm>
#include <charconv>

namespace sonde {
namespace {

// codes of grpc/grpc, doc/statuscodes.md
enum Code : std::int16_t {
    cancelled = 1,
    unknown = 2,
    deadline_exceeded = 4,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    data_loss = 15,
    last_code = 16,
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool is_grpc_content_type(std::string_view content_type) {
    constexpr std::string_view wanted = "application/grpc";
    if (content_type.size() < wanted.size()) return false;
    if (!std::equal(wanted.begin(), wanted.end(), content_type.begin(), [](char a, char b) { return a == lower(b); }))
        return false;
    const auto rest = content_type.substr(wanted.size());
    return rest.empty() || rest[0] == '+' || rest[0] == ';';
}

std::optional<std::int16_t> parse_grpc_status(std::string_view value) {
    std::int16_t code = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), code);
    if (error != std::errc{} || end != value.data() + value.size() || code < 0 || code > last_code) return {};
    return code;
}

Outcome grpc_outcome(std::int16_t status) {
    switch (status) {
        case cancelled:
            return Outcome::aborted;
        case unknown:
        case deadline_exceeded:
        case unimplemented:
        case internal:
        case unavailable:
        case data_loss:
            return Outcome::error;
        default:
            return status < 0 ? Outcome::unobserved : Outcome::ok;
    }
}

}  // namespace sonde
