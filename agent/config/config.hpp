#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sinks/sink_options.hpp"

namespace sonde {

// What can be chosen. Each default is what a first run on a laptop needs.
struct Config {
    std::string listen = "127.0.0.1:9745";  // HOST:PORT of /metrics, /healthz, /readyz
    std::string events_directory;           // where the JSON lines go; empty: no file
    std::uint32_t capture_bytes = 512;      // payload bytes captured per head, 64 … 4096
    std::uint32_t ring_kib = 8192;          // size of the kernel's ring in KiB, a power of two
    double resource_interval_s = 5.0;       // between two readings of processes, cgroups and the machine, seconds
    std::vector<std::string> processes;     // command names that get resource series of their own in any case
    std::vector<SinkOptions> sinks;         // besides that file; each name once
    double interval_s = 1.0;                // refresh of the terminal table, seconds
};

}  // namespace sonde
