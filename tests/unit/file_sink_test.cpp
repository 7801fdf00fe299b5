#include "sinks/file/file_sink.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "sinks/event_json.hpp"
#include "sinks/make_sink.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

class FileSinkTest : public testing::Test {
protected:
    void SetUp() override {
        auto pattern = (fs::temp_directory_path() / "sonde_file_sink_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }

    [[nodiscard]] std::string events() const { return root_ / "a" / "events"; }
    [[nodiscard]] std::string file() const { return events() + "/transactions.jsonl"; }
    void put(std::string_view text) const {
        fs::create_directories(events());
        std::ofstream(file(), std::ios::binary) << text;
    }
    [[nodiscard]] std::string content() const {
        std::ifstream in(file(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // The file after it was opened and closed again.
    std::string repaired(std::string_view text) {
        put(text);
        EXPECT_TRUE(FileSink::open(events()));
        return content();
    }

    fs::path root_;
};

mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
}

Record transaction(std::string_view path) {
    Transaction t;
    t.path = {path};
    return t;
}

std::string encoded(const Record& record) {
    std::string out;
    append_event_json(out, record);
    return out;
}

TEST_F(FileSinkTest, MakesDirectoriesAndAppends) {
    const auto old_mask = ::umask(0022);
    {
        auto sink = FileSink::open(events() + "/");
        ASSERT_TRUE(sink) << sink.error().message();
        EXPECT_EQ((*sink)->path(), file());
        (*sink)->write(transaction("/1"));
        EXPECT_EQ(content(), "");
        ASSERT_TRUE((*sink)->flush());
        EXPECT_EQ(content(), encoded(transaction("/1")));
        const auto stats = (*sink)->stats();
        EXPECT_EQ(stats.records, 1);
        EXPECT_EQ(stats.bytes, content().size());
        EXPECT_EQ(stats.failed_records, 0);
        EXPECT_EQ(stats.errors, 0);
    }
    auto again = FileSink::open(events());
    ASSERT_TRUE(again);
    (*again)->write(transaction("/2"));
    (*again).reset();
    EXPECT_EQ(content(), encoded(transaction("/1")) + encoded(transaction("/2")));
    EXPECT_EQ(mode_of(root_ / "a"), 0750);
    EXPECT_EQ(mode_of(events()), 0750);
    EXPECT_EQ(mode_of(file()), 0640);
    ::umask(old_mask);
}

TEST_F(FileSinkTest, RemovesATornLastLine) {
    EXPECT_EQ(repaired("{\"a\":1}\n{\"b\":"), "{\"a\":1}\n");
    EXPECT_EQ(repaired("{\"a\":1}\n"), "{\"a\":1}\n");
    EXPECT_EQ(repaired("{\"a\":"), "");
    EXPECT_EQ(repaired(""), "");
    EXPECT_EQ(repaired("{\"a\":1}\n" + std::string(100'000, 'x')), "{\"a\":1}\n");
    const std::string many_chunks = std::string(50'000, 'x') + "\n";
    EXPECT_EQ(repaired(many_chunks + std::string(16 * 1024, 'y')), many_chunks);
    EXPECT_EQ(repaired(std::string("{\"a\":1}\n") + std::string(3, '\0')), "{\"a\":1}\n");
}

TEST_F(FileSinkTest, SaysWhatCannotBeWrittenAndWhatToDo) {
    std::ofstream(root_ / "a") << "a file";
    const auto sink = FileSink::open(events());
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().what, "cannot write to " + events() + ": " + (root_ / "a").string() + " is not a directory");
    EXPECT_EQ(sink.error().hint, "choose another directory with --events DIR");
    EXPECT_EQ(sink.error().exit_code(), 1);
}

TEST_F(FileSinkTest, LeavesNothingBehindWhenItFails) {
    const auto directory = (root_ / "new" / "er" / std::string(300, 'n')).string();  // longer than NAME_MAX
    const auto sink = FileSink::open(directory);
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().what, "cannot write to " + directory + ": File name too long");
    EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(FileSinkTest, RefusesWhatIsNoRegularFile) {
    fs::create_directories(events());
    ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
    const auto sink = FileSink::open(events());
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().what, "cannot write to " + file() + ": it is not a regular file");
    EXPECT_TRUE(fs::is_fifo(file()));
}

TEST_F(FileSinkTest, RefusesAFileThatAnotherSinkWrites) {
    const auto first = FileSink::open(events());
    ASSERT_TRUE(first);
    const auto second = FileSink::open(events());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().what, "cannot write to " + file() + ": another process writes to it");
    EXPECT_TRUE(fs::exists(file()));
}

// Permissions do not bind root: a child process gives it up.
TEST_F(FileSinkTest, SaysPermissionDenied) {
    fs::create_directory(root_ / "a");
    fs::permissions(root_, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    fs::permissions(root_ / "a", fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
    const auto directory = events();
    EXPECT_EXIT(
        {
            if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(3);
            const auto sink = FileSink::open(directory);
            const bool good = !sink && sink.error().what == "cannot write to " + directory + ": Permission denied";
            ::_exit(good ? 0 : 4);
        },
        testing::ExitedWithCode(0), "");
    fs::permissions(root_ / "a", fs::perms::owner_all);
}

TEST_F(FileSinkTest, EndsWithAWholeLineWhenTheDiskIsFull) {
    const auto line_bytes = encoded(transaction("/1")).size();
    rlimit old{};
    getrlimit(RLIMIT_FSIZE, &old);
    auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{line_bytes * 5 / 2, old.rlim_max};
    auto sink = FileSink::open(events());
    ASSERT_TRUE(sink);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 4; ++i) (*sink)->write(transaction("/1"));
    const auto status = (*sink)->flush();
    const auto stats = (*sink)->stats();
    (*sink).reset();
    setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, old_handler);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().what, "cannot write to " + file() + ": File too large");
    EXPECT_EQ(stats.bytes, line_bytes * 5 / 2);
    EXPECT_EQ(stats.errors, 1);
    EXPECT_EQ(content(), encoded(transaction("/1")) + encoded(transaction("/1")));
}

TEST_F(FileSinkTest, EachThatIsOpenedTellsItsOwnStatus) {
    std::map<std::string, std::shared_ptr<const FileSinkStatus>> statuses;
    const SinkContext context{
        .opened_file = [&](std::string_view name, auto status) { statuses.emplace(name, std::move(status)); }};
    std::vector<std::unique_ptr<Delivery>> deliveries;
    for (const auto* name : {"first", "second"}) {
        SinkOptions options;
        options.type = SinkType::file;
        options.name = name;
        options.file.directory = root_ / name;
        auto delivery = make_delivery(options, context);
        ASSERT_TRUE(delivery) << delivery.error().message();
        deliveries.push_back(std::move(*delivery));
    }
    ASSERT_EQ(statuses.size(), 2);
    deliveries[1]->offer(Record(LossRecord{}));
    for (const auto& delivery : deliveries) delivery->stop();
    EXPECT_EQ(statuses.at("first")->written_bytes, 0);
    EXPECT_EQ(statuses.at("second")->written_bytes, fs::file_size(root_ / "second" / "transactions.jsonl"));
}

}  // namespace
}  // namespace sonde
