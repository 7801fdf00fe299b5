#include "sinks/file/file_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sinks/file/uring_channel.hpp"
#include "tests/support/faulty_io.hpp"

namespace sonde {
namespace {

bool has_io_uring() {
    std::string memory(4096, ' ');
    int error = 0;
    return UringChannel::create(memory, error) != nullptr;
}

// Sets a limit on file sizes while it lives: writes are cut short there, then fail with EFBIG.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit limit{bytes, old_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }

private:
    void (*old_handler_)(int);
    rlimit old_{};
};

std::string name_of(const testing::TestParamInfo<std::string>& tested) { return tested.param; }

// Every test with each channel, the system calls real unless the test says otherwise.
class WriterTest : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        // not under /tmp: it may be a tmpfs, and O_DIRECT is to be met
        auto pattern = (std::filesystem::current_path() / "sonde_writer_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return directory_ / "file"; }
    [[nodiscard]] std::unique_ptr<FileWriter> make() {
        return std::make_unique<FileWriter>(io_, 1U << 20U, [this](FileIo& io, std::span<char> memory) {
            std::unique_ptr<WriteChannel> channel = std::make_unique<PwriteChannel>(io);
            if (GetParam() == "pwrite") return channel;
            int error = 0;
            channel = UringChannel::create(memory, error);
            return std::unique_ptr<WriteChannel>(std::make_unique<FaultyChannel>(std::move(channel), io_));
        });
    }
    static FileWriter::File open_file(const std::string& path, std::uint64_t offset, bool direct) {
        FileWriter::File file;
        file.buffered.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (direct) file.direct.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT));
        file.offset = offset;
        return file;
    }
    [[nodiscard]] std::unique_ptr<FileWriter> open(std::uint64_t offset = 0, bool direct = false) {
        auto writer = make();
        writer->attach(open_file(path(), offset, direct));
        return writer;
    }
    [[nodiscard]] std::string content() const {
        std::ifstream in(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // Different at every place, so that exchanged or missing parts show.
    static std::string line(std::size_t number) {
        return "line " + std::to_string(number) + std::string(number % 1000, 'x') + "\n";
    }

    FaultyIo io_;
    std::filesystem::path directory_;
};

TEST_P(WriterTest, WritesWhatWasAppendedAtTheOffset) {
    std::ofstream(path()) << "old\n";
    const auto writer = open(4);
    EXPECT_EQ(writer->name(), GetParam());
    ASSERT_TRUE(writer->append(std::string("new\n")));
    EXPECT_EQ(content(), "old\n");
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "old\nnew\n");
    ASSERT_TRUE(writer->flush());
    ASSERT_TRUE(writer->append({}));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "old\nnew\n");
    EXPECT_EQ(writer->stats().written_bytes, 4);
    EXPECT_EQ(writer->end_offset(), 8);
}

// Around the ring several times, with flushes that leave blocks half full, through both open files.
TEST_P(WriterTest, KeepsTheOrderAndWritesLongStretchesDirectly) {
    std::ofstream(path()) << "old\n";
    std::string expected = "old\n";
    const auto writer = open(4, true);
    for (std::size_t i = 0; i < 40'000; ++i) {
        ASSERT_TRUE(writer->append(line(i)));
        expected += line(i);
        if (i % 7777 == 0) {
            ASSERT_TRUE(writer->flush());
            ASSERT_EQ(content(), expected);
        }
    }
    ASSERT_TRUE(writer->flush());
    EXPECT_TRUE(content() == expected);
    const auto& stats = writer->stats();
    EXPECT_EQ(stats.appended_bytes, expected.size() - 4);
    EXPECT_EQ(stats.written_bytes, expected.size() - 4);
    EXPECT_EQ(stats.rejected_bytes, 0);
    EXPECT_EQ(stats.errors, 0);
    if (::open(path().c_str(), O_WRONLY | O_CLOEXEC | O_DIRECT) >= 0) {
        EXPECT_GT(stats.direct_bytes, expected.size() / 2);
        EXPECT_GT(io_.preallocations, 0);
    }
}

