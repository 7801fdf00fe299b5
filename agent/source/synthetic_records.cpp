#include "agent/source/synthetic_records.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "agent/source/recording.hpp"

namespace sonde {
namespace {

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
    if (n > 0) std::memcpy(tail + SONDE_TAIL_BYTES - n, bytes.data() + bytes.size() - n, n);
}

std::uint32_t length_of(const SyntheticRecords::Segment& segment) {
    return segment.length != 0 ? segment.length : static_cast<std::uint32_t>(segment.bytes.size());
}

sonde_passed passed_by(const SyntheticRecords::Segment& segment) {
    sonde_passed passed{};
    passed.time_ns = segment.time_ns;
    passed.seq = segment.seq;
    passed.length = length_of(segment);
    fill_tail(passed.tail, segment.bytes);
    return passed;
}

}  // namespace

void SyntheticRecords::conn_open(std::uint64_t cookie, std::uint64_t time_ns, bool server, std::uint16_t server_port,
                                 std::uint16_t client_port) {
    sonde_conn_open open{};
    open.h = header_of(SONDE_REC_CONN_OPEN, sizeof open, cookie, time_ns);
    open.family = AF_INET;
    open.role = server ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
    const unsigned char loopback[4] = {127, 0, 0, 1};
    std::memcpy(open.local, loopback, sizeof loopback);
    std::memcpy(open.remote, loopback, sizeof loopback);
    open.local_port = server ? server_port : client_port;
    open.remote_port = server ? client_port : server_port;
    push(&open, sizeof open, {});
}

void SyntheticRecords::conn_close(std::uint64_t cookie, std::uint64_t time_ns, int error, bool tls) {
    sonde_conn_close close{};
    close.h = header_of(SONDE_REC_CONN_CLOSE, sizeof close, cookie, time_ns);
    close.h.flags = tls ? SONDE_FLAG_TLS : 0;
    close.error = error;
    push(&close, sizeof close, {});
}

void SyntheticRecords::head(const Segment& segment) {
    sonde_head head{};
    const auto type = segment.request ? SONDE_REC_REQUEST_HEAD : SONDE_REC_RESPONSE_HEAD;
    const auto captured = segment.bytes.substr(0, SONDE_CAPTURE_MAX);
    head.h = header_of(type, sizeof head + captured.size(), segment.cookie, segment.time_ns);
    head.h.flags = (segment.continued ? SONDE_FLAG_CONTINUED : 0) | (segment.tls ? SONDE_FLAG_TLS : 0);
    head.seq = segment.seq;
    head.ack = segment.ack;
    head.captured = static_cast<std::uint16_t>(captured.size());
    head.length = length_of(segment);
    head.direction = segment.outgoing ? SONDE_OUT : SONDE_IN;
    head.tcp_flags = segment.tcp_flags;
    head.thread = segment.thread;
    if (head.length == segment.bytes.size()) fill_tail(head.tail, segment.bytes);
    if (segment.before != nullptr) {
        head.h.flags |= segment.before->outgoing ? SONDE_FLAG_BEFORE_OUT : SONDE_FLAG_BEFORE_IN;
        head.before = passed_by(*segment.before);
    }
    push(&head, sizeof head, captured);
}

void SyntheticRecords::progress(const Segment& segment) {
    sonde_progress progress{};
    progress.h = header_of(SONDE_REC_PROGRESS, sizeof progress, segment.cookie, segment.time_ns);
    progress.passed = passed_by(segment);
    progress.direction = segment.outgoing ? SONDE_OUT : SONDE_IN;
    progress.tcp_flags = segment.tcp_flags;
    push(&progress, sizeof progress, {});
}

void SyntheticRecords::read(std::uint64_t cookie, std::uint64_t time_ns, std::uint32_t copied_seq,
                            const sonde_thread_clock& thread) {
    sonde_socket_read read{};
    read.h = header_of(SONDE_REC_SOCKET_READ, sizeof read, cookie, time_ns);
    read.copied_seq = copied_seq;
    read.thread = thread;
    push(&read, sizeof read, {});
}

void SyntheticRecords::log_write(std::uint64_t time_ns, const sonde_thread_clock& thread, std::uint32_t fd,
                                 std::string_view bytes) {
    const auto captured = bytes.substr(0, SONDE_LOG_MAX);
    sonde_log_write write{};
    write.h = header_of(SONDE_REC_LOG_WRITE, sizeof write + captured.size(), 0, time_ns);
    write.tgid = thread.tgid;
    write.tid = thread.tid;
    write.fd = fd;
    write.length = static_cast<std::uint32_t>(bytes.size());
    write.captured = static_cast<std::uint16_t>(captured.size());
    write.kind = SONDE_LOG_PIPE;
    push(&write, sizeof write, captured);
}

void SyntheticRecords::proc_exec(std::uint64_t time_ns, std::uint32_t pid, std::uint32_t parent_pid,
                                 std::string_view comm, std::string_view filename) {
    filename = filename.substr(0, SONDE_FILENAME_MAX);
    sonde_proc_exec exec{};
    exec.h = header_of(SONDE_REC_PROC_EXEC, sizeof exec + filename.size(), 0, time_ns);
    exec.tgid = pid;
    exec.ppid = parent_pid;
    if (!comm.empty()) std::memcpy(exec.comm, comm.data(), std::min<std::size_t>(comm.size(), SONDE_COMM_BYTES - 1));
    exec.filename_length = static_cast<std::uint16_t>(filename.size());
    push(&exec, sizeof exec, filename);
}

void SyntheticRecords::proc_exit(std::uint64_t time_ns, std::uint32_t pid, int exit_code) {
    sonde_proc_exit exit{};
    exit.h = header_of(SONDE_REC_PROC_EXIT, sizeof exit, 0, time_ns);
    exit.tgid = pid;
    exit.exit_code = exit_code;
    push(&exit, sizeof exit, {});
}

void SyntheticRecords::process_info(const Process& process) {
    std::vector<char> record;
    encode_process(process, record);
    push(record.data(), record.size(), {});
}

}  // namespace sonde
