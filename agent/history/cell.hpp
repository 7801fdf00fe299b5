#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/model/transaction.hpp"

namespace sonde {

// Buckets of durations: eight to an octave from 8 µs to 69 s, and one at each end. The middle of a bucket is within
// 6.25% of every duration in it. Coarser than QuantileHistogram: a second of 2,000 endpoints has to fit into 2 MiB.
struct DurationBuckets {
    static constexpr unsigned sub_bits = 3, first_octave = 13, last_octave = 35;
    static constexpr std::size_t per_octave = std::size_t{1} << sub_bits;
    static constexpr std::size_t count = 2 + (last_octave - first_octave + 1) * per_octave;

    static constexpr std::size_t index(std::uint64_t duration_ns) {
        const auto octave = static_cast<unsigned>(std::bit_width(duration_ns | 1)) - 1;
        if (octave < first_octave) return 0;
        if (octave > last_octave) return count - 1;
        const auto sub = (duration_ns >> (octave - sub_bits)) & (per_octave - 1);
        return 1 + (octave - first_octave) * per_octave + sub;
    }
    // The smallest duration of a bucket, ns; that of the bucket after the last: UINT64_MAX.
    static constexpr std::uint64_t lower_ns(std::size_t bucket) {
        if (bucket == 0) return 0;
        if (bucket >= count) return UINT64_MAX;
        const auto octave = first_octave + static_cast<unsigned>((bucket - 1) / per_octave);
        return (per_octave + (bucket - 1) % per_octave) << (octave - sub_bits);
    }
};

// What one endpoint's transactions came to in one span of time: sums that can be added up. Plain numbers, no pointers;
// about 1 KiB. One thread.
struct Cell {
    static constexpr std::size_t status_classes = 6;  // [0]: status not observed; [4]: 4xx
    static constexpr std::size_t outcomes = 4;        // by Outcome

    std::uint32_t count = 0;
    std::array<std::uint32_t, status_classes> statuses{};
    std::array<std::uint32_t, outcomes> by_outcome{};
    std::uint64_t duration_ns = 0;                               // sum
    std::uint64_t max_ns = 0;                                    // longest duration, exact
    std::array<std::uint64_t, sonde::phase_count> phase_ns{};    // sum over the transactions in which it was observed
    std::array<std::uint32_t, sonde::phase_count> phase_seen{};  // number of these
    std::uint64_t request_bytes = 0, response_bytes = 0;         // on the wire
    std::array<std::uint32_t, DurationBuckets::count> durations{};

    void add(const Transaction& transaction);
    void add(const Cell& other);
    // Takes away what was added before; max_ns stays.
    void subtract(const Cell& other);
    // q in 0..1: the middle of the bucket that holds the duration of that rank, never above max_ns; 0 when empty.
    [[nodiscard]] std::uint64_t quantile_ns(double q) const;
    [[nodiscard]] std::uint32_t errors() const { return by_outcome[static_cast<std::size_t>(Outcome::error)]; }

    // Appends the cell with what is zero left out: about 45 bytes for one transaction, 150 for a busy second.
    //
    //   count  mask  statuses…  outcomes…  duration  max  {phase_ns  count − seen}…  bytes in  bytes out
    //   number of buckets  {distance from the last one  count}…         each a LEB128 number; mask: which of … are
    //   there
    void append_to(std::string& out) const;
    // Adds an encoded cell. False: these are not the bytes of a cell, and what was added so far is worth nothing.
    bool add_encoded(std::string_view bytes);
};

// LEB128: seven bits a byte, the lowest first.
void append_number(std::string& out, std::uint64_t value);
// Takes a number from the front; false: cut off or longer than 64 bits.
bool take_number(std::string_view& bytes, std::uint64_t& value);

}  // namespace sonde
