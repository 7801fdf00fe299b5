#include "agent/history/cell.hpp"

#include <algorithm>
#include <cmath>

namespace sonde {
namespace {

// Bits of the mask, from the lowest: status classes, outcomes, phases.
constexpr unsigned outcome_bit = Cell::status_classes;
constexpr unsigned phase_bit = outcome_bit + Cell::outcomes;

template <std::size_t N>
std::uint64_t mask_of(const std::array<std::uint32_t, N>& numbers, unsigned first_bit) {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < N; ++i)
        if (numbers[i] != 0) mask |= std::uint64_t{1} << (first_bit + i);
    return mask;
}

template <std::size_t N>
void append_numbers(std::string& out, const std::array<std::uint32_t, N>& numbers) {
    for (const auto number : numbers)
        if (number != 0) append_number(out, number);
}

// Reads on after a failure give zeros; failed() tells in the end.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}
    std::uint64_t next() {
        std::uint64_t value = 0;
        failed_ = failed_ || !take_number(bytes_, value);
        return failed_ ? 0 : value;
    }
    std::uint32_t small() { return static_cast<std::uint32_t>(next()); }
    template <std::size_t N>
    void add_to(std::array<std::uint32_t, N>& numbers, std::uint64_t mask, unsigned first_bit) {
        for (std::size_t i = 0; i < N; ++i)
            if ((mask >> (first_bit + i) & 1) != 0) numbers[i] += small();
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool at_end() const { return bytes_.empty(); }

private:
    std::string_view bytes_;
    bool failed_ = false;
};

}  // namespace

void append_number(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80);
        value >>= 7;
    }
    out += static_cast<char>(value);
}

bool take_number(std::string_view& bytes, std::uint64_t& value) {
    value = 0;
    for (unsigned i = 0; i < bytes.size() && i < 10; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (i == 9 && byte > 1) return false;
        value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            bytes.remove_prefix(i + 1);
            return true;
        }
    }
    return false;
}

void Cell::add(const Transaction& transaction) {
    ++count;
    const auto status_class = static_cast<std::size_t>(transaction.status) / 100;
    ++statuses[status_class < status_classes ? status_class : 0];
    ++by_outcome[static_cast<std::size_t>(transaction.outcome)];
    duration_ns += transaction.duration_ns;
    max_ns = std::max(max_ns, transaction.duration_ns);
    for (std::size_t phase = 0; phase < phase_ns.size(); ++phase) {
        if (transaction.phase_ns[phase] < 0) continue;
        phase_ns[phase] += static_cast<std::uint64_t>(transaction.phase_ns[phase]);
        ++phase_seen[phase];
    }
    request_bytes += transaction.request_bytes;
    response_bytes += transaction.response_bytes;
    ++durations[DurationBuckets::index(transaction.duration_ns)];
}

void Cell::add(const Cell& other) {
    const auto sum = [](auto& into, const auto& from) {
        for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
    };
    count += other.count;
    sum(statuses, other.statuses);
    sum(by_outcome, other.by_outcome);
    duration_ns += other.duration_ns;
    max_ns = std::max(max_ns, other.max_ns);
    sum(phase_ns, other.phase_ns);
    sum(phase_seen, other.phase_seen);
    request_bytes += other.request_bytes;
    response_bytes += other.response_bytes;
    sum(durations, other.durations);
}

void Cell::subtract(const Cell& other) {
    const auto difference = [](auto& from, const auto& taken) {
        for (std::size_t i = 0; i < from.size(); ++i) from[i] -= taken[i];
    };
    count -= other.count;
    difference(statuses, other.statuses);
    difference(by_outcome, other.by_outcome);
    duration_ns -= other.duration_ns;
    difference(phase_ns, other.phase_ns);
    difference(phase_seen, other.phase_seen);
    request_bytes -= other.request_bytes;
    response_bytes -= other.response_bytes;
    difference(durations, other.durations);
}

std::uint64_t Cell::quantile_ns(double q) const {
    if (count == 0) return 0;
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count))));
    if (rank >= count) return max_ns;
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket + 1 < durations.size(); ++bucket) {
        below += durations[bucket];
        if (below < rank) continue;
        const auto lower = DurationBuckets::lower_ns(bucket), upper = DurationBuckets::lower_ns(bucket + 1);
        return std::min(lower + (upper - lower) / 2, max_ns);
    }
    return max_ns;
}

void Cell::append_to(std::string& out) const {
    append_number(out, count);
    append_number(out, mask_of(statuses, 0) | mask_of(by_outcome, outcome_bit) | mask_of(phase_seen, phase_bit));
    append_numbers(out, statuses);
    append_numbers(out, by_outcome);
    append_number(out, duration_ns);
    append_number(out, max_ns);
    for (std::size_t phase = 0; phase < phase_ns.size(); ++phase) {
        if (phase_seen[phase] == 0) continue;
        append_number(out, phase_ns[phase]);
        append_number(out, count - phase_seen[phase]);
    }
    append_number(out, request_bytes);
    append_number(out, response_bytes);
    const auto filled = durations.size() - static_cast<std::size_t>(std::count(durations.begin(), durations.end(), 0U));
    append_number(out, filled);
    std::size_t last = 0;
    for (std::size_t bucket = 0; bucket < durations.size(); ++bucket) {
        if (durations[bucket] == 0) continue;
        append_number(out, bucket - last);
        append_number(out, durations[bucket]);
        last = bucket;
    }
}

bool Cell::add_encoded(std::string_view bytes) {
    Reader reader(bytes);
    const auto number = reader.small();
    const auto mask = reader.next();
    count += number;
    reader.add_to(statuses, mask, 0);
    reader.add_to(by_outcome, mask, outcome_bit);
    duration_ns += reader.next();
    max_ns = std::max(max_ns, reader.next());
    for (std::size_t phase = 0; phase < phase_ns.size(); ++phase) {
        if ((mask >> (phase_bit + phase) & 1) == 0) continue;
        phase_ns[phase] += reader.next();
        phase_seen[phase] += number - reader.small();
    }
    request_bytes += reader.next();
    response_bytes += reader.next();
    std::uint64_t bucket = 0;
    for (auto left = reader.next(); left > 0 && !reader.failed(); --left) {
        bucket += reader.next();
        if (bucket >= durations.size()) return false;
        durations[bucket] += reader.small();
    }
    return !reader.failed() && reader.at_end();
}

}  // namespace sonde
