#include "sinks/delivery/spool.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "sinks/delivery/spool_frame.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

SpoolOptions options_in(const TemporaryDirectory& directory) {
    return {.directory = directory.path() + "/spool", .max_bytes = 1 << 20, .segment_bytes = 4096};
}

Spool opened(const SpoolOptions& options) {
    auto spool = Spool::open(options);
    if (!spool) throw std::runtime_error(spool.error().message());
    return std::move(*spool);
}

void append_numbers(Spool& spool, int first, int last) {
    for (int i = first; i <= last; ++i)
        ASSERT_EQ(spool.append(std::to_string(i) + std::string(100, '.'), 2, 7), Spool::Append::stored);
}

std::vector<int> take_all(Spool& spool) {
    std::vector<int> numbers;
    while (const auto item = spool.front()) {
        numbers.push_back(std::stoi(item->body));
        spool.pop();
    }
    return numbers;
}

std::vector<int> range(int first, int last) {
    std::vector<int> out;
    for (int i = first; i <= last; ++i) out.push_back(i);
    return out;
}

std::vector<std::string> segments_of(const SpoolOptions& options) {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(options.directory))
        if (entry.path().extension() == ".spool") out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

// Changes one byte of a file.
void damage(const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 0x5a);
    file.seekp(at);
    file.put(byte);
}

TEST(Spool, GivesBatchesOutInOrder) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    auto spool = opened(options);
    EXPECT_TRUE(spool.empty());
    EXPECT_FALSE(spool.front());
    append_numbers(spool, 1, 100);
    EXPECT_EQ(spool.records(), 200);
    EXPECT_GT(segments_of(options).size(), 2);
    const auto first = spool.front();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->records, 2);
    EXPECT_EQ(first->time_ns, 7);
    EXPECT_EQ(spool.front()->body, first->body);  // until pop()
    EXPECT_EQ(take_all(spool), range(1, 100));
    EXPECT_TRUE(spool.empty());
    EXPECT_EQ(spool.bytes(), 0);
    EXPECT_TRUE(segments_of(options).empty());
    append_numbers(spool, 101, 102);
    EXPECT_EQ(take_all(spool), range(101, 102));
}

TEST(Spool, GoesOnWhereItWasAfterARestart) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    {
        auto spool = opened(options);
        append_numbers(spool, 1, 100);
        for (int i = 1; i <= 42; ++i) {
            ASSERT_EQ(std::stoi(spool.front()->body), i);
            spool.pop();
        }
    }
    {
        auto spool = opened(options);
        EXPECT_EQ(spool.records(), 58 * 2);
        append_numbers(spool, 101, 110);
        EXPECT_EQ(take_all(spool), range(43, 110));
    }
    auto spool = opened(options);
    EXPECT_TRUE(spool.empty());
    append_numbers(spool, 1, 3);
    EXPECT_EQ(take_all(spool), range(1, 3));
}

TEST(Spool, CutsATornTailAway) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    {
        auto spool = opened(options);
        append_numbers(spool, 1, 10);
    }
    const auto path = segments_of(options).back();
    for (const std::uintmax_t cut : {1, 50, 120}) {  // in the body, in the body, in the header
        const auto size = fs::file_size(path);
        fs::resize_file(path, size - cut);
        auto spool = opened(options);
        EXPECT_EQ(spool.unreadable_bytes(), 0);
        append_numbers(spool, 10, 10);
        EXPECT_EQ(spool.records(), 20);
    }
    auto spool = opened(options);
    EXPECT_EQ(take_all(spool), range(1, 10));
}

TEST(Spool, ADamagedBodyCostsItselfOnly) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    {
        auto spool = opened(options);
        append_numbers(spool, 1, 10);
    }
    damage(segments_of(options).front(), spool_header_bytes + 5);
    auto spool = opened(options);
    EXPECT_EQ(take_all(spool), range(2, 10));
    EXPECT_EQ(spool.take_corrupt(), 2);
    EXPECT_EQ(spool.take_corrupt(), 0);
}

TEST(Spool, ADamagedHeaderCostsTheRestOfItsSegment) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    {
        auto spool = opened(options);
        append_numbers(spool, 1, 60);
    }
    const auto first = segments_of(options).front();
    const auto whole = fs::file_size(first);
    damage(first, 3 * (spool_header_bytes + 101) + 4);  // the fourth's size; bodies below 10 have 101 bytes
    auto spool = opened(options);
    EXPECT_EQ(spool.unreadable_bytes(), whole - 3 * (spool_header_bytes + 101));
    const auto numbers = take_all(spool);
    ASSERT_GT(numbers.size(), 4);
    EXPECT_EQ(std::vector<int>(numbers.begin(), numbers.begin() + 3), range(1, 3));
    EXPECT_EQ(std::vector<int>(numbers.begin() + 3, numbers.end()), range(numbers[3], 60));
}

TEST(Spool, ADamagedCursorGivesBatchesOutTwiceRatherThanNever) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    {
        auto spool = opened(options);
        append_numbers(spool, 1, 10);
        ASSERT_TRUE(spool.front());
        spool.pop();
    }
    damage(options.directory + "/cursor", 9);
    auto spool = opened(options);
    EXPECT_EQ(take_all(spool), range(1, 10));
}

