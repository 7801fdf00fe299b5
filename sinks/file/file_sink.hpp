#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "sinks/file/compressor.hpp"
#include "sinks/file/event_file.hpp"
#include "sinks/file/file_sink_options.hpp"
#include "sinks/file/file_sink_status.hpp"
#include "sinks/file/file_writer.hpp"
#include "sinks/sink.hpp"

namespace sonde {

// Appends records as JSON lines to `<directory>/<stem>.jsonl`, rotates, compresses and deletes as its options say.
//
// After flush(): every line written before is in the file and whole, and durable with FsyncPolicy::batch.
// After a crash: the file holds an unbroken prefix of what was written. A last line that the crash tore off is removed
// when the file is opened next (at once where a write fails and the sink ends); no line is written twice.
//
// When it cannot write, lines wait in memory (FileWriter::ring_bytes), then whole lines are refused and counted.
// It goes on by itself, with the next flush() that succeeds:
//   no space, no quota         the oldest rotated files go, if retention may; else somebody has to make room
//   input/output error,        the same bytes are tried again at the same place
//     read-only
//   file moved (logrotate)     what was written so far is in the moved file; a new one is made under the name
//   file or directory removed  the directory and a new file are made; lines that were written since the last flush()
//                              that found the file in its place are copied from the removed file to the new one
//   file truncated             goes on at the new end (copytruncate). What is written between the look at the size and
//     (copytruncate)           the truncation is lost with it: that is why rotation here needs no logrotate
//
// One thread at a time calls it; the compressor has its own.
class FileSink final : public Sink {
public:
    // Makes the directory and the file where they are missing; on failure it removes what it made. The file is locked
    // (flock): a second process that would write it is refused.
    static Result<std::unique_ptr<FileSink>> open(const FileSinkOptions& options, FileIo& io = FileIo::system(),
                                                  const FileWriter::MakeChannel& make_channel = {});
    static Result<std::unique_ptr<FileSink>> open(const std::string& directory);
    ~FileSink() override;

    // Every file sink of the process rotates when it next writes or flushes (SIGUSR1). From a signal handler, too.
    static void request_rotation() noexcept;

    [[nodiscard]] std::string_view name() const override { return options_.name; }
    void write(const Record& record) override;
    Status flush() override;
    [[nodiscard]] SinkStats stats() const override;

    [[nodiscard]] std::string_view writer_name() const { return writer_.name(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::shared_ptr<const FileSinkStatus> status() const { return status_; }

private:
    using Clock = std::chrono::steady_clock;

    FileSink(FileSinkOptions options, FileIo& io, const FileWriter::MakeChannel& make_channel);
    Status start();

    bool write_pending();
    bool free_space();
    Status keep_durable();
    Status look_after_file();
    Status reopen(FilePlace place);
    Status go_on_after_truncation();
    void append_whole_lines(std::string& bytes);
    Status find_file();
    void use(EventFile file);
    bool rotation_due(std::size_t coming_bytes);
    void rotate_if_due(std::size_t coming_bytes = 0);
    Status rotate();
    Status change_names(const std::string& fresh_path);
    void apply_retention();
    bool remove(const RotatedFile& file);
    void publish();
    [[nodiscard]] Error cannot_write(int error) const;
    static std::uint64_t wall_clock_ms();  // UTC, since 1970
    [[nodiscard]] std::string in_directory(const std::string& name) const { return directory_ + "/" + name; }

    const FileSinkOptions options_;
    const std::string directory_;  // without a slash at its end
    const std::string path_;
    FileIo& io_;
    std::shared_ptr<FileSinkStatus> status_ = std::make_shared<FileSinkStatus>();
    FileWriter writer_;
    EventFile file_;  // its lock; the writer has taken the descriptors that are written to
    std::unique_ptr<Compressor> compressor_;

    std::string carried_;           // lines for the next file, while there is none; at most FileWriter::ring_bytes
    std::string rotation_trouble_;  // why the last rotation failed; empty: it did not

    std::string line_;
    std::uint64_t records_ = 0;
    std::uint64_t failed_records_ = 0;
    std::uint64_t other_errors_ = 0;  // that the writer does not count

    // Offsets in the current file at which a line begins: where the last good flush() ended, and the one before the
    // last look that found the file in its place.
    std::uint64_t flushed_offset_ = 0;
    std::uint64_t anchored_offset_ = 0;

    std::uint64_t rotations_asked_ = 0;  // of request_rotation(), those that were answered
    bool rotation_wanted_ = false;       // asked for, and not done yet
    std::uint64_t period_ = 0;           // number of rotate_interval_s since 1970 in which the file was begun
    std::uint64_t last_stamp_ms_ = 0;    // of the newest rotated file
    Clock::time_point next_rotation_;    // a rotation that failed is not tried before
    Clock::time_point next_freeing_;     // when there was nothing to delete, nobody looks again before
    Clock::time_point next_retention_;
    Clock::time_point next_sync_;
};

}  // namespace sonde
