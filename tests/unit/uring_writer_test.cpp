#include "sinks/file/uring_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "sinks/file/pwrite_writer.hpp"

namespace sonde {
namespace {

std::unique_ptr<FileWriter> make_uring(UniqueFd fd, std::uint64_t offset) { return UringWriter::create(fd, offset); }
std::unique_ptr<FileWriter> make_pwrite(UniqueFd fd, std::uint64_t offset) {
    return std::make_unique<PwriteWriter>(std::move(fd), offset);
}

bool has_io_uring() {
    UniqueFd fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    return UringWriter::create(fd, 0) != nullptr;
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

struct Kind {
    std::string name;
    std::unique_ptr<FileWriter> (*make)(UniqueFd, std::uint64_t);
};

std::string name_of(const testing::TestParamInfo<Kind>& tested) { return tested.param.name; }

class WriterTest : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        auto pattern = (std::filesystem::temp_directory_path() / "sonde_writer_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return directory_ / "file"; }
    [[nodiscard]] std::unique_ptr<FileWriter> open(std::uint64_t offset = 0) const {
        return GetParam().make(UniqueFd(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), offset);
    }
    [[nodiscard]] std::string content() const {
        std::ifstream in(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // Different at every place, so that exchanged or missing parts show.
    static std::string line(std::size_t number) {
        return "line " + std::to_string(number) + std::string(number % 1000, 'x') + "\n";
    }

    std::filesystem::path directory_;
};

TEST_P(WriterTest, WritesWhatWasAppendedAtTheOffset) {
    std::ofstream(path()) << "old\n";
    const auto writer = open(4);
    EXPECT_EQ(writer->name(), GetParam().name);
    ASSERT_TRUE(writer->append(std::string("new\n")));
    EXPECT_EQ(content(), "old\n");
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "old\nnew\n");
    ASSERT_TRUE(writer->flush());
    ASSERT_TRUE(writer->append({}));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content(), "old\nnew\n");
    EXPECT_EQ(writer->stats().written_bytes, 4);
}

TEST_P(WriterTest, KeepsTheOrderThroughManyBuffers) {
    const auto writer = open();
    std::string expected;
    for (std::size_t i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(writer->append(line(i)));
        expected += line(i);
        if (i % 7777 == 0) {
            ASSERT_TRUE(writer->flush());
        }
    }
    ASSERT_TRUE(writer->flush());
    EXPECT_TRUE(content() == expected);
    const auto stats = writer->stats();
    EXPECT_EQ(stats.appended_bytes, expected.size());
    EXPECT_EQ(stats.written_bytes, expected.size());
    EXPECT_EQ(stats.rejected_bytes, 0);
    EXPECT_EQ(stats.errors, 0);
}

TEST_P(WriterTest, TakesAnAppendOfTheBufferSizeAndNoLonger) {
    const auto writer = open();
    const std::string largest(FileWriter::buffer_bytes, 'a');
    ASSERT_TRUE(writer->append(std::string("b")));
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(writer->append(largest));
    const auto status = writer->append(largest + "a");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().what, "Message too long");
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(content().size(), 6 * largest.size() + 1);
    EXPECT_EQ(writer->stats().rejected_bytes, largest.size() + 1);
}

TEST_P(WriterTest, TheDestructorFlushes) {
    ASSERT_TRUE(open()->append(std::string("last words\n")));
    EXPECT_EQ(content(), "last words\n");
}

TEST_P(WriterTest, ReportsAFullDevice) {
    const auto writer = GetParam().make(UniqueFd(::open("/dev/full", O_RDWR | O_CLOEXEC)), 0);
    ASSERT_TRUE(writer->append(std::string("text\n")));
    for (std::uint64_t tries = 1; tries <= 3; ++tries) {
        const auto status = writer->flush();
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().what, "No space left on device");
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
        const FileSizeLimit limit(300'001);  // inside a line, inside the second buffer
        for (; i < 10'000; ++i) {
            const auto text = line(i);
            if (writer->append(text)) {
                accepted += text;
            } else {
                refused_bytes += text.size();
            }
            if (i % 500 == 0) static_cast<void>(writer->flush());
        }
        const auto status = writer->flush();
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().what, "File too large");
        const auto stats = writer->stats();
        EXPECT_EQ(stats.written_bytes, 300'001);
        EXPECT_EQ(stats.appended_bytes, accepted.size());
        EXPECT_EQ(stats.rejected_bytes, refused_bytes);
        EXPECT_GT(refused_bytes, 0);
        EXPECT_GT(stats.errors, 0);
        EXPECT_EQ(content(), accepted.substr(0, 300'001));
    }
    ASSERT_TRUE(writer->flush());
    for (; i < 12'000; ++i) {
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

INSTANTIATE_TEST_SUITE_P(Pwrite, WriterTest, testing::Values(Kind{"pwrite", make_pwrite}), name_of);
// Where the kernel or a sandbox forbids io_uring there is nothing to test but the fallback, below.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WriterTest);
INSTANTIATE_TEST_SUITE_P(IoUring, WriterTest,
                         testing::ValuesIn(has_io_uring() ? std::vector<Kind>{{"io_uring", make_uring}}
                                                          : std::vector<Kind>{}),
                         name_of);

TEST(MakeWriter, TakesIoUringWhereThereIsOne) {
    const auto writer = make_writer(UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)), 0);
    EXPECT_EQ(writer->name(), has_io_uring() ? "io_uring" : "pwrite");
}

TEST(MakeWriter, FallsBackWhenIoUringCannotHaveADescriptor) {
    UniqueFd fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    const rlimit none{0, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    const auto writer = make_writer(std::move(fd), 0);
    setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_EQ(writer->name(), "pwrite");
    ASSERT_TRUE(writer->append(std::string("text")));
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(writer->stats().written_bytes, 4);
}

}  // namespace
}  // namespace sonde
