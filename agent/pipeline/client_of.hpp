#pragma once

#include "agent/pipeline/connection.hpp"
#include "agent/protocol/forwarded.hpp"

namespace sonde {

// Who asked on this connection. whole_head: no header is missing; otherwise a trusted proxy's word may be, and then
// nobody knows. Family 0: not known.
inline Endpoint client_of(const Connection& c, const TrustedProxies& trusted, const ForwardedHeaders& forwarded,
                          bool whole_head) {
    if (!c.endpoints_known) return {};
    // what a client sends about others is not about itself
    if (c.side == Side::client) return ForwardedHeaders{}.client(c.local, trusted);
    if (!whole_head && trusted.contains(c.remote)) return {};
    return forwarded.client(c.remote, trusted);
}

}  // namespace sonde
