#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "agent/base/result.hpp"
#include "agent/base/spsc_queue.hpp"
#include "agent/log/tailer.hpp"

namespace sonde {

struct FileLogsOptions {
    TailerOptions tail;
    std::size_t queue_records = 4096;                  // 2 … 65,536
    std::size_t queue_bytes = std::size_t{32} << 20U;  // of the records' text; one record is always let in
};

// Files' records on their way from the thread that reads them (`tail`) to the pipeline's. Where the pipeline takes
// none, the queue fills, reading stops, and lines wait in their files: nothing is dropped, unless
// TailerOptions::drop_after_ms says so.
//
//	open() ─► start() ─► drain(), set_safe() … ─► stop() ─► drain() until 0, set_safe() ─► save()
class FileLogs final : private LogRecordHandler {
public:
    // Errors: the checkpoint is broken or not readable.
    static Result<std::unique_ptr<FileLogs>> open(FileLogsOptions options);
    ~FileLogs() override;

    void start();
    // Ends the thread; what it has read stays in the queue.
    void stop();
    // After stop(): what is safe by now does not come again at the next start.
    Status save() { return tailer_->save(); }

    // Pipeline thread: gives up to `most` records to take(LogRecord&), which may keep what is in them; returns how
    // many.
    template <typename Take>
    std::size_t drain(std::size_t most, Take take) {
        std::size_t count = 0;
        for (; count < most; ++count) {
            auto* record = queue_.front();
            if (record == nullptr) break;
            bytes_.fetch_sub(record->raw.size(), std::memory_order_relaxed);
            take(*record);
            queue_.pop();
        }
        return count;
    }
    // So many of the records that were drained, from the first on, need not come again if the process dies now.
    void set_safe(std::uint64_t records) { safe_.store(records, std::memory_order_release); }

    // Any thread.
    [[nodiscard]] const TailStats& stats() const { return tailer_->stats(); }
    [[nodiscard]] std::size_t queued() const { return queue_.size(); }
    [[nodiscard]] std::size_t capacity() const { return queue_.capacity(); }

private:
    explicit FileLogs(FileLogsOptions options);
    bool on_record(LogRecord& record) override;
    [[nodiscard]] std::uint64_t records_safe() const override { return safe_.load(std::memory_order_acquire); }

    const FileLogsOptions options_;
    SpscQueue<LogRecord> queue_;
    std::atomic<std::size_t> bytes_{0};  // of what is queued
    std::atomic<std::uint64_t> safe_{0};
    std::unique_ptr<Tailer> tailer_;
    std::jthread thread_;
};

}  // namespace sonde
