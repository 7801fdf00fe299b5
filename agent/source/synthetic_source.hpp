#pragma once

#include <string_view>
#include <vector>

#include "agent/source/event_source.hpp"
#include "bpf/shared/event.h"

namespace sonde {

// Records that a test or a benchmark makes, in the order it makes them.
class SyntheticSource final : public EventSource {
public:
    // Length and captured bytes of a segment; captured 0: all of the text.
    struct Segment {
        std::uint64_t cookie = 1;
        std::uint64_t time_ns = 0;
        bool request = true;
        bool outgoing = false;
        std::uint32_t seq = 0;
        std::uint32_t ack = 0;
        std::string_view bytes;
        std::uint32_t length = 0;  // 0: as many as there are bytes
        bool continued = false;
        std::uint8_t tcp_flags = SONDE_TCP_PSH;
        sonde_thread_clock thread{};
    };

    void conn_open(std::uint64_t cookie, std::uint64_t time_ns, bool server, std::uint16_t server_port);
    void conn_close(std::uint64_t cookie, std::uint64_t time_ns, int error = 0);
    void head(const Segment& segment);
    void progress(const Segment& segment);
    void read(std::uint64_t cookie, std::uint64_t time_ns, std::uint32_t copied_seq, const sonde_thread_clock& thread);

    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    [[nodiscard]] bool finished() const override { return next_ == records_.size(); }
    [[nodiscard]] LossMatrix losses() const override { return {}; }
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return 0; }

private:
    void push(const void* record, std::size_t size, std::string_view bytes = {});

    std::vector<std::vector<std::byte>> records_;
    std::size_t next_ = 0;
};

}  // namespace sonde
