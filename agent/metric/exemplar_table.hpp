#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace sonde {

// A request that stands for a bucket of a histogram (OpenMetrics 1.0, "Exemplars").
struct Exemplar {
    std::array<std::uint64_t, 2> trace_id{};  // its 32 hexadecimal digits, first 16 first
    std::uint64_t value = 0;                  // in the histogram's unit
    std::uint64_t time_ns = 0;                // CLOCK_REALTIME
};

// The last request with a trace id of each (histogram, bucket), as many as there is room for: two that share a place
// take it from each other. One writer; readers on any thread never make it wait. 192 KiB.
class ExemplarTable {
public:
    // trace_id: 32 hexadecimal digits, or nothing is kept.
    void offer(const void* histogram, std::size_t bucket, std::string_view trace_id, std::uint64_t value,
               std::uint64_t time_ns);
    [[nodiscard]] std::optional<Exemplar> find(const void* histogram, std::size_t bucket) const;

private:
    static constexpr std::size_t place_bits = 12;
    static constexpr std::size_t place_count = 1U << place_bits;

    // A sequence lock: odd while it is written. The words are atomic, so that a reader who comes in between reads a
    // mixture, which the sequence tells, and nothing undefined.
    struct Place {
        std::atomic<std::uint64_t> sequence{0};
        std::atomic<std::uint64_t> owner{0};
        std::atomic<std::uint64_t> trace_high{0}, trace_low{0}, value{0}, time_ns{0};
    };
    static std::uint64_t owner_of(const void* histogram, std::size_t bucket);
    static std::size_t place_of(std::uint64_t owner);

    using Places = std::array<Place, place_count>;
    std::unique_ptr<Places> places_ = std::make_unique<Places>();
};

}  // namespace sonde
