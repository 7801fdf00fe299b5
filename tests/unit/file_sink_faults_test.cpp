// The file sink when something goes wrong, or changes its file: what was written is all there afterwards, in order,
// once, in whole lines.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <vector>

#include "sinks/file/file_sink.hpp"
#include "tests/support/faulty_io.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

class FileSinkFaults : public testing::Test {
protected:
    void SetUp() override {
        auto pattern = (fs::temp_directory_path() / "sonde_file_faults_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        options_.directory = root_ / "events";
        options_.compression = Compression::none;
    }
    void TearDown() override {
        sink_.reset();
        fs::remove_all(root_);
    }

    void open() {
        auto sink = FileSink::open(options_, io_, [](FileIo& io, std::span<char>) {
            return std::unique_ptr<WriteChannel>(std::make_unique<PwriteChannel>(io));
        });
        ASSERT_TRUE(sink) << sink.error().message();
        sink_ = std::move(*sink);
    }
    // Writes `count` more records, numbered on.
    void write(int count) {
        for (int i = 0; i < count; ++i) {
            Transaction t;
            t.path = {"/" + std::to_string(written_++)};
            sink_->write(t);
        }
    }
    [[nodiscard]] std::string path() const { return options_.directory + "/transactions.jsonl"; }
    static std::string content(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // The numbers of the records in a file; -1 for a line that is not whole.
    static std::vector<int> numbers(const std::string& path) {
        std::vector<int> out;
        std::ifstream in(path, std::ios::binary);
        for (std::string line; std::getline(in, line);) {
            constexpr std::string_view key = "\"path\":\"/";
            const auto at = line.find(key);
            const bool whole = line.starts_with("{\"type\"") && line.ends_with("}") && !in.eof();
            out.push_back(whole && at != std::string::npos ? std::stoi(line.substr(at + key.size())) : -1);
        }
        return out;
    }
    // Of the rotated files, the oldest first, then of the current one.
    [[nodiscard]] std::vector<int> all_numbers() const {
        std::vector<int> out;
        for (const auto& file : list_rotated(options_.directory, "transactions"))
            for (const int number : numbers(options_.directory + "/" + file.name)) out.push_back(number);
        for (const int number : numbers(path())) out.push_back(number);
        return out;
    }
    static std::vector<int> range(int from, int to) {
        std::vector<int> out(static_cast<std::size_t>(to - from));
        std::iota(out.begin(), out.end(), from);
        return out;
    }
    [[nodiscard]] const FileSinkStatus& status() const { return *sink_->status(); }

    fs::path root_;
    FaultyIo io_;
    FileSinkOptions options_;
    std::unique_ptr<FileSink> sink_;
    int written_ = 0;
};

TEST_F(FileSinkFaults, RotatesBySizeAtLineEnds) {
    options_.rotate_bytes = 64 * 1024;
    open();
    write(1000);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(all_numbers(), range(0, 1000));
    EXPECT_GE(status().rotations, 8);
    for (const auto& file : list_rotated(options_.directory, "transactions")) EXPECT_LE(file.bytes, 64 * 1024);
    EXPECT_FALSE(fs::exists(path() + ".new"));
}

TEST_F(FileSinkFaults, RotatesWhenAsked) {
    open();
    FileSink::request_rotation();
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().rotations, 0) << "an empty file is as good as a new one";
    write(3);
    FileSink::request_rotation();
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().rotations, 1);
    EXPECT_EQ(numbers(path()), range(3, 5));
    EXPECT_EQ(all_numbers(), range(0, 5));
}

TEST_F(FileSinkFaults, RotatesByTimeAlsoAFileOfAnEarlierRun) {
    options_.rotate_interval_s = 3600;
    open();
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().rotations, 0);
    sink_.reset();
    fs::last_write_time(path(), fs::file_time_type::clock::now() - std::chrono::hours(2));
    open();
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().rotations, 1);
    write(1);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(all_numbers(), range(0, 3));
    EXPECT_EQ(status().rotations, 1);
}

