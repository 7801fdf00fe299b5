#include "agent/metric/exemplar_table.hpp"

#include <charconv>

namespace sonde {
namespace {

std::optional<std::uint64_t> hex(std::string_view digits) {
    std::uint64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (result.ec != std::errc{} || result.ptr != digits.data() + digits.size()) return std::nullopt;
    return value;
}

}  // namespace

// A histogram is larger than its number of buckets: no two share an address with another bucket's.
std::uint64_t ExemplarTable::owner_of(const void* histogram, std::size_t bucket) {
    return reinterpret_cast<std::uintptr_t>(histogram) + bucket;
}

std::size_t ExemplarTable::place_of(std::uint64_t owner) {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    return static_cast<std::size_t>(owner * multiplier >> (64 - place_bits));
}

void ExemplarTable::offer(const void* histogram, std::size_t bucket, std::string_view trace_id, std::uint64_t value,
                          std::uint64_t time_ns) {
    if (trace_id.size() != 32) return;
    const auto high = hex(trace_id.substr(0, 16)), low = hex(trace_id.substr(16));
    if (!high || !low) return;
    const auto owner = owner_of(histogram, bucket);
    auto& place = (*places_)[place_of(owner)];
    const auto sequence = place.sequence.load(std::memory_order_relaxed);
    place.sequence.store(sequence + 1, std::memory_order_relaxed);
    // release: none of these is seen before the odd sequence
    place.owner.store(owner, std::memory_order_release);
    place.trace_high.store(*high, std::memory_order_release);
    place.trace_low.store(*low, std::memory_order_release);
    place.value.store(value, std::memory_order_release);
    place.time_ns.store(time_ns, std::memory_order_release);
    place.sequence.store(sequence + 2, std::memory_order_release);
}

std::optional<Exemplar> ExemplarTable::find(const void* histogram, std::size_t bucket) const {
    constexpr int tries = 16;
    const auto owner = owner_of(histogram, bucket);
    const auto& place = (*places_)[place_of(owner)];
    for (int i = 0; i < tries; ++i) {
        const auto before = place.sequence.load(std::memory_order_acquire);
        const auto found = place.owner.load(std::memory_order_acquire);
        const Exemplar exemplar{
            {place.trace_high.load(std::memory_order_acquire), place.trace_low.load(std::memory_order_acquire)},
            place.value.load(std::memory_order_acquire),
            place.time_ns.load(std::memory_order_acquire)};
        if (before % 2 != 0 || place.sequence.load(std::memory_order_relaxed) != before) continue;
        return found == owner ? std::optional(exemplar) : std::nullopt;
    }
    return std::nullopt;  // a scrape can do without one
}

}  // namespace sonde
