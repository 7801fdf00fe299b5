#include "agent/http/access.hpp"

#include <arpa/inet.h>
#include <strings.h>

#include <string>

namespace sonde {
namespace {

bool same_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_localhost(std::string_view name) {
    constexpr std::string_view suffix = ".localhost";  // RFC 6761 §6.3
    return same_ignoring_case(name, "localhost") ||
           (name.size() > suffix.size() && same_ignoring_case(name.substr(name.size() - suffix.size()), suffix));
}

}  // namespace

bool is_loopback(std::string_view host) {
    const std::string text(host);
    in_addr v4{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return is_localhost(host);
}

bool is_local_host_header(std::string_view host) {
    if (host.empty()) return true;
    if (host.front() == '[') return host.find(']') != std::string_view::npos;  // a number: no name was looked up
    host = host.substr(0, host.rfind(':'));
    in_addr v4{};
    return ::inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1 || is_localhost(host);
}

bool is_same_origin(std::string_view origin, std::string_view fetch_site, std::string_view host) {
    if (!fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none") return false;
    if (origin.empty()) return true;
    // behind a proxy that speaks TLS the scheme is another, the host is the one that the browser asked
    const auto scheme_end = origin.find("://");
    return scheme_end != std::string_view::npos && !host.empty() &&
           same_ignoring_case(origin.substr(scheme_end + 3), host);
}

bool bears_token(std::string_view authorization, std::string_view token) {
    constexpr std::string_view scheme = "bearer ";
    if (authorization.size() < scheme.size() || !same_ignoring_case(authorization.substr(0, scheme.size()), scheme))
        return false;
    authorization.remove_prefix(scheme.size());
    while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
    unsigned different = authorization.size() == token.size() ? 0 : 1;
    for (std::size_t i = 0; i < authorization.size(); ++i)
        different |= static_cast<unsigned char>(authorization[i] ^ (token.empty() ? '\0' : token[i % token.size()]));
    return different == 0;
}

}  // namespace sonde