TEST(Spool, KeepsToItsBound) {
    const TemporaryDirectory directory;
    auto options = options_in(directory);
    options.max_bytes = 10'000;
    auto spool = opened(options);
    int stored = 0;
    while (spool.append(std::to_string(stored) + std::string(100, '.'), 1, 0) == Spool::Append::stored) ++stored;
    EXPECT_LE(spool.bytes(), options.max_bytes);
    EXPECT_GT(spool.bytes(), options.max_bytes - 200);
    EXPECT_EQ(spool.records(), stored);
    EXPECT_EQ(take_all(spool), range(0, stored - 1));
    EXPECT_EQ(spool.append(std::string(20'000, '.'), 1, 0), Spool::Append::full);
}

TEST(Spool, OrLetsTheOldestGo) {
    const TemporaryDirectory directory;
    auto options = options_in(directory);
    options.max_bytes = 10'000;
    options.full = SpoolFull::drop_oldest;
    auto spool = opened(options);
    append_numbers(spool, 1, 500);
    EXPECT_LE(spool.bytes(), options.max_bytes);
    const auto evicted = spool.take_evicted();
    EXPECT_GT(evicted, 0);
    EXPECT_EQ(evicted + spool.records(), 1000);
    const auto numbers = take_all(spool);
    EXPECT_EQ(numbers, range(501 - static_cast<int>(numbers.size()), 500));
}

TEST(Spool, OneProcessAtATime) {
    const TemporaryDirectory directory;
    const auto options = options_in(directory);
    const auto spool = opened(options);
    const auto second = Spool::open(options);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("another process"), std::string::npos);
}

TEST(Spool, SaysWhyADirectoryCannotBeUsed) {
    const auto spool = Spool::open({.directory = "/proc/no_such/spool"});
    ASSERT_FALSE(spool);
    EXPECT_NE(spool.error().message().find("/proc/no_such/spool"), std::string::npos);
}

// What the child process does until it is killed: takes some, appends some, and tells about both when they are done.
// Numbers of taken batches are told before pop(): they may come again.
[[noreturn]] void work_until_killed(const SpoolOptions& options, int report, std::uint32_t next) {
    auto spool = Spool::open(options);
    if (!spool) ::_exit(1);
    std::minstd_rand random(next);
    while (true) {
        const bool take = random() % 3 == 0;
        if (take) {
            const auto item = spool->front();
            if (!item) continue;
            const auto number = static_cast<std::uint32_t>(std::stoul(item->body));
            const std::array<std::uint32_t, 2> line{0, number};
            if (::write(report, line.data(), sizeof line) != sizeof line) ::_exit(1);
            spool->pop();
        } else {
            const auto body = std::to_string(next) + std::string(random() % 3000, '.');
            if (spool->append(body, 1, 0) != Spool::Append::stored) continue;
            const std::array<std::uint32_t, 2> line{1, next++};
            if (::write(report, line.data(), sizeof line) != sizeof line) ::_exit(1);
        }
    }
}

TEST(Spool, KillNineLosesNothingThatWasAppended) {
    const TemporaryDirectory directory;
    auto options = options_in(directory);
    options.segment_bytes = 16 * 1024;
    std::uint32_t appended = 0;  // 1 … appended are known to be in
    std::uint32_t taken = 0;     // 1 … taken are known to have come out
    std::minstd_rand random(4711);
    for (int round = 0; round < 100; ++round) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        // A batch may have been stored without its line: numbers go on behind a gap that is left for it.
        const auto child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            work_until_killed(options, ends[1], appended + 1);
        }
        ::close(ends[1]);
        std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 15'000));
        ::kill(child, SIGKILL);
        std::array<std::uint32_t, 2> line{};
        while (::read(ends[0], line.data(), sizeof line) == sizeof line) {
            if (line[0] == 1) {
                ASSERT_EQ(line[1], appended + 1) << "round " << round;
                appended = line[1];
            } else {
                // in order; once more where the kill came between telling and pop(), or where a batch was stored
                // without a line and its number was used again
                ASSERT_LE(line[1], taken + 1) << "round " << round;
                ASSERT_GE(line[1] + 1, taken) << "round " << round;
                taken = std::max(taken, line[1]);
            }
        }
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself in round " << round;
    }
    auto spool = opened(options);
    EXPECT_EQ(spool.unreadable_bytes(), 0);
    auto expected = taken + 1;
    while (const auto item = spool.front()) {
        const auto number = static_cast<std::uint32_t>(std::stoul(item->body));
        ASSERT_LE(number, expected);
        if (number == expected) ++expected;
        spool.pop();
    }
    EXPECT_EQ(spool.take_corrupt(), 0);
    EXPECT_GE(expected, appended + 1);  // all that was told, and perhaps one whose line was not
    EXPECT_GT(appended, 500);
    std::printf("100 kills: %u batches appended, %u taken before, the rest found\n", appended, taken);
}

TEST(SpoolFrame, HoldsWhatWasPutIn) {
    const std::string body = "some bytes";
    const auto header = encode_spool_header(body, 3, 99);
    std::vector<std::byte> bytes(header.begin(), header.end());
    for (const char c : body) bytes.push_back(static_cast<std::byte>(c));
    const auto frame = parse_spool_frame(bytes);
    EXPECT_EQ(frame.state, SpoolFrameState::good);
    EXPECT_EQ(frame.header.records, 3);
    EXPECT_EQ(frame.header.time_ns, 99);
    EXPECT_EQ(frame.size, bytes.size());
    EXPECT_TRUE(spool_body_holds(frame.header, body));
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_EQ(parse_spool_frame(std::span(bytes).first(size)).state, SpoolFrameState::need_more) << size;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto bad = bytes;
        bad[i] ^= std::byte{1};
        const auto state = parse_spool_frame(bad).state;
        EXPECT_EQ(state, i < spool_header_bytes ? SpoolFrameState::bad_header : SpoolFrameState::bad_body) << i;
    }
}

}  // namespace
}  // namespace sonde
