#pragma once

#include <memory>
#include <string>

#include "sinks/file/writer.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// Appends records as JSON lines to `<directory>/transactions.jsonl`.
// Every line of the file is whole once flushed: a line that a crash tore off is removed when the file is opened.
class FileSink final : public Sink {
public:
    // Makes the directory (0750, parents too) and the file (0640) where they are missing. On failure it removes
    // what it made. The file is locked (flock): a second process that would write it is refused.
    static Result<std::unique_ptr<FileSink>> open(const std::string& directory);
    ~FileSink() override;

    [[nodiscard]] std::string_view name() const override { return "file"; }
    void write(const Record& record) override;
    Status flush() override;
    [[nodiscard]] SinkStats stats() const override;

    [[nodiscard]] std::string_view writer_name() const { return writer_->name(); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    FileSink(std::string path, UniqueFd file, std::unique_ptr<FileWriter> writer);

    std::string path_;
    UniqueFd file_;  // holds the lock; the writer has its own
    std::unique_ptr<FileWriter> writer_;
    std::string line_;
    std::uint64_t records_ = 0;
    std::uint64_t failed_records_ = 0;
};

}  // namespace sonde
