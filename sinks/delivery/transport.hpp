#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sonde {

// What became of one attempt.
struct SendResult {
    enum class Outcome : std::uint8_t {
        delivered,    // the destination has taken it, but for rejected_records
        rejected,     // it never will: not tried again
        too_large,    // not all at once: each half is tried alone
        unavailable,  // not now
    };
    Outcome outcome = Outcome::unavailable;
    std::uint32_t rejected_records = 0;             // delivered only: refused by the destination out of the batch
    std::optional<std::uint64_t> retry_after_ms{};  // unavailable only: the destination's wish
    std::string error{};                            // for people; also of a partial success
};

// The way to one destination. send() on the sink's thread; it returns within the transport's total time-out.
class Transport {
public:
    virtual ~Transport() = default;
    virtual SendResult send(std::string_view body, std::uint32_t records) = 0;
    // Attempts, the running one too, end by then. Any thread.
    virtual void stop_by(std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace sonde