TEST_F(FileSinkFaults, NamesSortAlsoWhenTheClockWasSetBack) {
    const auto future = rotated_name("transactions", 4'102'444'800'000);  // the year 2100
    fs::create_directories(options_.directory);
    std::ofstream(options_.directory + "/" + future) << "{}\n";
    open();
    write(1);
    FileSink::request_rotation();
    ASSERT_TRUE(sink_->flush());
    const auto files = list_rotated(options_.directory, "transactions");
    ASSERT_EQ(files.size(), 2);
    EXPECT_EQ(files[0].name, future);
}

TEST_F(FileSinkFaults, KeepsTheNumberOfFiles) {
    options_.rotate_bytes = 64 * 1024;
    options_.retention.max_files = 2;
    open();
    write(2000);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(list_rotated(options_.directory, "transactions").size(), 2);
    EXPECT_EQ(status().deleted_files, status().rotations - 2);
    const auto left = all_numbers();
    EXPECT_EQ(left, range(left.front(), 2000));
}

TEST_F(FileSinkFaults, AFullDiskIsGivenRoomByRetention) {
    for (const int error : {ENOSPC, EDQUOT}) {
        options_.rotate_bytes = 64 * 1024;
        open();
        write(500);
        ASSERT_TRUE(sink_->flush());
        const auto before = list_rotated(options_.directory, "transactions");
        ASSERT_GE(before.size(), 3);
        int to_delete = 2;
        io_.on_pwrite = [&](std::size_t size) { return to_delete > 0 ? -error : static_cast<ssize_t>(size); };
        io_.on_unlink = [&](const std::string&) { return --to_delete, 0; };
        write(10);
        ASSERT_TRUE(sink_->flush());
        io_.on_pwrite = nullptr;
        io_.on_unlink = nullptr;
        EXPECT_EQ(status().deleted_files, 2);
        const auto left = all_numbers();
        EXPECT_EQ(left, range(left.front(), written_));
        EXPECT_EQ(list_rotated(options_.directory, "transactions").front().name, before[2].name);
        sink_.reset();
        fs::remove_all(options_.directory);
    }
}

TEST_F(FileSinkFaults, AFullDiskStopsItOnceAndItResumes) {
    options_.retention.free_space_when_full = false;
    options_.rotate_bytes = 64 * 1024;
    open();
    write(300);
    ASSERT_TRUE(sink_->flush());
    io_.on_pwrite = [](std::size_t) { return ssize_t{-ENOSPC}; };
    write(20);
    const auto full = sink_->flush();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().what, "cannot write to " + path() + ": No space left on device");
    EXPECT_FALSE(status().able);
    EXPECT_EQ(status().why(), full.error().what);
    write(20);
    io_.on_pwrite = nullptr;
    ASSERT_TRUE(sink_->flush());
    EXPECT_TRUE(status().able);
    EXPECT_EQ(status().why(), "");
    EXPECT_EQ(all_numbers(), range(0, 340));
    EXPECT_EQ(sink_->stats().failed_records, 0);
    EXPECT_EQ(status().deleted_files, 0);
}

TEST_F(FileSinkFaults, LinesBeyondItsMemoryAreRefusedWholeAndCounted) {
    open();
    io_.on_pwrite = [](std::size_t) { return ssize_t{-EROFS}; };
    write(20'000);  // of about 500 bytes
    ASSERT_FALSE(sink_->flush());
    const auto failed = static_cast<int>(sink_->stats().failed_records);
    EXPECT_GT(failed, 0);
    io_.on_pwrite = nullptr;
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(all_numbers(), range(0, 20'000 - failed));
    write(1);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path()).back(), 20'000);
}

TEST_F(FileSinkFaults, ASyncThatFailsIsSaidAndLeavesItsBytesDoubtful) {
    options_.fsync = FsyncPolicy::batch;
    open();
    write(1);
    ASSERT_TRUE(sink_->flush());
    const auto durable = status().durable_bytes.load();
    EXPECT_EQ(durable, content(path()).size());
    io_.on_sync = [] { return -EIO; };
    write(1);
    const auto failed = sink_->flush();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, "cannot make " + path() + " durable: Input/output error");
    io_.on_sync = nullptr;
    write(1);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().written_bytes, status().durable_bytes + status().doubtful_bytes);
    EXPECT_EQ(status().doubtful_bytes, durable);
    EXPECT_EQ(all_numbers(), range(0, 3));
}

