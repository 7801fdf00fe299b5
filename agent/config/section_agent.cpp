#include <algorithm>

#include "agent/config/profile.hpp"
#include "agent/config/sections.hpp"
#include "agent/config/unit.hpp"
#include "agent/protocol/trusted_proxies.hpp"

namespace sonde {
namespace {

// The server says the rest when it opens the address: whether it is free, and on this machine.
std::string wrong_address(const std::string& text) {
    const auto colon = text.rfind(':');
    const auto port = colon == std::string::npos ? std::nullopt : parse_integer(text.substr(colon + 1));
    if (!port || *port < 0 || *port > 65535) return "expected HOST:PORT, [V6]:PORT or :PORT, found '" + text + "'";
    return {};
}

std::string wrong_token(const std::string& text) {
    const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (text.empty() || (text.size() >= 8 && visible)) return {};
    return "expected at least 8 characters, none of them outside visible ASCII";
}

std::string wrong_network(const std::string& text) {
    if (TrustedProxies::parse({text})) return {};
    return "expected an address, a prefix (10.0.0.0/8, 2001:db8::/32) or unix, found '" + text + "'";
}

std::string wrong_memory(const std::string& text) {
    const auto bytes = static_cast<std::uint64_t>(parse_size(text).value_or(0));
    if (bytes == 0 || bytes >= Config::least_memory_bytes) return {};
    return "expected 0, or " + std::to_string(Config::least_memory_bytes >> 20) +
           "MiB at least, which sonde needs, found '" + text + "'";
}

}  // namespace

void describe_agent(Section<Config>& config) {
    Choices<std::string> profiles;
    for (const auto& profile : config_profiles()) profiles.emplace_back(profile.name, profile.name);
    config.choice("profile", &Config::profile, profiles, "Which defaults hold for what is not set; see above.");
    config.group("http", "sonde's own HTTP server: /metrics, /healthz, /readyz.", [](auto& s) {
        s.text("listen", &Config::listen, "HOST:PORT; :PORT is every IPv4 address, port 0 takes a free one.")
            .check(wrong_address);
        s.text(
             "token", [](Config& c) -> std::string& { return c.http.token; },
             "Bearer token that requests must carry, but for /healthz and /readyz. Empty: none is asked for.")
            .check(wrong_token)
            .secret();
        s.boolean(
            "allow_anonymous", [](Config& c) -> bool& { return c.http.allow_anonymous; },
            "Listen on an address that others reach although there is no token.");
        s.group("tls", "HTTPS on the port, instead of HTTP. A renewed certificate is taken by the next connection.",
                [](auto& tls) {
                    tls.text(
                        "certificate_file", [](Config& c) -> std::string& { return c.http.tls.certificate_file; },
                        "PEM file: the certificate, then those that lead to its authority. Empty: no TLS.");
                    tls.text(
                        "key_file", [](Config& c) -> std::string& { return c.http.tls.key_file; },
                        "PEM file: the certificate's private key, without a passphrase.");
                });
    });
    config.group("clients", "Who asks.", [](auto& s) {
        s.texts("trusted_proxies", &Config::trusted_proxies,
                "Whose Forwarded, X-Forwarded-For and X-Real-IP are believed: addresses, prefixes, `unix` for Unix "
                "sockets.")
            .check(wrong_network)
            .reloadable();
    });
    config.group("events", "Transactions as JSON lines.", [](auto& s) {
        s.text("directory", &Config::events_directory, "Where transactions.jsonl is written. Empty: no file.");
    });
    config.group("memory", "How much sonde itself may hold.", [](auto& s) {
        s.size(
             "max", &Config::memory_max_bytes,
             "Resident memory at most: each table gets its share of it, what does not fit is evicted and counted, and "
             "/health/detailed tells when it is passed all the same. 0: every table up to its own bound.")
            .check(wrong_memory);
    });
    config.group("terminal", "The live table of `sonde run`.", [](auto& s) {
        s.duration("interval", &Config::interval_s, std::chrono::seconds(1), "Between two pictures.")
            .range("100ms", "1h");
    });
}

}  // namespace sonde
