#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/delivery/batch_sender.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// A batch is closed by what comes first.
struct BatchOptions {
    std::uint32_t records = 512;     // 1 … 65,536
    std::uint32_t bytes = 1U << 20;  // 1 KiB … 32 MiB, before compression; one record may exceed it
    std::uint32_t time_ms = 1000;    // 1 … 60,000: after its first record
};

// A sink that sends encoded batches over a network and paces itself: no flush is needed to get records out.
class BatchSink final : public PacedSink {
public:
    // keep_originals: the sender has a fallback, which needs the records as they came.
    BatchSink(std::string name, const BatchOptions& options, std::unique_ptr<BatchEncoder> encoder,
              BatchSenderParts parts);

    [[nodiscard]] std::string_view name() const override { return name_; }
    void write(const Record& record) override;
    // Closes the open batch and gets rid of everything, for as long as stop_by() allows; 0 s where it was not called.
    Status flush() override;
    [[nodiscard]] SinkStats stats() const override;
    bool poll() override;
    void stop_by(std::chrono::steady_clock::time_point deadline) override;

private:
    void close_batch();
    [[nodiscard]] std::uint64_t now_ms() const { return clock_().steady_ms; }

    const std::string name_;
    const BatchOptions options_;
    const std::unique_ptr<BatchEncoder> encoder_;
    const bool keep_originals_;
    const std::function<SendClock()> clock_;
    mutable BatchSender sender_;
    std::uint32_t open_records_ = 0;
    std::uint64_t opened_ms_ = 0;  // when the open batch got its first record
    std::vector<Record> originals_;
    std::uint64_t written_ = 0;
    std::uint64_t skipped_ = 0;
    std::atomic<std::chrono::steady_clock::rep> deadline_{0};
};

}  // namespace sonde
