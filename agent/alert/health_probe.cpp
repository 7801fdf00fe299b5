#include "agent/alert/health_probe.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t prefix_bytes = 5;
constexpr char string_field_1 = 0x0a, varint_field_1 = 0x08;
constexpr std::size_t service_max = 127;  // its length is one byte

bool is_host_port(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
    const auto port = text.substr(colon + 1);
    return port.size() <= 5 && std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
           text.find('/') == std::string_view::npos && text.find('@') == std::string_view::npos;
}

}  // namespace

std::string wrong_health_probe(const HealthProbeOptions& options) {
    const std::string_view target = options.target;
    const bool is_url = target.starts_with("http://") || target.starts_with("https://");
    if (options.type == HealthProbeType::http && !is_url) return "its target is a URL: http:// or https://";
    if (options.type == HealthProbeType::tcp && !is_host_port(target)) return "its target is HOST:PORT";
    if (options.type == HealthProbeType::grpc) {
        constexpr std::string_view tls = "https://";
        if (!is_host_port(target.starts_with(tls) ? target.substr(tls.size()) : target))
            return "its target is HOST:PORT or https://HOST:PORT";
        if (options.grpc_service.size() > service_max) return "grpc_service has 127 bytes at most";
    }
    if (options.timeout_ms > options.interval_ms) return "its timeout is longer than its interval";
    return {};
}

std::string grpc_health_request(std::string_view service) {
    std::string message;
    if (!service.empty()) {
        message += string_field_1;
        message += static_cast<char>(service.size());
        message += service;
    }
    std::string out(prefix_bytes - 1, '\0');
    return out + static_cast<char>(message.size()) + message;
}

int grpc_health_status(std::string_view message) {
    if (message.size() < prefix_bytes || message[0] != 0) return -1;
    std::size_t size = 0;
    for (std::size_t i = 1; i < prefix_bytes; ++i) size = size << 8U | static_cast<unsigned char>(message[i]);
    if (message.size() - prefix_bytes < size) return -1;
    if (size == 0) return 0;  // a zero is not written
    return size >= 2 && message[prefix_bytes] == varint_field_1 ? static_cast<unsigned char>(message[prefix_bytes + 1])
                                                                : -1;
}

}  // namespace sonde
