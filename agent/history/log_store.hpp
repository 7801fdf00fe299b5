#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/log_line.hpp"
#include "agent/pipeline/pipeline.hpp"

namespace sonde {

struct LogStoreOptions {
    std::size_t bytes = std::size_t{2} << 20;        // of lines that are kept
    std::uint32_t lines_per_s = 1000;                // kept of those below error …
    std::uint32_t errors_per_s = 500;                // … and of error and fatal
    std::size_t line_bytes = std::size_t{16} << 10;  // a longer line is kept with a shorter message
};

struct KeptLine {
    std::uint64_t number = 0;  // of all lines since the start, from 1
    std::uint64_t time_ns = 0;
    std::uint64_t request_span_id = 0;  // 0: attached to none
    std::uint64_t template_hash = 0;    // 0: no message
    Severity severity = Severity::unknown;
    LogMatch match = LogMatch::none;
    std::string_view service;  // lives as long as the agent
    std::string line;          // as in the events file, without the '\n'; redacted
    std::string message;       // the beginning of it, for its template
};

// The last log lines, in a bounded number of bytes. observe() and advance() belong to the pipeline thread, which never
// waits: what a question's lock keeps out is handed over a little later. The rest: any thread.
class LogStore final : public LogObserver {
public:
    explicit LogStore(const LogStoreOptions& options = {});

    // The line has passed the redactor.
    void observe(const LogLine& line) override;
    // now_ns: CLOCK_MONOTONIC. Often: hands over what was observed.
    void advance(std::uint64_t now_ns);

    // Newest first, until visit returns false; under the lock: be short.
    void lines(const std::function<bool(const KeptLine&)>& visit) const;
    // Number of lines that have come in.
    [[nodiscard]] std::uint64_t last_number() const { return last_number_.load(std::memory_order_acquire); }

    // Number of lines …
    [[nodiscard]] std::uint64_t evicted() const { return evicted_.load(std::memory_order_relaxed); }    // made room
    [[nodiscard]] std::uint64_t not_kept() const { return not_kept_.load(std::memory_order_relaxed); }  // too many a s
    [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

private:
    static std::size_t size_of(const KeptLine& line) {
        return sizeof line + line.line.capacity() + line.message.capacity();
    }

    const LogStoreOptions options_;
    std::uint64_t number_ = 0;
    std::uint64_t second_ = 0;
    std::array<std::uint32_t, 2> kept_{};  // in this second, below error and from error on
    std::vector<KeptLine> coming_;         // not handed over yet; bounded by the rates

    mutable std::mutex mutex_;  // of lines_
    std::deque<KeptLine> lines_;
    std::atomic<std::size_t> bytes_{0};
    std::atomic<std::uint64_t> last_number_{0}, evicted_{0}, not_kept_{0};
};

}  // namespace sonde
