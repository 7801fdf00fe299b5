#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/source/event_source.hpp"
#include "agent/source/recording.hpp"

namespace sonde {

// Plays a recording as fast as the handler takes it.
class ReplaySource final : public EventSource {
public:
    static Result<std::unique_ptr<ReplaySource>> open(const std::string& path);

    // An error where the file is damaged: everything before the damage has been handed over.
    Result<std::size_t> poll(RecordHandler& handler, int timeout_ms) override;
    [[nodiscard]] bool finished() const override { return finished_; }
    // The matrix of the trailer, once it was read; until then what has been handed over.
    [[nodiscard]] LossMatrix losses() const override { return losses_; }
    [[nodiscard]] std::int64_t realtime_offset_ns() const override { return header_.realtime_offset_ns; }

private:
    struct FileClose {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    ReplaySource(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
    bool read(void* bytes, std::size_t size);
    [[nodiscard]] Error damaged(const std::string& how) const;
    Status read_trailer(const RecordingFrame& frame);

    const std::string path_;
    std::unique_ptr<std::FILE, FileClose> file_;
    RecordingHeader header_{};
    std::vector<char> record_;
    std::uint64_t records_ = 0;
    std::uint64_t offset_ = 0;
    LossMatrix losses_;
    bool finished_ = false;
};

}  // namespace sonde
