#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/log/multiline.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// One line of a file: the application's own bytes, whatever a container runtime put around them taken off.
struct LogFileLine {
    std::string_view text;      // without \n
    std::uint64_t begin = 0;    // offset of its first byte in the file
    std::uint64_t end = 0;      // of the byte behind its \n
    std::uint64_t time_ns = 0;  // when the runtime wrote it, CLOCK_REALTIME; 0: not told
    LogStream stream = LogStream::none;
    std::uint8_t flags = 0;   // log_truncated, log_partial
    bool unfinished = false;  // CRI's P, Docker's line without \n: the next one continues it
};

// Takes whole records' texts. false: not now; it is offered again.
class RecordTextHandler {
public:
    virtual ~RecordTextHandler() = default;
    virtual bool on_text(const LogFileLine& record) = 0;
};

struct RecordAssemblerOptions {
    bool multiline = true;                       // join lines by MultilineRules
    std::size_t record_bytes_max = 1024 * 1024;  // a record that would grow beyond begins anew; 1 KiB to 16 MiB
};

// Makes records of the lines of one stream: joins what a container runtime cut, then what MultilineRules say belongs
// together. Holds the last record until the next line begins one, or flush(). Memory: twice record_bytes_max at most.
class RecordAssembler {
public:
    explicit RecordAssembler(RecordAssemblerOptions options = {}) : options_(options) {}

    // false: the handler refused the record before; line was not taken and is to be offered again.
    bool feed(const LogFileLine& line, RecordTextHandler& handler);
    // Hands over what is held, also an unfinished line (marked log_partial). false: refused, and still held.
    bool flush(RecordTextHandler& handler);

    [[nodiscard]] bool holds() const { return held_ || part_open_; }
    // Offset of the first byte that was fed and not handed over; only if it holds().
    [[nodiscard]] std::uint64_t held_begin() const { return held_ ? record_.begin : part_.begin; }
    // Forgets what is held.
    void clear();

private:
    bool feed_whole(const LogFileLine& line, RecordTextHandler& handler);
    bool hand_over(RecordTextHandler& handler);
    void hold(const LogFileLine& line);
    void add_part(const LogFileLine& line);

    const RecordAssemblerOptions options_;
    MultilineRules rules_;
    bool held_ = false;
    bool part_open_ = false;
    LogFileLine record_;  // text is record_text_
    std::string record_text_;
    LogFileLine part_;  // of an unfinished line; text is part_text_
    std::string part_text_;
};

}  // namespace sonde
