#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/base/ring.hpp"

namespace sonde {

// What comes when, the earliest first; of one time, what was put in first. Most comes in nearly the order of its time:
// that stands in a ring, and only what is late for it in a heap. One thread; no allocation once it has grown.
class DueQueue {
public:
    struct Due {
        std::uint64_t time_ns = 0;
        std::uint64_t number = 0;  // in the order of coming
        std::uint32_t place = 0;   // the owner's
        // std::push_heap keeps the largest in front: that is what comes first
        bool operator<(const Due& other) const {
            return time_ns != other.time_ns ? time_ns > other.time_ns : number > other.number;
        }
    };

    explicit DueQueue(std::size_t capacity) : in_order_(capacity) {}

    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] std::size_t size() const { return in_order_.size() + late_.size(); }
    // Not when there are `capacity`.
    void push(std::uint64_t time_ns, std::uint32_t place) {
        const Due due{time_ns, ++number_, place};
        if (in_order_.empty() || time_ns >= last_ns_) {
            in_order_.push() = due;
            last_ns_ = time_ns;
        } else {
            late_.push_back(due);
            std::push_heap(late_.begin(), late_.end());
        }
    }
    // These two not when it is empty.
    [[nodiscard]] const Due& front() const { return late_is_next() ? late_.front() : in_order_.front(); }
    void pop() {
        if (!late_is_next()) return in_order_.pop();
        std::pop_heap(late_.begin(), late_.end());
        late_.pop_back();
    }

private:
    [[nodiscard]] bool late_is_next() const {
        return !late_.empty() && (in_order_.empty() || in_order_.front() < late_.front());
    }
    Ring<Due> in_order_;
    std::vector<Due> late_;      // a heap, the next one in front
    std::uint64_t last_ns_ = 0;  // of in_order_
    std::uint64_t number_ = 0;
};

}  // namespace sonde
