#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/correlate/request_table.hpp"
#include "agent/model/event.hpp"

namespace sonde {

struct WriteLinesOptions {
    std::uint32_t record_ms = 100;     // a record waits so long for lines that continue it; below settle_ms of the join
    std::uint32_t partial_ms = 500;    // and its last line so long for its newline
    std::size_t line_bytes = 4096;     // of one line, 64 … 16384; what is beyond is cut
    std::size_t record_bytes = 65536;  // of one record; what is beyond is cut
    std::size_t max_writers = 1024;    // (process, descriptor, thread) with a record that is not complete
};

// A record as it was written: one line, or the lines of a traceback.
struct WrittenRecord {
    LogWrite write;               // of its first byte; offset is the record's, or nearly; bytes means nothing
    RequestTable::Anchor anchor;  // of its first write
    std::string text;             // lines divided by \n, without the last; repaired if they were not UTF-8
    std::uint64_t length = 0;     // as it was written
    std::uint8_t flags = 0;       // LogFlag
};

// Makes records of what write calls carry. Each thread's bytes are put together apart from the others': two threads may
// write pieces of lines to one descriptor in turns. Lines that continue a traceback (Python, Java, Node, Go) belong to
// the record before. Pipeline thread only.
class WriteLines {
public:
    using Emit = std::function<void(const WrittenRecord&)>;

    WriteLines(const WriteLinesOptions& options, Emit emit) : options_(options), emit_(std::move(emit)) {}

    // anchor: of the write.
    void on(const LogWrite& write, const RequestTable::Anchor& anchor = {});
    // Emits what has waited long enough. now_ns: CLOCK_MONOTONIC of the records.
    void tick(std::uint64_t now_ns);
    void process_ended(std::uint32_t pid);
    void finish();

    // Number of bytes that were written and not captured, so far.
    [[nodiscard]] std::uint64_t bytes_cut() const { return bytes_cut_; }

private:
    enum class Inside : std::uint8_t { nothing, python_frames, python_end, go_stack };
    struct Key {
        std::uint64_t strand;  // goroutine, or thread
        std::uint32_t pid;
        std::uint32_t fd;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return (key.strand * 0x9e3779b97f4a7c15) ^ (std::uint64_t{key.pid} << 32 | key.fd) * 0xbf58476d1ce4e5b9;
        }
    };
    struct Pending {
        WrittenRecord record;       // text empty: none
        std::uint64_t last_ns = 0;  // of the last write
        bool open_line = false;     // the last line has no newline yet
        Inside inside = Inside::nothing;
        std::size_t line_at = 0;  // where in the text the last line begins
    };
    using Writers = std::unordered_map<Key, Pending, KeyHash>;

    void take_line(Pending& pending, const LogWrite& write, std::string_view line, std::uint64_t offset, bool whole);
    void append(Pending& pending, std::string_view text);
    void append_line(Pending& pending, std::string_view text);
    [[nodiscard]] static bool continues(const Pending& pending, const LogWrite& write, std::string_view line);
    static void follow(Pending& pending, std::string_view line);
    void flush(Pending& pending);

    const WriteLinesOptions options_;
    const Emit emit_;
    Writers writers_;
    RequestTable::Anchor anchor_;  // of the write at hand
    std::uint64_t bytes_cut_ = 0;
};

}  // namespace sonde
