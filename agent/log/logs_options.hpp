#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/log/tail_options.hpp"

namespace sonde {

// What is captured at the write calls of processes that serve HTTP.
struct LogCaptureOptions {
    bool enabled = true;
    std::uint32_t write_bytes = 16384;     // of one write call, however many lines it holds, 64 … 16384
    std::uint32_t line_bytes = 4096;       // of one line; what is beyond is cut, 64 … 16384
    std::size_t max_processes = 256;       // watched at a time, 1 … 1024
    std::vector<std::string> processes{};  // command names (comm) that are watched although they serve nothing
};

struct LogsOptions {
    LogCaptureOptions capture;
    TailerOptions tail;  // files
    // Between the thread that reads files and the pipeline: what does not fit waits in its file.
    std::size_t queue_records = 4096;                  // 2 … 65,536
    std::size_t queue_bytes = std::size_t{32} << 20U;  // of their text
    std::uint32_t late_ms = 500;                       // a line may come so long after its response, 0 … 10,000
    std::size_t lines_per_request = 50;                // of one transaction; the rest is counted, 1 … 1000
    // Fields of lines that become attributes of their transaction.
    std::vector<std::string> attributes{"user_id", "user", "tenant", "tenant_id", "upstream_response_time"};
    std::vector<std::string> ignored_attributes{};  // taken off every line, and ids of these names with them
};

}  // namespace sonde
