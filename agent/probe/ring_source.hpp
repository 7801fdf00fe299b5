#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "agent/base/unique_fd.hpp"
#include "agent/probe/probe.hpp"
#include "agent/source/event_source.hpp"

namespace sonde {

// Reads the kernel's ring in place. The records are handed over where they lie; the consumer position moves once
// per batch, so the kernel's producers do not see the cache line bounce with every record.
class RingSource final : public EventSource {
public:
    // probe must outlive the source.
    static Result<std::unique_ptr<RingSource>> open(Probe& probe);
    ~RingSource() override;
    RingSource(const RingSource&) = delete;
    RingSource& operator=(const RingSource&) = delete;

    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    // All that the kernel holds, also what it keeps back: the last words before the end.
    std::size_t poll_all(RecordHandler& handler);
    [[nodiscard]] bool finished() const override { return false; }
    [[nodiscard]] LossMatrix losses() const override;  // any thread
    [[nodiscard]] std::int64_t realtime_offset_ns() const override;

private:
    explicit RingSource(Probe& probe) : probe_(probe) {}
    std::size_t drain(RecordHandler& handler);
    void flush_if_due();

    Probe& probe_;
    UniqueFd epoll_;
    std::size_t page_bytes_ = 0;
    std::size_t mapped_bytes_ = 0;  // producer page and data
    std::uint64_t mask_ = 0;
    unsigned long* consumer_position_ = nullptr;
    const unsigned long* producer_position_ = nullptr;
    const char* data_ = nullptr;
    std::uint64_t flush_due_ns_ = 0;  // CLOCK_MONOTONIC
    std::array<std::atomic<std::uint64_t>, SONDE_REC_TYPES> delivered_{};
};

}  // namespace sonde