TEST_P(WriterTest, GivesReservedBlocksBack) {
    auto writer = open(0, true);
    for (std::size_t i = 0; i < 6000; ++i) ASSERT_TRUE(writer->append(line(i)));
    ASSERT_TRUE(writer->flush());
    writer.reset();
    struct stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_LE(status.st_blocks * 512, status.st_size + 65'536);
}

TEST_P(WriterTest, GoesOnThroughThePageCacheWhereDirectWritesAreRefused) {
    io_.on_pwrite = [refused = false](std::size_t size) mutable {
        return std::exchange(refused, true) ? static_cast<ssize_t>(size) : -EINVAL;
    };
    const auto writer = open(0, true);
    std::string expected;
    for (std::size_t i = 0; i < 6000; ++i) {
        ASSERT_TRUE(writer->append(line(i)));
        expected += line(i);
    }
    ASSERT_TRUE(writer->flush());
    EXPECT_TRUE(content() == expected);
    EXPECT_EQ(writer->stats().direct_bytes, 0);
    EXPECT_EQ(writer->stats().errors, 0);
}

TEST_P(WriterTest, WritesTheRestOfShortAndInterruptedWrites) {
    io_.on_pwrite = [call = 0](std::size_t size) mutable {
        ++call;
        if (call % 3 == 0) return static_cast<ssize_t>(-EINTR);
        if (call % 3 == 1) return static_cast<ssize_t>(-EAGAIN);
        return static_cast<ssize_t>(size / 3 + 1);
    };
    const auto writer = open();
    std::string expected;
    for (std::size_t i = 0; i < 6000; ++i) {
        ASSERT_TRUE(writer->append(line(i)));
        expected += line(i);
    }
    ASSERT_TRUE(writer->flush());
    EXPECT_TRUE(content() == expected);
    EXPECT_EQ(writer->stats().errors, 0);
}

TEST_P(WriterTest, DoesNotSpinOnAWriteThatMakesNoProgress) {
    const auto writer = open();
    ASSERT_TRUE(writer->append(std::string("text\n")));
    io_.on_pwrite = [](std::size_t) { return ssize_t{0}; };
    ASSERT_FALSE(writer->flush());
    EXPECT_EQ(writer->last_errno(), EIO);
    io_.on_pwrite = [](std::size_t) { return ssize_t{-EAGAIN}; };
    ASSERT_FALSE(writer->flush());
    EXPECT_EQ(writer->last_errno(), EAGAIN);
    io_.on_pwrite = nullptr;
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "text\n");
}

TEST_P(WriterTest, TakesALongAppendAndNoLonger) {
    const auto writer = open();
    const std::string largest(FileWriter::append_bytes, 'a');
    ASSERT_TRUE(writer->append(std::string("b")));
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(writer->append(largest));
    ASSERT_FALSE(writer->append(largest + "a"));
    EXPECT_EQ(writer->last_errno(), EMSGSIZE);
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content().size(), 9 * largest.size() + 1);
    EXPECT_EQ(writer->stats().rejected_bytes, largest.size() + 1);
}

TEST_P(WriterTest, TheDestructorFlushes) {
    ASSERT_TRUE(open()->append(std::string("last words\n")));
    EXPECT_EQ(content(), "last words\n");
}

TEST_P(WriterTest, ReportsAFullDevice) {
    const auto writer = make();
    writer->attach(open_file("/dev/full", 0, false));
    ASSERT_TRUE(writer->append(std::string("text\n")));
    for (std::uint64_t tries = 1; tries <= 3; ++tries) {
        ASSERT_FALSE(writer->flush());
        EXPECT_EQ(writer->last_errno(), ENOSPC);
        EXPECT_EQ(writer->stats().errors, tries);
    }
    EXPECT_EQ(writer->stats().appended_bytes, 5);
    EXPECT_EQ(writer->stats().written_bytes, 0);
}

