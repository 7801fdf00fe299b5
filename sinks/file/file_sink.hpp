#pragma once

#include <memory>
#include <string>

#include "sinks/file/writer.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// JSON lines in DIRECTORY/transactions.jsonl. A line that a crash tore is cut off when the file is opened again.
class FileSink final : public Sink {
public:
    // Makes the directory (0750) where it is missing; leaves nothing behind when it fails.
    static Result<std::unique_ptr<FileSink>> open(const std::string& directory);

    [[nodiscard]] std::string_view name() const override { return "file"; }
    void write(const Record& record) override;
    Status flush() override;
    [[nodiscard]] SinkStats stats() const override;

private:
    FileSink(std::string path, std::unique_ptr<FileWriter> writer)
        : path_(std::move(path)), writer_(std::move(writer)) {}
    Status settle(const Status& outcome);

    const std::string path_;
    const std::unique_ptr<FileWriter> writer_;
    std::string line_;                       // reused
    std::uint64_t records_since_flush_ = 0;  // may be lost by the next error
    SinkStats stats_;
};

}  // namespace sonde
