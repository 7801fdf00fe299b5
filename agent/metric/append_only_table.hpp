#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace sonde {

// Grows at its end, never shrinks or moves: one thread appends, any thread reads what is published.
template <typename T>
class AppendOnlyTable {
public:
    explicit AppendOnlyTable(std::size_t capacity) : slots_(capacity) {}
    [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_acquire); }
    [[nodiscard]] bool full() const { return size_.load(std::memory_order_relaxed) == slots_.size(); }
    [[nodiscard]] T& at(std::size_t i) const { return *slots_[i]; }
    T& append(std::unique_ptr<T> item) {
        const auto i = size_.load(std::memory_order_relaxed);
        slots_[i] = std::move(item);
        size_.store(i + 1, std::memory_order_release);  // publishes slots_[i]
        return *slots_[i];
    }

private:
    std::vector<std::unique_ptr<T>> slots_;  // never resized
    std::atomic<std::size_t> size_{0};
};

}  // namespace sonde
