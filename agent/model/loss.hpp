#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bpf/shared/loss.h"

namespace sonde {

constexpr std::array<std::string_view, SONDE_REC_TYPES> record_type_names{
    "none",      "conn_open", "conn_close", "request_head", "response_head", "progress",  "socket_read",
    "proc_exec", "proc_exit", "proc_info",  "tls_hello",    "http2_frames",  "log_write", "websocket"};
constexpr std::array<std::string_view, SONDE_LOSS_REASONS> loss_reason_names{"ring_full", "map_full", "read_fault",
                                                                             "decode_invalid"};

// The loss matrix summed over CPUs and both worlds: for every type, seen = delivered + Σ lost.
struct LossMatrix {
    struct Row {
        std::uint64_t seen = 0;       // number of records that the kernel was to emit
        std::uint64_t delivered = 0;  // number of records that user space took in
        std::array<std::uint64_t, SONDE_LOSS_REASONS> lost{};
    };
    std::array<Row, SONDE_REC_TYPES> rows{};

    [[nodiscard]] std::uint64_t lost_total() const {
        std::uint64_t sum = 0;
        for (const auto& row : rows)
            for (const auto count : row.lost) sum += count;
        return sum;
    }
};

}  // namespace sonde
