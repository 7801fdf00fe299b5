#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/alert/alert_options.hpp"
#include "agent/alert/health_probe.hpp"
#include "agent/http/server.hpp"
#include "agent/identity/discovery.hpp"
#include "agent/identity/kubernetes.hpp"
#include "agent/log/logs_options.hpp"
#include "agent/privilege/privileges.hpp"
#include "agent/protocol/trace_context.hpp"
#include "agent/redact/policy_set.hpp"
#include "agent/route/route_table.hpp"
#include "agent/sample/policy.hpp"
#include "sinks/sink_options.hpp"

namespace sonde {

// What can be chosen. Each default is what a first run on a laptop needs. Keys, units and ranges for those who write
// configurations stand in agent/config/section_*.cpp, which fill it.
struct Config {
    static constexpr std::uint64_t least_memory_bytes = std::uint64_t{64} << 20;

    std::string profile = "development";    // development, staging or production (agent/config/profile.hpp)
    std::string listen = "127.0.0.1:9745";  // HOST:PORT of /metrics, /healthz, /readyz
    HttpServerOptions http;                 // token, allow_anonymous
    std::string events_directory;           // where the JSON lines go; empty: no file
    std::uint32_t capture_bytes = 512;      // payload bytes captured per head, 64 … 4096
    std::uint32_t ring_kib = 8192;          // size of the kernel's ring in KiB, a power of two
    std::uint64_t memory_max_bytes = 0;     // resident memory at most: 0 (tables up to their own bounds) or 64 MiB on
    double resource_interval_s = 5.0;       // between two readings of processes, cgroups and the machine, seconds
    bool sample_waits = true;               // look at what threads that serve requests wait for
    std::vector<std::string> processes;     // command names that get resource series of their own in any case
    std::vector<SinkOptions> sinks;         // besides that file; each name once
    double interval_s = 1.0;                // refresh of the terminal table, seconds
    std::vector<std::string> trusted_proxies{"127.0.0.0/8", "::1", "unix"};  // whose word about clients counts
    TraceHeaderNames trace_headers;
    DiscoveryConfig discovery;
    RouteLimits routes;
    RedactionSetup redaction;
    SamplingConfig sampling;
    LogsOptions logs;
    AlertOptions alerts;
    HealthProbesOptions health_probes;
    PrivilegeOptions privileges;
    KubernetesOptions kubernetes;
};

}  // namespace sonde
