#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/process.hpp"
#include "agent/source/event_source.hpp"

namespace sonde {

// Writes records to a recording, heads masked (agent/redact/head_mask.hpp). One thread.
class Recorder final : public RecordHandler {
public:
    // The file is made anew, readable by its owner only.
    static Result<std::unique_ptr<Recorder>> open(const std::string& path, std::int64_t realtime_offset_ns);

    void on_record(std::span<const std::byte> record) override;
    // Describes a process; call before the first record that names it.
    void process(const Process& process);
    // Ends the file with its trailer. Says so if any write had failed.
    Status close(const LossMatrix& losses);

private:
    struct FileClose {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    Recorder(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
    void frame(const void* bytes, std::size_t size, std::uint32_t length);

    const std::string path_;
    std::unique_ptr<std::FILE, FileClose> file_;
    std::vector<char> scratch_;  // a record that must be masked
    std::uint64_t records_ = 0;
    int error_ = 0;
};

}  // namespace sonde
