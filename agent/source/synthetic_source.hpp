#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "agent/model/process.hpp"
#include "agent/source/event_source.hpp"
#include "bpf/shared/event.h"

namespace sonde {

// Records that a test or a benchmark makes, in the order it makes them.
class SyntheticSource final : public EventSource {
public:
    // Payload of `length` bytes that starts with `bytes`; at most SONDE_CAPTURE_MAX of them go into the record.
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
        bool tls = false;  // plaintext
        std::uint8_t tcp_flags = SONDE_TCP_PSH;
        sonde_thread_clock thread{};      // of the sender; tgid 0: not known
        const Segment* before = nullptr;  // heads: progress that goes with this one
    };

    explicit SyntheticSource(std::int64_t realtime_offset_ns = 0) : realtime_offset_ns_(realtime_offset_ns) {}

    void conn_open(std::uint64_t cookie, std::uint64_t time_ns, bool server, std::uint16_t server_port);
    // tls: by the TLS library, not by the socket.
    void conn_close(std::uint64_t cookie, std::uint64_t time_ns, int error = 0, bool tls = false);
    void head(const Segment& segment);
    void request(Segment segment) { segment.request = true, head(segment); }
    void response(Segment segment) { segment.request = false, head(segment); }
    void progress(const Segment& segment);
    void read(std::uint64_t cookie, std::uint64_t time_ns, std::uint32_t copied_seq, const sonde_thread_clock& thread);
    void proc_exec(std::uint64_t time_ns, std::uint32_t pid, std::uint32_t parent_pid, std::string_view comm,
                   std::string_view filename);
    void proc_exit(std::uint64_t time_ns, std::uint32_t pid, int exit_code);
    void process_info(const Process& process);
    // Any bytes at all.
    void raw(std::span<const std::byte> record);
    void set_lost(sonde_record_type type, sonde_loss_reason reason, std::uint64_t count);

    [[nodiscard]] const std::vector<std::vector<std::byte>>& records() const { return records_; }

    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    [[nodiscard]] bool finished() const override { return next_ == records_.size(); }
    [[nodiscard]] LossMatrix losses() const override { return losses_; }
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return realtime_offset_ns_; }

private:
    void push(const void* record, std::size_t size, std::string_view bytes = {});

    const std::int64_t realtime_offset_ns_;
    std::vector<std::vector<std::byte>> records_;
    LossMatrix losses_;
    std::size_t next_ = 0;
};

}  // namespace sonde
