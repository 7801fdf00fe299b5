#pragma once

#include <cstdint>

namespace sonde {

// How many of the records that may be dropped one sink gets: fewer the nearer its byte budget is to its end, fewer
// the fuller its queue is. The rate rests on what happened before, never on the record that it is for, so weights of
// 1 / rate keep every sum unbiased.
//
// One thread.
class SinkRate {
public:
    // bytes_per_second 0: no limit. adaptive: heed the queue.
    SinkRate(std::uint64_t bytes_per_second, bool adaptive)
        : bytes_per_second_(bytes_per_second), adaptive_(adaptive) {}

    // least … 1, at this time of one steady clock.
    [[nodiscard]] double rate(std::uint64_t time_ns);
    // A record of so many bytes was offered to the sink.
    void sent(std::uint64_t bytes);
    // The queue holds `queued` of `capacity` records.
    void queue(std::uint64_t queued, std::uint64_t capacity);

    // No weight is larger than 256.
    static constexpr double least = 1.0 / 256;

private:
    std::uint64_t bytes_per_second_;
    bool adaptive_;
    double budget_bytes_ = 0;  // one second's worth at most; below zero after what had to be sent
    std::uint64_t budget_time_ns_ = 0;
    double queue_rate_ = 1;
};

}  // namespace sonde