TEST_P(WriterTest, RefusesWholeAppendsWhenFullAndLosesNothingElse) {
    const auto writer = open();
    std::string accepted;
    std::size_t refused_bytes = 0;
    std::size_t i = 0;
    {
        const FileSizeLimit limit(300'001);  // inside a line
        for (; i < 15'000; ++i) {
            const auto text = line(i);
            if (writer->append(text)) {
                accepted += text;
            } else {
                refused_bytes += text.size();
            }
            if (i % 500 == 0) static_cast<void>(writer->flush());
        }
        ASSERT_FALSE(writer->flush());
        EXPECT_EQ(writer->last_errno(), EFBIG);
        const auto& stats = writer->stats();
        EXPECT_EQ(stats.written_bytes, 300'001);
        EXPECT_EQ(stats.appended_bytes, accepted.size());
        EXPECT_EQ(stats.rejected_bytes, refused_bytes);
        EXPECT_GT(refused_bytes, 0);
        EXPECT_GT(stats.errors, 0);
        EXPECT_EQ(content(), accepted.substr(0, 300'001));
    }
    ASSERT_TRUE(writer->flush());
    for (; i < 17'000; ++i) {
        ASSERT_TRUE(writer->append(line(i)));
        accepted += line(i);
    }
    ASSERT_TRUE(writer->flush());
    EXPECT_TRUE(content() == accepted);
    EXPECT_EQ(writer->stats().written_bytes, accepted.size());
}

TEST_P(WriterTest, LeavesNoHoleWhenItCannotWriteEvenAtTheEnd) {
    const FileSizeLimit limit(1000);
    std::string accepted;
    {
        const auto writer = open();
        for (std::size_t i = 0; i < 3000; ++i)
            if (writer->append(line(i))) accepted += line(i);
    }
    EXPECT_EQ(content(), accepted.substr(0, 1000));
}

TEST_P(WriterTest, CountsAsDurableWhatASyncCovered) {
    const auto writer = open();
    ASSERT_TRUE(writer->append(std::string("one\n")));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(writer->stats().durable_bytes, 0);
    ASSERT_TRUE(writer->append(std::string("two, not written\n")));
    ASSERT_TRUE(writer->sync());
    EXPECT_EQ(writer->stats().durable_bytes, 4);
    ASSERT_TRUE(writer->flush());
    writer->start_sync();
    ASSERT_TRUE(writer->sync());
    EXPECT_EQ(writer->stats().durable_bytes, content().size());
    EXPECT_EQ(writer->stats().doubtful_bytes, 0);
}

// A later sync that succeeds says nothing about pages that an earlier one failed to write.
TEST_P(WriterTest, ASyncThatFailsLeavesItsBytesDoubtful) {
    const auto writer = open();
    ASSERT_TRUE(writer->append(std::string("doubtful\n")));
    ASSERT_TRUE(writer->flush());
    io_.on_sync = [] { return -EIO; };
    ASSERT_FALSE(writer->sync());
    EXPECT_EQ(writer->sync_errno(), EIO);
    EXPECT_EQ(writer->stats().errors, 1);
    io_.on_sync = nullptr;
    ASSERT_TRUE(writer->append(std::string("good\n")));
    ASSERT_TRUE(writer->flush());
    ASSERT_TRUE(writer->sync());
    EXPECT_EQ(writer->stats().doubtful_bytes, 9);
    EXPECT_EQ(writer->stats().durable_bytes, 5);
}

TEST_P(WriterTest, HandsBackWhatIsPendingWhenTheFileChanges) {
    const auto writer = open();
    ASSERT_TRUE(writer->append(std::string("first\n")));
    ASSERT_TRUE(writer->flush());
    ASSERT_TRUE(writer->append(std::string("second\n")));
    EXPECT_EQ(writer->detach(), "second\n");
    EXPECT_EQ(content(), "first\n");
    EXPECT_EQ(writer->stats().appended_bytes, 6);
    writer->attach(open_file(path() + "2", 0, false));
    ASSERT_TRUE(writer->append(std::string("second\n")));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "first\n");
    std::ifstream second(path() + "2");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(second), {}), "second\n");
}

INSTANTIATE_TEST_SUITE_P(Pwrite, WriterTest, testing::Values("pwrite"), name_of);
// Where the kernel or a sandbox forbids io_uring there is nothing to test but the fallback, below.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WriterTest);
INSTANTIATE_TEST_SUITE_P(IoUring, WriterTest,
                         testing::ValuesIn(has_io_uring() ? std::vector<std::string>{"io_uring"}
                                                          : std::vector<std::string>{}),
                         name_of);

TEST(MakeChannel, TakesIoUringWhereThereIsOne) {
    std::string memory(4096, ' ');
    const auto channel = make_channel(FileIo::system(), memory);
    EXPECT_EQ(channel->name(), has_io_uring() ? "io_uring" : "pwrite");
}

TEST(MakeChannel, FallsBackAndSaysWhyWhenIoUringCannotHaveADescriptor) {
    std::string memory(4096, ' ');
    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    const rlimit none{0, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    std::string why;
    const auto channel = make_channel(FileIo::system(), memory, &why);
    setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_EQ(channel->name(), "pwrite");
    EXPECT_TRUE(why.starts_with("io_uring is not to be had: ")) << why;
}

}  // namespace
}  // namespace sonde
