#pragma once

#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// Whose word about the client is believed: those who add to Forwarded, X-Forwarded-For and X-Real-IP. Anybody else may
// write there what they like. Immutable; any thread.
class TrustedProxies {
public:
    // This machine only: 127.0.0.0/8, ::1, and whoever connects through a Unix socket.
    static TrustedProxies local();
    // networks: addresses or prefixes in CIDR notation, "10.0.0.0/8", "2001:db8::/32", "192.0.2.1"; "unix" for Unix
    // sockets. Error: the first that is none of these.
    static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

    // address: its port does not matter. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) counts as IPv4.
    [[nodiscard]] bool contains(const Endpoint& address) const;

private:
    struct Network {
        Endpoint address;
        unsigned prefix_bits;
    };
    std::vector<Network> networks_;
    bool unix_sockets_ = false;
};

// The address that text is, with neither port nor brackets; family 0: it is none. Mapped IPv4 becomes IPv4.
Endpoint parse_address(std::string_view text);
// The IPv4 address that is mapped into IPv6, or the address as it was.
Endpoint unmapped(const Endpoint& address);

}  // namespace sonde
