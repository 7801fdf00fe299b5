#include "agent/pipeline/decoder.hpp"

#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <string_view>

namespace sonde {
namespace {

// The fixed part of a record; false when it is not all there.
template <typename T>
bool load(std::span<const std::byte> record, T& out) {
    if (record.size() < sizeof(T)) return false;
    std::memcpy(&out, record.data(), sizeof(T));
    return true;
}

const char* text_at(std::span<const std::byte> record, std::size_t offset) {
    return reinterpret_cast<const char*>(record.data()) + offset;
}

ThreadClock clock_of(const sonde_thread_clock& raw, std::uint16_t flags) {
    ThreadClock clock;
    clock.pid = raw.tgid;
    clock.tid = raw.tid;
    clock.cpu_ns = raw.cpu_ns;
    clock.runqueue_ns = raw.runqueue_ns;
    clock.has_cpu = (flags & SONDE_FLAG_NO_CPU) == 0;
    clock.has_runqueue = (flags & SONDE_FLAG_NO_RUNQUEUE) == 0;
    return clock;
}

std::optional<Event> decode_open(std::span<const std::byte> record) {
    sonde_conn_open raw;
    if (!load(record, raw) || record.size() != sizeof raw) return {};
    if (raw.family != AF_INET && raw.family != AF_INET6 && raw.family != AF_UNIX) return {};
    if (raw.role > SONDE_ROLE_CLIENT) return {};
    ConnOpen event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.side = raw.role == SONDE_ROLE_SERVER ? Side::server : Side::client;
    event.side_known = raw.role != SONDE_ROLE_UNKNOWN;
    std::memcpy(event.local.address.data(), raw.local, sizeof raw.local);
    std::memcpy(event.remote.address.data(), raw.remote, sizeof raw.remote);
    event.local.port = raw.local_port;
    event.remote.port = raw.remote_port;
    event.local.family = event.remote.family = raw.family;
    return event;
}

std::optional<Event> decode_close(std::span<const std::byte> record) {
    sonde_conn_close raw;
    if (!load(record, raw) || record.size() != sizeof raw) return {};
    ConnClose event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.bytes_received = raw.bytes_received;
    event.bytes_sent = raw.bytes_sent;
    event.rtt_us = raw.rtt_us;
    event.retransmits = raw.retransmits;
    event.error = raw.error;
    event.tls = (raw.h.flags & SONDE_FLAG_TLS) != 0;
    return event;
}

Progress progress_of(const sonde_header& header, const sonde_passed& passed, bool outgoing, std::uint8_t tcp_flags) {
    Progress event;
    event.cookie = header.cookie;
    event.time_ns = passed.time_ns;
    event.outgoing = outgoing;
    event.tcp_flags = tcp_flags;
    event.walked = (passed.walk & SONDE_WALKED_BODY) != 0;
    event.walk_ended = event.walked && (passed.walk & SONDE_WALKED_END) != 0;
    event.walk_start = passed.walk_start;
    event.seq = passed.seq;
    event.length = passed.length;
    std::memcpy(event.tail.data(), passed.tail, sizeof passed.tail);
    return event;
}

std::optional<Event> decode_head(std::span<const std::byte> record) {
    sonde_head raw;
    if (!load(record, raw)) return {};
    if (raw.captured == 0 || raw.captured > raw.length || raw.captured > SONDE_CAPTURE_MAX) return {};
    if (record.size() != sizeof raw + raw.captured || raw.direction > SONDE_OUT) return {};
    Head event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.is_request = raw.h.type == SONDE_REC_REQUEST_HEAD;
    event.outgoing = raw.direction == SONDE_OUT;
    event.continued = (raw.h.flags & SONDE_FLAG_CONTINUED) != 0;
    event.more = (raw.h.flags & SONDE_FLAG_MORE) != 0;
    event.early = (raw.h.flags & SONDE_FLAG_EARLY) != 0;
    event.tls = (raw.h.flags & SONDE_FLAG_TLS) != 0;
    event.no_endpoints = (raw.h.flags & SONDE_FLAG_NO_ENDPOINTS) != 0;
    event.tcp_flags = raw.tcp_flags;
    event.seq = raw.seq;
    event.ack = raw.ack;
    event.length = raw.length;
    if (event.outgoing) event.thread = clock_of(raw.thread, raw.h.flags);
    std::memcpy(event.tail.data(), raw.tail, sizeof raw.tail);
    event.bytes = {text_at(record, sizeof raw), raw.captured};
    event.has_before = (raw.h.flags & (SONDE_FLAG_BEFORE_IN | SONDE_FLAG_BEFORE_OUT)) != 0;
    if (event.has_before)
        event.before = progress_of(raw.h, raw.before, (raw.h.flags & SONDE_FLAG_BEFORE_OUT) != 0, SONDE_TCP_PSH);
    return event;
}

std::optional<Event> decode_progress(std::span<const std::byte> record) {
    sonde_progress raw;
    if (!load(record, raw) || record.size() != sizeof raw || raw.direction > SONDE_OUT) return {};
    auto event = progress_of(raw.h, raw.passed, raw.direction == SONDE_OUT, raw.tcp_flags);
    event.early = (raw.h.flags & SONDE_FLAG_EARLY) != 0;
    return event;
}

std::optional<Event> decode_http2(std::span<const std::byte> record) {
    sonde_http2_frames raw;
    if (!load(record, raw) || record.size() != sizeof raw + raw.captured) return {};
    if (raw.direction > SONDE_OUT || raw.carried > sizeof raw.carry || raw.keep > raw.left) return {};
    if (raw.captured > raw.length || raw.captured > SONDE_HTTP2_CAPTURE_MAX) return {};
    if (raw.role != SONDE_ROLE_SERVER && raw.role != SONDE_ROLE_CLIENT) return {};
    Http2Frames event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.outgoing = raw.direction == SONDE_OUT;
    event.starts = (raw.h.flags & SONDE_FLAG_HTTP2_START) != 0;
    event.lost = (raw.h.flags & SONDE_FLAG_HTTP2_LOST) != 0;
    event.ahead = (raw.h.flags & SONDE_FLAG_HTTP2_AHEAD) != 0;
    event.tls = (raw.h.flags & SONDE_FLAG_TLS) != 0;
    event.no_endpoints = (raw.h.flags & SONDE_FLAG_NO_ENDPOINTS) != 0;
    event.side = raw.role == SONDE_ROLE_SERVER ? Side::server : Side::client;
    event.tcp_flags = raw.tcp_flags;
    event.carried = raw.carried;
    std::memcpy(event.carry.data(), raw.carry, sizeof raw.carry);
    event.seq = raw.seq;
    event.length = raw.length;
    event.ack = raw.ack;
    event.left = raw.left;
    event.keep = raw.keep;
    if (event.outgoing) event.thread = clock_of(raw.thread, raw.h.flags);
    event.bytes = {text_at(record, sizeof raw), raw.captured};
    return event;
}

std::optional<Event> decode_websocket(std::span<const std::byte> record) {
    sonde_websocket raw;
    if (!load(record, raw) || record.size() != sizeof raw) return {};
    if (raw.direction > SONDE_OUT || raw.state > SONDE_WEBSOCKET_LOST) return {};
    WebSocketCounts event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.outgoing = raw.direction == SONDE_OUT;
    event.lost = raw.state == SONDE_WEBSOCKET_LOST || raw.state == SONDE_WEBSOCKET_OFF;
    event.is_final = (raw.h.flags & SONDE_FLAG_FINAL) != 0 || raw.state == SONDE_WEBSOCKET_CLOSED;
    event.messages = raw.messages;
    event.bytes = raw.bytes;
    event.closed_ns = raw.closed_ns;
    event.fin_ns = raw.fin_ns;
    event.code = raw.code;
    return event;
}

std::optional<Event> decode_read(std::span<const std::byte> record) {
    sonde_socket_read raw;
    if (!load(record, raw) || record.size() != sizeof raw) return {};
    SocketRead event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.copied_seq = raw.copied_seq;
    event.no_arrival = (raw.h.flags & SONDE_FLAG_NO_ARRIVAL) != 0;
    event.handshake = (raw.h.flags & SONDE_FLAG_HANDSHAKE) != 0;
    event.thread = clock_of(raw.thread, raw.h.flags);
    event.strand = raw.strand;
    return event;
}

std::optional<Event> decode_log(std::span<const std::byte> record) {
    sonde_log_write raw;
    if (!load(record, raw) || raw.kind >= SONDE_LOG_KINDS) return {};
    if (raw.captured == 0 || raw.captured > raw.length || raw.captured > SONDE_LOG_MAX) return {};
    if (record.size() != sizeof raw + raw.captured) return {};
    LogWrite event;
    event.time_ns = raw.h.time_ns;
    event.pid = raw.tgid;
    event.tid = raw.tid;
    event.strand = raw.strand;
    event.fd = raw.fd;
    event.kind = raw.kind;
    if (raw.kind == SONDE_LOG_FILE) {
        // the kernel's own form of a device number has 20 bits for the minor (include/linux/kdev_t.h)
        event.device = ::makedev(raw.device >> 20, raw.device & 0xfffff);
        event.inode = raw.inode;
        event.offset = raw.offset;
    }
    event.length = raw.length;
    event.at_least = (raw.h.flags & SONDE_FLAG_MORE) != 0;
    event.bytes = {text_at(record, sizeof raw), raw.captured};
    return event;
}

std::optional<Event> decode_hello(std::span<const std::byte> record) {
    sonde_tls_hello raw;
    if (!load(record, raw)) return {};
    if (raw.captured == 0 || raw.captured > raw.length || raw.captured > SONDE_TLS_HELLO_MAX) return {};
    if (record.size() != sizeof raw + raw.captured || raw.direction > SONDE_OUT) return {};
    TlsHello event;
    event.cookie = raw.h.cookie;
    event.time_ns = raw.h.time_ns;
    event.outgoing = raw.direction == SONDE_OUT;
    event.length = raw.length;
    event.bytes = record.subspan(sizeof raw);
    return event;
}

std::optional<Event> decode_exec(std::span<const std::byte> record) {
    sonde_proc_exec raw;
    if (!load(record, raw)) return {};
    if (raw.filename_length > SONDE_FILENAME_MAX || record.size() != sizeof raw + raw.filename_length) return {};
    ProcExec event;
    event.time_ns = raw.h.time_ns;
    event.pid = raw.tgid;
    event.parent_pid = raw.ppid;
    const std::string_view comm(text_at(record, offsetof(sonde_proc_exec, comm)), sizeof raw.comm);
    event.comm = comm.substr(0, comm.find('\0'));
    event.filename = {text_at(record, sizeof raw), raw.filename_length};
    return event;
}

std::optional<Event> decode_exit(std::span<const std::byte> record) {
    sonde_proc_exit raw;
    if (!load(record, raw) || record.size() != sizeof raw) return {};
    ProcExit event;
    event.time_ns = raw.h.time_ns;
    event.pid = raw.tgid;
    event.exit_code = raw.exit_code;
    return event;
}

std::optional<Event> decode_info(std::span<const std::byte> record) {
    sonde_proc_info raw;
    if (!load(record, raw)) return {};
    const std::size_t lengths[] = {raw.comm_length, raw.exe_length, raw.program_length, raw.unit_length,
                                   raw.container_length};
    std::size_t total = sizeof raw;
    for (const auto length : lengths) total += length;
    if (record.size() != total) return {};
    ProcInfo event;
    event.pid = raw.tgid;
    event.start_time_ns = raw.start_time_ns;
    std::string_view* const fields[] = {&event.comm, &event.exe, &event.program, &event.unit, &event.container_id};
    std::size_t offset = sizeof raw;
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        *fields[i] = {text_at(record, offset), lengths[i]};
        offset += lengths[i];
    }
    return event;
}

}  // namespace

std::optional<Event> decode(std::span<const std::byte> record) {
    sonde_header header;
    if (!load(record, header) || header.size != record.size()) return {};
    switch (header.type) {
        case SONDE_REC_CONN_OPEN:
            return decode_open(record);
        case SONDE_REC_CONN_CLOSE:
            return decode_close(record);
        case SONDE_REC_REQUEST_HEAD:
        case SONDE_REC_RESPONSE_HEAD:
            return decode_head(record);
        case SONDE_REC_PROGRESS:
            return decode_progress(record);
        case SONDE_REC_HTTP2_FRAMES:
            return decode_http2(record);
        case SONDE_REC_WEBSOCKET:
            return decode_websocket(record);
        case SONDE_REC_SOCKET_READ:
            return decode_read(record);
        case SONDE_REC_TLS_HELLO:
            return decode_hello(record);
        case SONDE_REC_LOG_WRITE:
            return decode_log(record);
        case SONDE_REC_PROC_EXEC:
            return decode_exec(record);
        case SONDE_REC_PROC_EXIT:
            return decode_exit(record);
        case SONDE_REC_PROC_INFO:
            return decode_info(record);
        default:
            return {};
    }
}

}  // namespace sonde
