#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde {

enum class OtlpFormat : std::uint8_t { protobuf, json };

enum class OtlpSignal : std::uint8_t { traces, logs, metrics };
// As a URL's path ends (OTLP 1.3 §OTLP/HTTP Request): /v1/traces.
constexpr std::array<std::string_view, 3> otlp_signal_names{"traces", "logs", "metrics"};
constexpr std::string_view to_string(OtlpSignal signal) { return otlp_signal_names[static_cast<std::size_t>(signal)]; }

// nullopt: there is no such signal.
constexpr std::optional<OtlpSignal> otlp_signal_of(std::string_view name) {
    for (std::size_t i = 0; i < otlp_signal_names.size(); ++i)
        if (otlp_signal_names[i] == name) return static_cast<OtlpSignal>(i);
    return std::nullopt;
}

struct OtlpOptions {
    OtlpFormat format = OtlpFormat::protobuf;
    bool gzip = true;
    std::vector<std::string> signals{"traces"};  // otlp_signal_names; each is sent by a sink of its own
    std::uint32_t interval_ms = 15'000;          // metrics: 1000 … 3,600,000, between two snapshots
    // Besides what is observed of each process; host.name is filled in where it is missing.
    std::vector<std::pair<std::string, std::string>> resource{};
};

// Where a signal goes: /v1/<signal> is added to the base URL, unless it ends so (the specification of exporters,
// "Endpoint URLs for OTLP/HTTP"). A query stays at the end.
std::string otlp_url(std::string_view url, OtlpSignal signal);

// The signal that a URL ends in; nullopt: it is a base URL.
std::optional<OtlpSignal> otlp_signal_of_url(std::string_view url);

}  // namespace sonde