TEST_F(FileSinkFaults, SyncsAtIntervals) {
    options_.fsync = FsyncPolicy::interval;
    options_.fsync_interval_ms = 10;
    open();
    for (int i = 0; i < 500 && status().durable_bytes == 0; ++i) {
        write(1);
        ASSERT_TRUE(sink_->flush());
        ::usleep(5000);
    }
    EXPECT_GT(status().durable_bytes, 0);
    sink_.reset();
    EXPECT_EQ(all_numbers(), range(0, written_));
}

TEST_F(FileSinkFaults, ARotationThatFailsLeavesTheFileAndIsTriedAgain) {
    open();
    write(2);
    io_.on_rename = [](const std::string&) { return -EACCES; };
    FileSink::request_rotation();
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().why(), "cannot rotate " + path() + ": Permission denied");
    EXPECT_FALSE(fs::exists(path() + ".new"));
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path()), range(0, 4));
    EXPECT_EQ(sink_->stats().errors, 1) << "not with every flush";
    // the second rename: the first one is undone
    io_.on_rename = [this](const std::string& from) { return from == path() + ".new" ? -EIO : 0; };
    ::usleep(1'050'000);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(sink_->stats().errors, 2);
    EXPECT_EQ(numbers(path()), range(0, 4));
    io_.on_rename = nullptr;
    io_.on_open = [this](const std::string& name) { return name == path() + ".new" ? -EMFILE : 0; };
    ::usleep(1'050'000);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(sink_->stats().errors, 3);
    io_.on_open = nullptr;
    ::usleep(1'050'000);
    write(1);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(status().rotations, 1);
    EXPECT_EQ(all_numbers(), range(0, 5));
}

// What logrotate does: rename, then a signal.
TEST_F(FileSinkFaults, FollowsAFileThatWasMoved) {
    open();
    write(3);
    ASSERT_TRUE(sink_->flush());
    write(2);
    fs::rename(path(), path() + ".1");
    FileSink::request_rotation();
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path() + ".1"), range(0, 5));
    EXPECT_EQ(content(path()), "");
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path()), range(5, 7));
    EXPECT_EQ(status().reopened, 1);
    EXPECT_EQ(status().rotations, 0);
}

TEST_F(FileSinkFaults, ALineThatDoesNotFitIntoAMovedFileGoesToTheNewOne) {
    open();
    write(3);
    ASSERT_TRUE(sink_->flush());
    write(2);
    int calls = 0;
    io_.on_pwrite = [&](std::size_t size) {
        ++calls;
        if (calls == 1) return ssize_t{100};  // a part of the first line
        return calls == 2 ? ssize_t{-ENOSPC} : static_cast<ssize_t>(size);
    };
    fs::rename(path(), path() + ".1");
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path() + ".1"), range(0, 3));
    EXPECT_EQ(numbers(path()), range(3, 5));
    EXPECT_EQ(sink_->stats().failed_records, 0);
}

