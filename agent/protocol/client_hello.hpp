#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/inline_string.hpp"
#include "agent/protocol/parse_state.hpp"

// What a TLS client says of itself in the clear (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). No allocation, no exception.
namespace sonde {

struct ClientHello {
    // need_more: the bytes end inside the message; what came before that has been filled in.
    ParseState state = ParseState::need_more;
    std::uint16_t version = 0;      // highest that the client offers (0x0304: TLS 1.3); 0: not seen yet
    InlineString<255> server_name;  // host_name (RFC 6066 §3) as sent; empty: none was
    InlineString<128> alpn;         // protocols offered, in the client's order, "h2,http/1.1" (RFC 7301 §3.1)
    bool encrypted_hello = false;   // encrypted_client_hello: the server name is that of the front
};

// bytes: the start of the client's side of the connection, record layer included; a hello may span records.
// invalid: no ClientHello, or lengths that contradict each other. At most 16 KiB of the message are looked at.
ClientHello parse_client_hello(std::span<const std::byte> bytes);

// "1.0" … "1.3", "ssl3"; "unknown" for what has no name.
std::string_view tls_version_name(std::uint16_t version);

}  // namespace sonde
