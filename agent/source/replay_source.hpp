#pragma once

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/source/event_source.hpp"
#include "agent/source/recording.hpp"

namespace sonde {

// Plays a recording as fast as the handler takes it.
class ReplaySource final : public EventSource {
public:
    static Result<std::unique_ptr<ReplaySource>> open(const std::string& path);

    // An error where the file is damaged, and again on each later call: everything before the damage has been
    // handed over.
    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    [[nodiscard]] bool finished() const override { return finished_; }
    // What has been handed over; at the end, with what the kernel had lost when the recording was made. Any thread.
    [[nodiscard]] LossMatrix losses() const override;
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return header_.realtime_offset_ns; }

    // Of the machine that recorded.
    [[nodiscard]] std::string_view kernel_release() const;

private:
    struct FileClose {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    ReplaySource(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
    bool read(void* bytes, std::size_t size);
    Status next(RecordHandler& handler);
    Status read_trailer(const RecordingFrame& frame);
    [[nodiscard]] Error damaged(const std::string& how) const;
    [[nodiscard]] Error ended(const std::string& where) const;

    const std::string path_;
    std::unique_ptr<std::FILE, FileClose> file_;
    RecordingHeader header_{};
    std::vector<char> record_;
    std::uint64_t records_ = 0;
    std::uint64_t offset_ = 0;        // bytes read
    std::uint64_t frame_offset_ = 0;  // where the frame in work starts
    std::array<std::atomic<std::uint64_t>, SONDE_REC_TYPES> delivered_{};
    LossMatrix recorded_;                    // of the trailer
    std::atomic<bool> trailer_read_{false};  // releases recorded_ to other threads
    std::optional<Error> error_;
    bool finished_ = false;
};

}  // namespace sonde