TEST_F(FileSinkFaults, RecreatesAFileThatWasRemovedAndLosesNoneOfTheNewLines) {
    options_.rotate_bytes = 0;
    open();
    write(3);
    ASSERT_TRUE(sink_->flush());
    write(1);
    ASSERT_TRUE(sink_->flush());
    fs::remove(path());
    write(20'000);  // more than the memory holds: most of it goes to the removed file
    ASSERT_TRUE(sink_->flush());
    const auto there = numbers(path());
    EXPECT_EQ(there, range(there.front(), written_));
    EXPECT_LE(there.front(), 4);
    EXPECT_GT(status().rescued_bytes, 1'000'000);
    EXPECT_EQ(sink_->stats().failed_records, 0);
}

TEST_F(FileSinkFaults, RecreatesADirectoryThatVanished) {
    open();
    write(3);
    ASSERT_TRUE(sink_->flush());
    fs::remove_all(options_.directory);
    write(2);
    io_.on_mkdir = [](const std::string&) { return -ENOSPC; };
    const auto gone = sink_->flush();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().what, "cannot write to " + options_.directory + ": No space left on device");
    write(2);
    ASSERT_FALSE(sink_->flush());
    io_.on_mkdir = nullptr;
    write(1);
    ASSERT_TRUE(sink_->flush());
    const auto there = numbers(path());
    EXPECT_EQ(there, range(there.front(), 8));
    EXPECT_LE(there.front(), 3);
}

TEST_F(FileSinkFaults, GoesOnAtTheNewEndOfATruncatedFile) {
    open();
    write(5);
    ASSERT_TRUE(sink_->flush());
    fs::resize_file(path(), 0);
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path()), range(5, 7));
    EXPECT_EQ(sink_->stats().failed_records, 0);
    EXPECT_EQ(status().reopened, 1);
}

TEST_F(FileSinkFaults, LinesWaitWhileATruncatedFileCannotBeOpened) {
    open();
    write(5);
    ASSERT_TRUE(sink_->flush());
    fs::resize_file(path(), 0);
    io_.on_open = [](const std::string&) { return -EMFILE; };
    write(2);
    ASSERT_FALSE(sink_->flush());
    write(2);
    ASSERT_FALSE(sink_->flush());
    io_.on_open = nullptr;
    write(2);
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(numbers(path()), range(5, 11));
    EXPECT_EQ(sink_->stats().failed_records, 0);
}

TEST_F(FileSinkFaults, BytesAddUpThroughEveryTrouble) {
    options_.rotate_bytes = 64 * 1024;
    options_.fsync = FsyncPolicy::interval;
    open();
    int calls = 0;
    io_.on_pwrite = [&](std::size_t size) {
        ++calls;
        if (calls % 5 == 0) return ssize_t{-EIO};
        return static_cast<ssize_t>(calls % 3 == 0 ? size / 2 + 1 : size);
    };
    for (int i = 0; i < 200; ++i) {
        write(50);
        static_cast<void>(sink_->flush());
    }
    io_.on_pwrite = nullptr;
    ASSERT_TRUE(sink_->flush());
    EXPECT_EQ(all_numbers(), range(0, written_));
    EXPECT_EQ(status().appended_bytes, status().written_bytes);
    EXPECT_GE(status().rotations, 1);
}

TEST(FileSinkOptions, AreRefusedWithTheirName) {
    const auto refusal = [](auto change) {
        FileSinkOptions options;
        options.directory = "/nowhere";
        change(options);
        const auto status = validate(options);
        return status ? std::string() : status.error().message();
    };
    EXPECT_EQ(refusal([](FileSinkOptions&) {}), "");
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.directory.clear(); }), "");
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.stem = "a/b"; }), "");
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.rotate_bytes = 1; }).find("rotate_bytes"), std::string::npos);
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.rotate_bytes = 4ULL << 30U; }).find("max_total_bytes"),
              std::string::npos);
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.compression_level = 20; }).find("zstd has 1 to 19"),
              std::string::npos);
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.fsync_interval_ms = 1; }).find("fsync_interval_ms"),
              std::string::npos);
    EXPECT_NE(refusal([](FileSinkOptions& o) { o.file.file_mode = 010000; }).find("mode"), std::string::npos);
}

}  // namespace
}  // namespace sonde
