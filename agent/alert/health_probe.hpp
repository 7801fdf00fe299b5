#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde {

enum class HealthProbeType : std::uint8_t { http, tcp, grpc };

struct HealthProbeOptions {
    std::string name{};  // label `target` of metrics and alerts
    HealthProbeType type = HealthProbeType::http;
    std::string target{};                 // http: URL; tcp, grpc: HOST:PORT, grpc with TLS: https://HOST:PORT
    std::uint32_t interval_ms = 30'000;   // 1,000 … 3,600,000
    std::uint32_t timeout_ms = 5'000;     // 1 … 60,000
    std::vector<std::uint16_t> status{};  // http: any of these is good; empty: 200 … 299
    std::string body{};                   // http: the first 64 KiB must contain it; empty: anything
    std::vector<std::pair<std::string, std::string>> headers{};  // http
    std::string grpc_service{};                                  // of grpc.health.v1; empty: the server as a whole
    std::string ca_file{};                                       // PEM; empty: the system's
    bool verify_tls = true;
};

struct HealthProbesOptions {
    std::vector<HealthProbeOptions> probes{};
    bool discover = false;  // TCP probes of the listeners of watched services, 64 at most
};

// What one probe found. Not a number, 0: not observed.
struct HealthProbeResult {
    bool success = false;
    double duration_s = 0;
    std::uint16_t http_status = 0;
    double certificate_expiry_s = std::numeric_limits<double>::quiet_NaN();  // earliest of the chain, since 1970
    std::string message{};                                                   // why it failed
};

// Of a configuration's author; empty: nothing is wrong.
std::string wrong_health_probe(const HealthProbeOptions& options);

// A message of gRPC: not compressed, with its five-byte prefix (grpc/doc/PROTOCOL-HTTP2.md): HealthCheckRequest.
std::string grpc_health_request(std::string_view service);
// The status in a HealthCheckResponse: 0 unknown, 1 serving, 2 not serving, 3 service unknown; negative: it is none.
int grpc_health_status(std::string_view message);

}  // namespace sonde
