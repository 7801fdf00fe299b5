#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "agent/protocol/trusted_proxies.hpp"

namespace sonde {

// What proxies say about who asked. Header values as they came, views into the head.
class ForwardedHeaders {
public:
    // Takes the header if it is one of these. name: in any case. Several lines of one name are one list (RFC 9110
    // §5.3).
    bool take(std::string_view name, std::string_view value);

    // The client, seen from a connection whose other end is `peer`: the last address in Forwarded (RFC 7239), else in
    // X-Forwarded-For, else in X-Real-IP, that is not itself a trusted proxy; peer, where peer is no trusted proxy or
    // says nothing. Family 0: a trusted proxy named the client by something other than an address ("unknown", a hidden
    // name of RFC 7239 §6.3, nonsense), or in more lines than are kept.
    [[nodiscard]] Endpoint client(const Endpoint& peer, const TrustedProxies& trusted) const;

private:
    static constexpr std::size_t lines_max = 8;
    struct Lines {
        std::array<std::string_view, lines_max> values;
        std::size_t count = 0;  // lines_max + 1: there were more
    };
    enum Source : std::size_t { forwarded, x_forwarded_for, x_real_ip };
    std::array<Lines, 3> sources_;
};

}  // namespace sonde
