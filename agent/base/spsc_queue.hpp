#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>

namespace sonde {

// Bounded queue between exactly one producer and one consumer thread. Wait-free; no allocation after construction.
//
//   T* slot = queue.prepare();  if (!slot) count the drop;  *slot = …;  queue.commit();     (producer)
//   T* item = queue.front();    if (item) { use(*item); queue.pop(); }                      (consumer)
template <typename T>
class SpscQueue {
public:
    // capacity: number of items, rounded up to a power of two.
    explicit SpscQueue(std::size_t capacity)
        : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<T[]>(mask_ + 1)) {}

    // Producer: the next free slot, or nullptr when the queue is full.
    T* prepare() {
        const auto tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_seen_ > mask_) {
            head_seen_ = head_.load(std::memory_order_acquire);
            if (tail - head_seen_ > mask_) return nullptr;
        }
        return &slots_[tail & mask_];
    }
    void commit() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    // Consumer: the oldest item, or nullptr when the queue is empty.
    T* front() {
        const auto head = head_.load(std::memory_order_relaxed);
        if (head == tail_seen_) {
            tail_seen_ = tail_.load(std::memory_order_acquire);
            if (head == tail_seen_) return nullptr;
        }
        return &slots_[head & mask_];
    }
    void pop() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    // Any thread; exact only when both sides rest.
    [[nodiscard]] std::size_t size() const {
        // head first: read the other way round, a busy pair of threads could make head overtake the tail we hold
        const auto head = head_.load(std::memory_order_acquire);
        return tail_.load(std::memory_order_acquire) - head;
    }
    [[nodiscard]] std::size_t capacity() const { return mask_ + 1; }

private:
    static constexpr std::size_t cache_line_bytes = 64;
    const std::size_t mask_;
    const std::unique_ptr<T[]> slots_;
    alignas(cache_line_bytes) std::atomic<std::size_t> head_{0};
    std::size_t tail_seen_ = 0;  // consumer's copy
    alignas(cache_line_bytes) std::atomic<std::size_t> tail_{0};
    std::size_t head_seen_ = 0;  // producer's copy
};

}  // namespace sonde
