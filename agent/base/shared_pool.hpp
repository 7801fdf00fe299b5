#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace sonde {

// Objects that go out to others and are used again once nobody else has them, so that none is allocated after warm-up.
// One thread takes; any may let go.
template <typename T>
class SharedPool {
public:
    // kept_max: beyond, objects are made and thrown away.
    explicit SharedPool(std::size_t kept_max) : kept_max_(kept_max) {}

    // One that only the caller has, as its last user left it.
    std::shared_ptr<T> take() {
        for (std::size_t tries = 0; tries < tries_max && !kept_.empty(); ++tries) {
            // in the order of their use, so that the one that was taken longest ago is next: the pool holds hardly more
            // than what is in use at a time
            if (next_ >= kept_.size()) next_ = 0;
            auto& object = kept_[next_++];
            if (object.use_count() != 1) continue;
            acquire(object);
            return object;
        }
        auto object = std::make_shared<T>();
        if (kept_.size() < kept_max_) kept_.push_back(object);
        return object;
    }
    [[nodiscard]] std::size_t size() const { return kept_.size(); }

private:
    // Who let go of it did so on another thread: its last reads happened before.
    static void acquire([[maybe_unused]] const std::shared_ptr<T>& object) {
#ifdef __SANITIZE_THREAD__
        std::shared_ptr<T>(object).reset();  // ThreadSanitizer knows no fences; the end of a copy acquires as well
#else
        std::atomic_thread_fence(std::memory_order_acquire);
#endif
    }

    static constexpr std::size_t tries_max = 16;  // a few that are held for long must not make the pool grow
    const std::size_t kept_max_;
    std::vector<std::shared_ptr<T>> kept_;
    std::size_t next_ = 0;
};

}  // namespace sonde
