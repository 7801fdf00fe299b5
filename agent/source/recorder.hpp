#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/process.hpp"
#include "agent/redact/redactor.hpp"
#include "agent/source/event_source.hpp"

namespace sonde {

// Writes records to a recording. Captured heads are redacted (agent/redact/head_redactor.hpp), of the last bytes of
// segments only what ends a chunked body stays. One thread.
class Recorder final : public RecordHandler {
public:
    // The file is made anew, readable by its owner only.
    static Result<std::unique_ptr<Recorder>> open(
        const std::string& path, std::int64_t realtime_offset_ns,
        std::shared_ptr<const RedactionPolicy> redaction = RedactionPolicy::defaults());

    // A record without the layout of its type is not written: nobody could tell what of it must be masked.
    void on_record(std::span<const std::byte> record) override;
    // Describes a process; call before the first record that names it.
    void process(const Process& process);
    // Ends the file with its trailer. Says so if any write had failed. Call once, last.
    Status close(const LossMatrix& losses);

    [[nodiscard]] std::uint64_t records() const { return records_; }  // written, process descriptions included

private:
    struct FileClose {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    Recorder(std::string path, std::FILE* file, std::shared_ptr<const RedactionPolicy> redaction)
        : path_(std::move(path)), redactor_(std::move(redaction)), file_(file) {}
    void write(const void* bytes, std::size_t size);
    void write_frame(std::uint32_t length);  // of frame_
    bool mask_frame();

    const std::string path_;
    Redactor redactor_;
    std::unique_ptr<std::FILE, FileClose> file_;
    std::vector<char> frame_;  // the record being written, to be masked and padded
    std::uint64_t records_ = 0;
    int error_ = 0;  // errno of the first write that failed
};

}  // namespace sonde
