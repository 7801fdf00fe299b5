#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sonde {

// A queue of at most `capacity` items that keeps its memory: no allocation once it has grown. One thread.
template <typename T>
class Ring {
public:
    explicit Ring(std::size_t capacity) : capacity_(capacity) {}

    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] bool full() const { return size_ == capacity_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    // 0: the oldest.
    T& operator[](std::size_t i) { return items_[(first_ + i) % items_.size()]; }
    T& front() { return items_[first_]; }
    [[nodiscard]] const T& front() const { return items_[first_]; }
    // Not when full. The place of the new newest item, which holds what was there before.
    T& push() {
        if (size_ == items_.size()) grow();
        return (*this)[size_++];
    }
    // Not when empty. The item stays where it is until its place is used again.
    void pop() {
        first_ = (first_ + 1) % items_.size();
        --size_;
    }

private:
    void grow() {
        std::vector<T> more(items_.empty() ? 16 : items_.size() * 2);
        for (std::size_t i = 0; i < size_; ++i) more[i] = std::move((*this)[i]);
        items_ = std::move(more);
        first_ = 0;
    }
    const std::size_t capacity_;
    std::vector<T> items_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace sonde
