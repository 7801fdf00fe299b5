#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/unique_fd.hpp"
#include "sinks/sink.hpp"

namespace sonde {

struct StdoutSinkOptions {
    // automatic: readable on a terminal, JSON elsewhere.
    enum class Format : unsigned char { automatic, json, readable };
    // automatic: on a terminal. Whoever honours NO_COLOR (no-color.org) says never.
    enum class Colour : unsigned char { automatic, always, never };

    std::string name = "stdout";  // of the sink
    Format format = Format::automatic;
    Colour colour = Colour::automatic;  // of readable lines; JSON has none
    std::uint32_t stall_ms = 1000;      // longest wait for a reader that takes nothing, 0 … 60,000
    int fd = 1;                         // where the lines go; not closed
};

// Writes records as lines to standard output: one JSON object per line, or lines for people.
//
// A reader that is slow makes this sink's thread wait, so its own queue fills and drops, and nobody else notices. One
// that takes nothing for stall_ms ends the wait: flush() says so, up to buffer_bytes of lines wait, whole lines beyond
// that are refused and counted, and it goes on by itself when the reader does. One that has gone (EPIPE) is gone for
// good: all later records count as failed, and nothing is tried again.
// Lines are whole unless the reader leaves in the middle of one, or sonde ends while one that it has begun cannot be
// written to its end.
//
// One thread at a time. The process must ignore SIGPIPE.
class StdoutSink final : public Sink {
public:
    static constexpr std::size_t buffer_bytes = 256U << 10U;

    explicit StdoutSink(const StdoutSinkOptions& options);

    [[nodiscard]] std::string_view name() const override { return options_.name; }
    void write(const Record& record) override;
    Status flush() override;
    [[nodiscard]] SinkStats stats() const override { return stats_; }

private:
    enum class Target : unsigned char { file, socket, pollable };

    void open_target();
    bool drain(std::chrono::milliseconds patience);
    [[nodiscard]] ssize_t write_some(std::string_view bytes) const;
    [[nodiscard]] bool wait_for_room(std::chrono::milliseconds patience) const;
    void give_up();

    const StdoutSinkOptions options_;
    bool readable_ = false;
    bool colour_ = false;
    Target target_ = Target::file;
    UniqueFd own_;  // the same pipe or terminal, opened anew so that it need not block for others
    std::string buffer_;
    std::size_t begin_ = 0;  // in buffer_, of the first byte that is not written
    std::string line_;
    int errno_ = 0;        // of the last write that failed; ETIMEDOUT: the reader takes nothing
    bool broken_ = false;  // for good
    SinkStats stats_;
};

}  // namespace sonde
