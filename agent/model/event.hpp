#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "agent/model/transaction.hpp"
#include "bpf/shared/event.h"

// The records of bpf/shared/event.h as user space sees them: passive, checked by the decoder.
// Spans and views point into the record and live as long as it does: one call.
namespace sonde {

struct ConnOpen {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC, as in all events
    Endpoint local;
    Endpoint remote;
    Side side = Side::server;
    bool side_known = true;  // false: TLS that was open before sonde looked; its first plaintext tells
};

struct ConnClose {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint32_t rtt_us = 0;
    std::uint32_t retransmits = 0;
    int error = 0;     // errno of the socket, 0: closed in order
    bool tls = false;  // the TLS library let go of the connection: no plaintext follows
};

struct ThreadClock {
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::uint64_t cpu_ns = 0;
    std::uint64_t runqueue_ns = 0;
    bool has_cpu = false;
    bool has_runqueue = false;
};

// How far the bytes of one direction have come: the last segment seen there.
struct Progress {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;  // of that segment; the record may come later
    bool outgoing = false;
    std::uint8_t tcp_flags = 0;
    bool early = false;       // arrived behind a gap; its bytes count once those before have come
    bool walked = false;      // the kernel walked the segment as part of a chunked body that begins at walk_start …
    bool walk_ended = false;  // … and ends with the segment's last byte
    std::uint32_t walk_start = 0;
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
    std::array<unsigned char, SONDE_TAIL_BYTES> tail{};
};

// `length` payload bytes at `seq`, of which the first ones are in `bytes`.
struct Head {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    bool is_request = false;
    bool outgoing = false;
    bool continued = false;     // continues the head of the segment before
    bool more = false;          // the segment's next bytes follow in another record
    bool early = false;         // as in Progress
    bool tls = false;           // plaintext: seq and ack count its bytes
    bool no_endpoints = false;  // which socket carried it could not be told for certain
    std::uint8_t tcp_flags = 0;
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint32_t length = 0;
    ThreadClock thread;  // of the sender; outgoing only
    std::array<unsigned char, SONDE_TAIL_BYTES> tail{};
    std::span<const char> bytes;
    bool has_before = false;
    Progress before;  // what had passed on the connection before this head and was not told yet
};

// Bytes [seq, seq + length) of one direction of an HTTP/2 connection; `bytes` are those that the walk of
// bpf/shared/http2_walk.h keeps. Where they come from, packets or a TLS library, makes no difference here.
struct Http2Frames {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    bool outgoing = false;
    bool starts = false;        // seq is the direction's first HTTP/2 byte
    bool lost = false;          // from seq on it is not known where frames begin; the record holds nothing
    bool ahead = false;         // bytes before seq have not come yet: where frames begin here is a guess until they do
    bool tls = false;           // plaintext: seq and ack count its bytes
    bool no_endpoints = false;  // which socket carried it could not be told for certain
    Side side = Side::server;   // whose socket this is
    std::uint8_t tcp_flags = 0;
    std::uint8_t carried = 0;  // bytes of a frame header before seq, 0 … 8, in carry
    std::array<unsigned char, 8> carry{};
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
    std::uint32_t ack = 0;
    std::uint32_t left = 0;  // bytes from seq on that belong to the payload of a frame that began before
    std::uint32_t keep = 0;  // the first of them, that are kept
    ThreadClock thread;      // of the sender; outgoing only
    std::span<const char> bytes;
};

// What one direction of a WebSocket has carried since its upgrade.
struct WebSocketCounts {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    bool outgoing = false;
    bool lost = false;            // frames could not be followed any more: the counts are too small
    bool is_final = false;        // the connection ends
    std::uint64_t messages = 0;   // that have ended
    std::uint64_t bytes = 0;      // their payload that has passed
    std::uint64_t closed_ns = 0;  // of the Close; 0: none has come
    std::uint64_t fin_ns = 0;     // of the FIN; 0: none has come
    std::uint16_t code = 0;       // of the Close; 1005: it has none; 0: none has come
};

struct SocketRead {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    std::uint32_t copied_seq = 0;
    bool no_arrival = false;  // when the bytes reached the socket was not observed
    bool handshake = false;   // of TLS: copied_seq means nothing, the thread tells who serves the connection
    ThreadClock thread;
    std::uint64_t strand = 0;  // the goroutine that read, where the process is a Go program; else it means nothing
};

// Bytes that a watched process wrote to one of its logs: a line, several, or a part of one.
struct LogWrite {
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::uint64_t strand = 0;  // goroutine; 0: the program has none
    std::uint32_t fd = 0;
    std::uint8_t kind = 0;     // enum sonde_log_kind
    std::uint64_t device = 0;  // st_dev of a regular file, else 0
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;     // regular file: where the write began, or nearly
    std::uint32_t length = 0;     // of the whole write …
    bool at_least = false;        // … or more
    std::span<const char> bytes;  // the first of them
};

// The first bytes of a TLS connection.
struct TlsHello {
    std::uint64_t cookie = 0;
    std::uint64_t time_ns = 0;
    bool outgoing = false;     // seen at the client's socket
    std::uint32_t length = 0;  // of the segment; what was captured of it is in bytes
    std::span<const std::byte> bytes;
};

struct ProcExec {
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    std::uint32_t parent_pid = 0;
    std::string_view comm;
    std::string_view filename;
};

struct ProcExit {
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    int exit_code = 0;  // as wait(2) gives it
};

// Recordings only.
struct ProcInfo {
    std::uint32_t pid = 0;
    std::uint64_t start_time_ns = 0;
    std::string_view comm;
    std::string_view exe;
    std::string_view program;
    std::string_view unit;
    std::string_view container_id;
};

using Event = std::variant<ConnOpen, ConnClose, Head, Progress, Http2Frames, SocketRead, ProcExec, ProcExit, ProcInfo,
                           TlsHello, LogWrite, WebSocketCounts>;

}  // namespace sonde
