#include "agent/sample/reservoir.hpp"

#include <algorithm>

namespace sonde {

Reservoir::Put Reservoir::put(const Transaction& transaction, std::uint64_t hash) {
    const RouteKey key{transaction.service.data(), transaction.route.data()};
    auto found = group_of_.find(key);
    const bool known = found != group_of_.end();
    const bool full = known && groups_[found->second].held_count == k_;
    // A group that has let one go unlimited would not be an even draw any more: it starts with room for all of its k.
    if (!known) {
        if ((groups_used_ + 1) * k_ > max_held_) return Put::no_room;
        found = group_of_.emplace(key, groups_used_++).first;
        if (groups_.size() < groups_used_) groups_.emplace_back();
    }
    auto& group = groups_[found->second];
    ++group.seen;
    const auto smaller = [this](std::uint32_t a, std::uint32_t b) { return pool_[a].hash < pool_[b].hash; };
    const auto end = [&] { return group.slots.begin() + group.held_count; };
    if (full) {
        const auto largest = group.slots.front();
        if (hash >= pool_[largest].hash) return Put::refused;
        std::pop_heap(group.slots.begin(), end(), smaller);
        pool_[largest] = {transaction, hash};
        std::push_heap(group.slots.begin(), end(), smaller);
        return Put::refused;
    }
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(pool_.size()));
        pool_.emplace_back();
    }
    const auto slot = free_.back();
    free_.pop_back();
    pool_[slot] = {transaction, hash};
    group.slots.resize(std::max<std::size_t>(group.slots.size(), group.held_count + 1U));
    group.slots[group.held_count++] = slot;
    std::push_heap(group.slots.begin(), end(), smaller);
    ++held_;
    return Put::held;
}

void Reservoir::forget() {
    for (auto& group : groups_) group.seen = group.held_count = 0;
    group_of_.clear();
    groups_used_ = 0;
    held_ = 0;
}

}  // namespace sonde
