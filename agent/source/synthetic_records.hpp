#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/model/process.hpp"
#include "bpf/shared/event.h"

namespace sonde {

// The kernel's records, made up. Who derives from it says where they go.
class SyntheticRecords {
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

    void conn_open(std::uint64_t cookie, std::uint64_t time_ns, bool server, std::uint16_t server_port,
                   std::uint16_t client_port = 50000);
    // tls: by the TLS library, not by the socket.
    void conn_close(std::uint64_t cookie, std::uint64_t time_ns, int error = 0, bool tls = false);
    void head(const Segment& segment);
    void request(Segment segment) { segment.request = true, head(segment); }
    void response(Segment segment) { segment.request = false, head(segment); }
    void progress(const Segment& segment);
    void read(std::uint64_t cookie, std::uint64_t time_ns, std::uint32_t copied_seq, const sonde_thread_clock& thread);
    // Bytes that a thread writes to descriptor `fd`, a pipe.
    void log_write(std::uint64_t time_ns, const sonde_thread_clock& thread, std::uint32_t fd, std::string_view bytes);
    void proc_exec(std::uint64_t time_ns, std::uint32_t pid, std::uint32_t parent_pid, std::string_view comm,
                   std::string_view filename);
    void proc_exit(std::uint64_t time_ns, std::uint32_t pid, int exit_code);
    void process_info(const Process& process);

protected:
    ~SyntheticRecords() = default;

private:
    // bytes: what follows the struct.
    virtual void push(const void* record, std::size_t size, std::string_view bytes) = 0;
};

}  // namespace sonde
