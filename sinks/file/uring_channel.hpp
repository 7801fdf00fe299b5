#pragma once

#include <liburing.h>

#include <array>

#include "sinks/file/write_channel.hpp"

namespace sonde {

// io_uring with one registered buffer and two registered files.
class UringChannel final : public WriteChannel {
public:
    // Writes lie within `memory`, which outlives the channel. nullptr: `error` says why (an errno).
    static std::unique_ptr<UringChannel> create(std::span<char> memory, int& error);
    ~UringChannel() override;
    UringChannel(const UringChannel&) = delete;
    UringChannel& operator=(const UringChannel&) = delete;

    [[nodiscard]] std::string_view name() const override { return "io_uring"; }
    int attach(int buffered, int direct) override;
    int start_write(Route route, std::span<const char> bytes, std::uint64_t offset) override;
    int start_sync() override;
    std::optional<int> take(Operation operation, bool wait) override;

private:
    // idle → under_way (start) → done (completion seen) → idle (taken)
    enum class State : unsigned char { idle, under_way, done };
    struct Slot {
        State state = State::idle;
        int result = 0;
    };

    UringChannel() = default;
    int submit(io_uring_sqe* entry, Operation operation);
    void reap();
    Slot& slot(Operation operation) { return slots_[static_cast<std::size_t>(operation)]; }

    io_uring ring_{};
    bool has_ring_ = false;
    int ring_errno_ = 0;  // the ring itself failed: nothing goes through it any more
    std::array<Slot, 2> slots_;
};

}  // namespace sonde
