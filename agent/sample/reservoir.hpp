#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/model/transaction.hpp"
#include "agent/sample/route_key.hpp"

namespace sonde {

// Draws up to k transactions per route and second, each subset of that size as likely as any other: those with the
// smallest hashes stay. At the second's end they leave with their weights times seen / k, so that their sum is what
// was seen.
//
//   second n:  put put put …  │ first of second n + 1, or release_before(): k of them leave, with weights
//
// Bounded: max_held transactions in all. One that finds no room leaves at once, unlimited: a limit may be missed, a
// sum may not. One thread; memory is reused from second to second, but for one index entry per route.
class Reservoir {
public:
    struct Held {
        Transaction transaction;
        std::uint64_t hash = 0;
    };

    // k: 1 …
    explicit Reservoir(std::uint32_t k, std::size_t max_held = 4096) : k_(k), max_held_(max_held) {}

    enum class Put : std::uint8_t { held, refused, no_room };
    // refused: it, or another one in its place, is not drawn. time: of one clock, in seconds, never less than before.
    Put put(const Transaction& transaction, std::uint64_t hash);

    // Hands over all that are held, weights set, and starts the next second. on_release(Transaction&).
    template <typename OnRelease>
    void release(OnRelease on_release) {
        for (auto& group : groups_) {
            if (group.held_count == 0) continue;
            const double factor = static_cast<double>(group.seen) / static_cast<double>(group.held_count);
            for (std::uint32_t i = 0; i < group.held_count; ++i) {
                auto& transaction = pool_[group.slots[i]].transaction;
                transaction.sample_weight *= factor;
                on_release(transaction);
                transaction.process.reset();
                free_.push_back(group.slots[i]);
            }
        }
        forget();
    }

    [[nodiscard]] std::size_t held() const { return held_; }

private:
    struct Group {
        std::uint64_t seen = 0;
        std::uint32_t held_count = 0;
        std::vector<std::uint32_t> slots;  // of pool_: a heap, the largest hash first
    };
    void forget();

    const std::uint32_t k_;
    const std::size_t max_held_;
    std::size_t held_ = 0;
    std::vector<Held> pool_;
    std::vector<std::uint32_t> free_;
    std::vector<Group> groups_;
    std::size_t groups_used_ = 0;
    std::unordered_map<RouteKey, std::size_t, RouteKeyHash> group_of_;
};

}  // namespace sonde
