#pragma once

#include <array>
#include <cstdint>

namespace sonde {

// Number of requests that each thread has taken up and answered: equal before and after means that it did nothing else
// for requests in between.
// Threads that share a slot make a CPU time unobserved, never wrong. Pipeline thread only.
class ThreadReads {
public:
    std::uint32_t& of(std::uint32_t tid) { return counts_[tid % counts_.size()]; }

private:
    std::array<std::uint32_t, 65536> counts_{};
};

}  // namespace sonde
