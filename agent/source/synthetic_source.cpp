#include "agent/source/synthetic_source.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace sonde {
namespace {

constexpr std::uint16_t client_port = 50000;

sonde_header header_of(sonde_record_type type, std::size_t size, std::uint64_t cookie, std::uint64_t time_ns) {
    sonde_header header{};
    header.type = static_cast<std::uint16_t>(type);
    header.size = static_cast<std::uint16_t>(size);
    header.cookie = cookie;
    header.time_ns = time_ns;
    return header;
}

void fill_tail(unsigned char (&tail)[SONDE_TAIL_BYTES], std::string_view bytes) {
    const auto n = std::min<std::size_t>(bytes.size(), SONDE_TAIL_BYTES);
    std::memcpy(tail + SONDE_TAIL_BYTES - n, bytes.data() + bytes.size() - n, n);
}

}  // namespace

void SyntheticSource::push(const void* record, std::size_t size, std::string_view bytes) {
    auto& stored = records_.emplace_back(size + bytes.size());
    std::memcpy(stored.data(), record, size);
    if (!bytes.empty()) std::memcpy(stored.data() + size, bytes.data(), bytes.size());
}

void SyntheticSource::conn_open(std::uint64_t cookie, std::uint64_t time_ns, bool server, std::uint16_t server_port) {
    sonde_conn_open open{};
    open.h = header_of(SONDE_REC_CONN_OPEN, sizeof open, cookie, time_ns);
    open.family = AF_INET;
    open.role = server ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
    const unsigned char loopback[4] = {127, 0, 0, 1};
    std::memcpy(open.local, loopback, sizeof loopback);
    std::memcpy(open.remote, loopback, sizeof loopback);
    open.local_port = server ? server_port : client_port;
    open.remote_port = server ? client_port : server_port;
    push(&open, sizeof open);
}

void SyntheticSource::conn_close(std::uint64_t cookie, std::uint64_t time_ns, int error) {
    sonde_conn_close close{};
    close.h = header_of(SONDE_REC_CONN_CLOSE, sizeof close, cookie, time_ns);
    close.error = error;
    push(&close, sizeof close);
}

void SyntheticSource::head(const Segment& segment) {
    sonde_head head{};
    const auto type = segment.request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD;
    head.h = header_of(type, sizeof head + segment.bytes.size(), segment.cookie, segment.time_ns);
    head.h.flags = segment.continued ? SONDE_FLAG_CONTINUED : 0;
    head.seq = segment.seq;
    head.ack = segment.ack;
    head.captured = static_cast<std::uint16_t>(segment.bytes.size());
    head.length = segment.length != 0 ? segment.length : head.captured;
    head.direction = segment.outgoing ? SONDE_OUT : SONDE_IN;
    head.tcp_flags = segment.tcp_flags;
    head.thread = segment.thread;
    if (head.length == head.captured) fill_tail(head.tail, segment.bytes);
    push(&head, sizeof head, segment.bytes);
}

void SyntheticSource::progress(const Segment& segment) {
    sonde_progress progress{};
    progress.h = header_of(SONDE_REC_PROGRESS, sizeof progress, segment.cookie, segment.time_ns);
    progress.seq = segment.seq;
    progress.length = segment.length;
    progress.direction = segment.outgoing ? SONDE_OUT : SONDE_IN;
    progress.tcp_flags = segment.tcp_flags;
    fill_tail(progress.tail, segment.bytes);
    push(&progress, sizeof progress);
}

void SyntheticSource::read(std::uint64_t cookie, std::uint64_t time_ns, std::uint32_t copied_seq,
                           const sonde_thread_clock& thread) {
    sonde_socket_read read{};
    read.h = header_of(SONDE_REC_SOCKET_READ, sizeof read, cookie, time_ns);
    read.copied_seq = copied_seq;
    read.thread = thread;
    push(&read, sizeof read);
}

Result<std::size_t> SyntheticSource::poll(RecordHandler& handler, int) {
    const auto from = next_;
    for (; next_ < records_.size(); ++next_) handler.on_record(records_[next_]);
    return next_ - from;
}

}  // namespace sonde
