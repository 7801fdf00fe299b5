#pragma once

#include <string>
#include <string_view>

namespace sonde {

// Is the host of a listen address, a name or number without brackets, one that other machines do not reach?
bool is_loopback(std::string_view host);

// May a request with this Host header be answered on a loopback address: localhost or an address, with any port?
// Empty (HTTP/1.0, no browser): yes.
bool is_local_host_header(std::string_view host);

// Does the value of an Authorization header hold the token? Takes as long for a wrong one as for the right one
// (RFC 6750 §2.1).
bool bears_token(std::string_view authorization, std::string_view token);

// Does a request that changes something come from the agent's own page, or from no page? origin, fetch_site: its
// headers Origin and Sec-Fetch-Site; empty: there is none.
bool is_same_origin(std::string_view origin, std::string_view fetch_site, std::string_view host);

}  // namespace sonde
