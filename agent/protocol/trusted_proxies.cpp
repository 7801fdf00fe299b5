#include "agent/protocol/trusted_proxies.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sonde {
namespace {

bool same_prefix(const Endpoint& a, const Endpoint& b, unsigned bits) {
    const auto whole = bits / 8;
    if (!std::equal(a.address.begin(), a.address.begin() + whole, b.address.begin())) return false;
    if (bits % 8 == 0) return true;
    const auto mask = static_cast<unsigned>(0xff << (8 - bits % 8));
    return (a.address[whole] & mask) == (b.address[whole] & mask);
}

unsigned bits_of(const Endpoint& address) { return address.family == AF_INET ? 32 : 128; }

}  // namespace

Endpoint unmapped(const Endpoint& address) {
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address.family != AF_INET6 || !std::equal(mapped.begin(), mapped.end(), address.address.begin()))
        return address;
    Endpoint out;
    std::copy(address.address.begin() + mapped.size(), address.address.end(), out.address.begin());
    out.port = address.port;
    out.family = AF_INET;
    return out;
}

Endpoint parse_address(std::string_view text) {
    Endpoint out;
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.empty() || text.size() >= terminated.size()) return out;
    std::memcpy(terminated.data(), text.data(), text.size());
    for (const auto family : {AF_INET, AF_INET6}) {
        if (::inet_pton(family, terminated.data(), out.address.data()) != 1) continue;
        out.family = static_cast<std::uint8_t>(family);
        return unmapped(out);
    }
    return out;
}

TrustedProxies TrustedProxies::local() { return *parse({"127.0.0.0/8", "::1", "unix"}); }

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
    TrustedProxies out;
    for (const auto& text : networks) {
        if (text == "unix") {
            out.unix_sockets_ = true;
            continue;
        }
        const auto slash = text.find('/');
        Network network{parse_address(std::string_view(text).substr(0, slash)), 0};
        network.prefix_bits = bits_of(network.address);
        bool good = network.address.family != 0;
        if (slash != std::string::npos) {
            const auto* end = text.data() + text.size();
            unsigned bits = 0;
            const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
            good = good && error == std::errc{} && rest == end && bits <= network.prefix_bits;
            network.prefix_bits = bits;
        }
        if (!good)
            return fail("\"" + text + "\" names no proxy", "give an address, a prefix like 10.0.0.0/8, or unix",
                        ErrorKind::usage);
        out.networks_.push_back(network);
    }
    return out;
}

bool TrustedProxies::contains(const Endpoint& address) const {
    if (address.family == AF_UNIX) return unix_sockets_;
    const auto plain = unmapped(address);
    return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
        return network.address.family == plain.family && same_prefix(network.address, plain, network.prefix_bits);
    });
}

}  // namespace sonde
