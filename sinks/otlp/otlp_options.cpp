#include "sinks/otlp/otlp_options.hpp"

#include <algorithm>

namespace sonde {
namespace {

struct UrlParts {
    std::string_view path;  // with all that stands before it
    std::string_view query;
};

UrlParts parts_of(std::string_view url) {
    const auto query = std::min(url.find('?'), url.size());
    UrlParts parts{url.substr(0, query), url.substr(query)};
    while (parts.path.ends_with('/')) parts.path.remove_suffix(1);
    return parts;
}

}  // namespace

std::optional<OtlpSignal> otlp_signal_of_url(std::string_view url) {
    const auto path = parts_of(url).path;
    for (const auto name : otlp_signal_names)
        if (path.ends_with("/v1/" + std::string(name))) return otlp_signal_of(name);
    return std::nullopt;
}

std::string otlp_url(std::string_view url, OtlpSignal signal) {
    if (otlp_signal_of_url(url) == signal) return std::string(url);
    const auto [path, query] = parts_of(url);
    return std::string(path) + "/v1/" + std::string(to_string(signal)) + std::string(query);
}

}  // namespace sonde
