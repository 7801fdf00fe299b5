#pragma once

#include <array>
#include <cstdint>

namespace sonde {

// Which processes serve all their requests on one thread, as Node and asyncio do: while that thread waits, every
// request it has taken up waits. Where a request may go on on another thread (Go, work stealing, pools) the one that
// read it tells nothing. Processes that share a slot are not taken for such. Pipeline thread only.
class SoleThreads {
public:
    // A request was read, or its answer begun, by this thread of the process.
    void served(std::uint32_t pid, std::uint32_t tid) {
        auto& slot = slots_[pid % slots_.size()];
        if (slot.pid == pid && slot.tid == tid) {
            if (slot.seen < proofs) ++slot.seen;
        } else if (slot.pid == 0) {
            slot = {pid, tid, 1};
        } else {
            slot.tid = several;
        }
    }
    // Everything that was served so far was, and that was enough to go by.
    [[nodiscard]] bool is_sole(std::uint32_t pid, std::uint32_t tid) const {
        const auto& slot = slots_[pid % slots_.size()];
        return tid != several && slot.pid == pid && slot.tid == tid && slot.seen == proofs;
    }
    void process_ended(std::uint32_t pid) {
        if (auto& slot = slots_[pid % slots_.size()]; slot.pid == pid) slot = {};
    }

private:
    static constexpr std::uint32_t several = 0;
    static constexpr std::uint32_t proofs = 32;  // reads and answers
    struct Slot {
        std::uint32_t pid = 0;  // 0: free
        std::uint32_t tid = several;
        std::uint32_t seen = 0;
    };
    std::array<Slot, 4096> slots_{};
};

}  // namespace sonde
