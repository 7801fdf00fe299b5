#include "agent/pipeline/decoder.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "agent/source/synthetic_source.hpp"

namespace sonde {
namespace {

using Bytes = std::vector<std::byte>;

Process some_process() {
    Process process;
    process.pid = 7;
    process.start_time_ns = 9;
    process.comm = "py";
    process.exe = "/usr/bin/python3";
    process.program = "shop";
    process.unit = "";
    process.container_id = "abc";
    return process;
}

// One record of every type.
std::vector<Bytes> all_records() {
    SyntheticSource source;
    const sonde_thread_clock thread{11, 12, 13, 14};
    source.conn_open(1, 100, true, 8080);
    source.request({.cookie = 1, .time_ns = 101, .seq = 5, .ack = 6, .bytes = "GET / HTTP/1.1\r\n\r\n"});
    source.read(1, 102, 23, thread);
    source.response({.cookie = 1, .time_ns = 103, .outgoing = true, .bytes = "HTTP/1.1 200", .thread = thread});
    source.progress({.cookie = 1, .time_ns = 104, .outgoing = true, .seq = 17, .bytes = "0\r\n\r\n"});
    source.conn_close(1, 105, 104);
    source.proc_exec(106, 7, 1, "py", "/usr/bin/python3");
    source.proc_exit(107, 7, 256);
    source.process_info(some_process());
    return source.records();
}

template <typename T>
T decoded(const Bytes& record) {
    const auto event = decode(record);
    EXPECT_TRUE(event.has_value());
    const auto* found = event ? std::get_if<T>(&*event) : nullptr;
    EXPECT_NE(found, nullptr);
    return found != nullptr ? *found : T{};
}

template <typename T>
void put(Bytes& record, std::size_t offset, T value) {
    std::memcpy(record.data() + offset, &value, sizeof value);
}

TEST(Decoder, Connections) {
    const auto records = all_records();
    const auto open = decoded<ConnOpen>(records[0]);
    EXPECT_EQ(open.cookie, 1U);
    EXPECT_EQ(open.time_ns, 100U);
    EXPECT_EQ(open.side, Side::server);
    EXPECT_EQ(open.local.port, 8080);
    EXPECT_EQ(open.local.family, AF_INET);
    EXPECT_EQ(open.remote.address[0], 127);
    const auto close = decoded<ConnClose>(records[5]);
    EXPECT_EQ(close.time_ns, 105U);
    EXPECT_EQ(close.error, 104);
}

TEST(Decoder, UnixConnections) {
    auto record = all_records()[0];
    put<std::uint8_t>(record, offsetof(sonde_conn_open, family), AF_UNIX);
    EXPECT_EQ(decoded<ConnOpen>(record).local.family, AF_UNIX);
}

TEST(Decoder, Data) {
    const auto records = all_records();
    const auto request = decoded<Head>(records[1]);
    EXPECT_TRUE(request.is_request);
    EXPECT_FALSE(request.outgoing);
    EXPECT_FALSE(request.thread.has_cpu);
    EXPECT_EQ(request.seq, 5U);
    EXPECT_EQ(request.ack, 6U);
    EXPECT_EQ(request.length, 18U);
    EXPECT_EQ(std::string_view(request.bytes.data(), request.bytes.size()), "GET / HTTP/1.1\r\n\r\n");
    const auto response = decoded<Head>(records[3]);
    EXPECT_FALSE(response.is_request);
    EXPECT_TRUE(response.outgoing);
    EXPECT_EQ(response.thread.tid, 12U);
    EXPECT_EQ(response.thread.runqueue_ns, 14U);
    const auto progress = decoded<Progress>(records[4]);
    EXPECT_EQ(progress.length, 5U);
    EXPECT_EQ(progress.tail[3], '0');
    const auto read = decoded<SocketRead>(records[2]);
    EXPECT_EQ(read.copied_seq, 23U);
    EXPECT_TRUE(read.thread.has_cpu);
    EXPECT_EQ(read.thread.cpu_ns, 13U);
}

TEST(Decoder, ProgressWithinAHead) {
    SyntheticSource source;
    for (const bool outgoing : {false, true}) {
        const SyntheticSource::Segment passed{
            .time_ns = 7, .outgoing = outgoing, .seq = 1, .bytes = "0\r\n\r\n", .length = 9};
        source.request({.cookie = 5, .time_ns = 100, .seq = 8, .bytes = "GET / ", .before = &passed});
    }
    source.request({.cookie = 5, .time_ns = 100, .seq = 8, .bytes = "GET / "});
    for (const bool outgoing : {false, true}) {
        const auto head = decoded<Head>(source.records()[outgoing ? 1 : 0]);
        ASSERT_TRUE(head.has_before);
        EXPECT_EQ(head.before.cookie, 5U);
        EXPECT_EQ(head.before.time_ns, 7U);
        EXPECT_EQ(head.before.outgoing, outgoing);
        EXPECT_EQ(head.before.seq, 1U);
        EXPECT_EQ(head.before.length, 9U);
        EXPECT_EQ(head.before.tail[3], '0');
    }
    EXPECT_FALSE(decoded<Head>(source.records()[2]).has_before);
}

TEST(Decoder, Processes) {
    const auto records = all_records();
    const auto exec = decoded<ProcExec>(records[6]);
    EXPECT_EQ(exec.pid, 7U);
    EXPECT_EQ(exec.comm, "py");
    EXPECT_EQ(exec.filename, "/usr/bin/python3");
    EXPECT_EQ(decoded<ProcExit>(records[7]).exit_code, 256);
    const auto info = decoded<ProcInfo>(records[8]);
    EXPECT_EQ(info.start_time_ns, 9U);
    EXPECT_EQ(info.exe, "/usr/bin/python3");
    EXPECT_EQ(info.program, "shop");
    EXPECT_EQ(info.unit, "");
    EXPECT_EQ(info.container_id, "abc");
}

TEST(Decoder, CommWithoutFinalNul) {
    SyntheticSource source;
    source.proc_exec(1, 7, 1, "", "/x");
    auto record = source.records()[0];
    std::memset(record.data() + offsetof(sonde_proc_exec, comm), 'c', SONDE_COMM_BYTES);
    EXPECT_EQ(decoded<ProcExec>(record).comm, std::string(SONDE_COMM_BYTES, 'c'));
}

// Each copy ends where its allocation ends: a read beyond it is the sanitizer's.
TEST(Decoder, EveryTruncation) {
    for (const auto& record : all_records()) {
        for (std::size_t size = 0; size < record.size(); ++size) {
            auto copy = std::make_unique<std::byte[]>(size);
            std::copy_n(record.begin(), size, copy.get());
            EXPECT_FALSE(decode({copy.get(), size}));
            if (size < sizeof(sonde_header)) continue;
            const auto said = static_cast<std::uint16_t>(size);  // a size field that agrees
            std::memcpy(copy.get() + offsetof(sonde_header, size), &said, sizeof said);
            EXPECT_FALSE(decode({copy.get(), size})) << "type " << static_cast<int>(record[0]) << " size " << size;
        }
    }
}

TEST(Decoder, BytesTooMany) {
    for (auto record : all_records()) {
        record.emplace_back();
        EXPECT_FALSE(decode(record));
        put(record, offsetof(sonde_header, size), static_cast<std::uint16_t>(record.size()));
        EXPECT_FALSE(decode(record)) << "type " << static_cast<int>(record[0]);
    }
}

TEST(Decoder, AnyAlignment) {
    for (const auto& record : all_records()) {
        Bytes shifted(record.size() + 1);
        std::copy(record.begin(), record.end(), shifted.begin() + 1);
        EXPECT_TRUE(decode(std::span(shifted).subspan(1)));
    }
}

TEST(Decoder, ValuesOutOfRange) {
    const auto records = all_records();
    const auto refused = [](Bytes record, std::size_t offset, auto value) {
        put(record, offset, value);
        return !decode(record).has_value();
    };
    for (const auto type : {std::uint16_t{SONDE_REC_NONE}, std::uint16_t{SONDE_REC_TYPES}, std::uint16_t{65535}})
        EXPECT_TRUE(refused(records[0], 0, type));
    EXPECT_TRUE(refused(records[0], offsetof(sonde_conn_open, family), std::uint8_t{AF_PACKET}));
    EXPECT_TRUE(refused(records[0], offsetof(sonde_conn_open, role), std::uint8_t{3}));
    EXPECT_TRUE(refused(records[1], offsetof(sonde_head, direction), std::uint8_t{2}));
    EXPECT_TRUE(refused(records[1], offsetof(sonde_head, captured), std::uint16_t{17}));
    EXPECT_TRUE(refused(records[1], offsetof(sonde_head, captured), std::uint16_t{65535}));
    EXPECT_TRUE(refused(records[1], offsetof(sonde_head, length), std::uint32_t{17}));
    EXPECT_TRUE(refused(records[4], offsetof(sonde_progress, direction), std::uint8_t{2}));
    EXPECT_TRUE(refused(records[6], offsetof(sonde_proc_exec, filename_length), std::uint16_t{65535}));
    EXPECT_TRUE(refused(records[8], offsetof(sonde_proc_info, exe_length), std::uint16_t{65535}));
}

}  // namespace
}  // namespace sonde
