#include "sinks/file/rotation.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "sinks/file/compressor.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t stamp_ms = 1'767'323'045'123;  // 2026-01-02T03:04:05.123Z

TEST(RotatedName, HasTheTimeAndSorts) {
    EXPECT_EQ(rotated_name("transactions", stamp_ms), "transactions-20260102T030405.123Z.jsonl");
    EXPECT_LT(rotated_name("t", stamp_ms), rotated_name("t", stamp_ms + 1));
    EXPECT_LT(rotated_name("t", stamp_ms), rotated_name("t", stamp_ms + 86'400'000));
    EXPECT_EQ(rotated_name("t", 0), "t-19700101T000000.000Z.jsonl");
}

TEST(RotatedName, IsReadBack) {
    for (const std::uint64_t ms : {std::uint64_t{0}, stamp_ms, std::uint64_t{4'102'444'799'999}}) {
        const auto name = rotated_name("a-b", ms);
        const auto plain = parse_rotated_name("a-b", name);
        ASSERT_TRUE(plain) << name;
        EXPECT_EQ(plain->stamp_ms, ms);
        EXPECT_EQ(plain->name, name);
        EXPECT_EQ(plain->compression, Compression::none);
        EXPECT_FALSE(plain->partial);
        EXPECT_EQ(parse_rotated_name("a-b", name + ".zst")->compression, Compression::zstd);
        EXPECT_EQ(parse_rotated_name("a-b", name + ".gz")->compression, Compression::gzip);
        EXPECT_TRUE(parse_rotated_name("a-b", name + ".gz.tmp")->partial);
    }
}

// What is deleted by name must be ours without a doubt.
TEST(RotatedName, OthersAreNotTakenForIt) {
    for (const auto* name :
         {"", "t.jsonl", "t-.jsonl", "t.jsonl.new", "t-20260102T030405.123Z", "t-20260102T030405.123Z.json",
          "t-20260102T030405.123Z.jsonl.tmp", "t-20260102T030405.123Z.jsonl.bz2", "t-20260102T030405.123.jsonl",
          "t-20261302T030405.123Z.jsonl", "t-20260230T030405.123Z.jsonl", "t-20260102T240405.123Z.jsonl",
          "t-2026010xT030405.123Z.jsonl", "u-20260102T030405.123Z.jsonl", "tt-20260102T030405.123Z.jsonl",
          "t-t-20260102T030405.123Z.jsonl", "t-19690102T030405.123Z.jsonl", "-20260102T030405.123Z.jsonl"})
        EXPECT_FALSE(parse_rotated_name("t", name)) << name;
}

std::vector<RotatedFile> files(std::size_t count, std::uint64_t bytes) {
    std::vector<RotatedFile> out;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(
            {.name = rotated_name("t", stamp_ms + i * 1000), .stamp_ms = stamp_ms + i * 1000, .bytes = bytes});
    return out;
}

TEST(Retention, EachBoundCountsByItself) {
    const auto ten = files(10, 100);
    const auto now = stamp_ms + 10'000;
    const RetentionOptions none{.max_files = 0, .max_age_s = 0, .max_total_bytes = 0};
    EXPECT_EQ(expired_count(ten, none, now, 0), 0);
    auto options = none;
    options.max_files = 3;
    EXPECT_EQ(expired_count(ten, options, now, 0), 7);
    options = none;
    options.max_age_s = 8;
    EXPECT_EQ(expired_count(ten, options, now, 0), 2);
    options = none;
    options.max_total_bytes = 450;
    EXPECT_EQ(expired_count(ten, options, now, 0), 6);
    EXPECT_EQ(expired_count(ten, options, now, 100), 7);
    EXPECT_EQ(expired_count(ten, options, now, 10'000), 10);
    options.max_files = 2;
    EXPECT_EQ(expired_count(ten, options, now, 0), 8);
    EXPECT_EQ(expired_count({}, options, now, 10'000), 0);
}

TEST(Retention, ACompressionUnderWayTakesSpaceAndIsNoFile) {
    auto two = files(2, 100);
    two.push_back(two.back());
    two.back().partial = true;
    EXPECT_EQ(expired_count(two, {.max_files = 2, .max_total_bytes = 0}, stamp_ms, 0), 0);
    EXPECT_EQ(expired_count(two, {.max_total_bytes = 250}, stamp_ms, 0), 1);
}

class RotatedFilesTest : public testing::Test {
protected:
    void SetUp() override {
        auto pattern = (fs::temp_directory_path() / "sonde_rotation_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string put(const std::string& name, std::string_view text) {
        std::ofstream(directory_ + "/" + name, std::ios::binary) << text;
        return directory_ + "/" + name;
    }
    [[nodiscard]] std::string content(const std::string& path) const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    [[nodiscard]] bool has(const std::string& name) const { return fs::exists(directory_ + "/" + name); }

    std::string directory_;
    CompressorStats stats_;
};

TEST_F(RotatedFilesTest, AreListedByAge) {
    const auto first = rotated_name("t", stamp_ms), second = rotated_name("t", stamp_ms + 1);
    put(second, "22");
    put(first + ".zst", "1");
    put("t.jsonl", "current");
    put("u" + first.substr(1), "another sink's");
    fs::create_directory(directory_ + "/" + rotated_name("t", stamp_ms + 2));
    fs::create_symlink("/etc/passwd", directory_ + "/" + rotated_name("t", stamp_ms + 3));
    const auto listed = list_rotated(directory_, "t");
    ASSERT_EQ(listed.size(), 2);
    EXPECT_EQ(listed[0].name, first + ".zst");
    EXPECT_EQ(listed[1].name, second);
    EXPECT_EQ(listed[1].bytes, 2);
    EXPECT_TRUE(list_rotated(directory_ + "/none", "t").empty());
}

TEST_F(RotatedFilesTest, WhatACrashLeftIsCleared) {
    const auto first = rotated_name("t", stamp_ms), second = rotated_name("t", stamp_ms + 1);
    put(first, "plain");
    put(first + ".zst", "its complete copy");
    put(second, "plain");
    put(second + ".zst.tmp", "half a copy");
    clean_rotated(directory_, "t");
    EXPECT_FALSE(has(first));
    EXPECT_TRUE(has(first + ".zst"));
    EXPECT_TRUE(has(second));
    EXPECT_FALSE(has(second + ".zst.tmp"));
}

std::string lines(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += "{\"n\":" + std::to_string(i * 7919 % 10'007) + "}\n";
    return text;
}

TEST_F(RotatedFilesTest, ZstdKeepsEveryByteAndTheMode) {
    const auto text = lines(100'000);
    const auto path = put(rotated_name("t", stamp_ms), text);
    fs::permissions(path, fs::perms{0604});
    const auto done = compress_file(
        path, Compression::zstd, 3, [] { return false; }, stats_);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(*done);
    EXPECT_FALSE(fs::exists(path));
    const auto packed = content(path + ".zst");
    EXPECT_LT(packed.size(), text.size() / 2);
    std::string unpacked(text.size() + 1, '\0');
    ASSERT_EQ(ZSTD_decompress(unpacked.data(), unpacked.size(), packed.data(), packed.size()), text.size());
    unpacked.pop_back();
    EXPECT_TRUE(unpacked == text);
    EXPECT_EQ(fs::status(path + ".zst").permissions(), fs::perms{0604});
    EXPECT_EQ(stats_.read_bytes, text.size());
    EXPECT_EQ(stats_.written_bytes, packed.size());
}

TEST_F(RotatedFilesTest, GzipKeepsEveryByte) {
    const auto text = lines(100'000);
    const auto path = put(rotated_name("t", stamp_ms), text);
    ASSERT_TRUE(*compress_file(
        path, Compression::gzip, 6, [] { return false; }, stats_));
    auto* const in = ::gzopen((path + ".gz").c_str(), "rb");
    std::string unpacked(text.size() + 1, '\0');
    EXPECT_EQ(::gzread(in, unpacked.data(), static_cast<unsigned>(unpacked.size())), static_cast<int>(text.size()));
    ::gzclose(in);
    unpacked.pop_back();
    EXPECT_TRUE(unpacked == text);
}

TEST_F(RotatedFilesTest, AFileThatIsDeletedMeanwhileLeavesNothing) {
    const auto path = put(rotated_name("t", stamp_ms), lines(100'000));
    int looks = 0;
    const auto done = compress_file(
        path, Compression::zstd, 3,
        [&] {
            if (++looks == 3) fs::remove(path);
            return false;
        },
        stats_);
    ASSERT_TRUE(done);
    EXPECT_FALSE(*done);
    EXPECT_TRUE(fs::is_empty(directory_));
    EXPECT_FALSE(*compress_file(
        path, Compression::zstd, 3, [] { return false; }, stats_));
}

TEST_F(RotatedFilesTest, TheCompressorTakesWhatIsThereAndWhatComes) {
    put(rotated_name("t", stamp_ms), lines(1000));
    put(rotated_name("t", stamp_ms + 1), lines(1000));
    // at its own priority: a busy machine may have no idle time while the test waits
    Compressor compressor(directory_, "t", Compression::gzip, 1, false);
    const auto wait_for_files = [&](std::uint64_t count) {
        for (int i = 0; i < 1000 && compressor.stats().files != count; ++i) ::usleep(10'000);
        EXPECT_EQ(compressor.stats().files, count);
    };
    wait_for_files(2);
    put(rotated_name("t", stamp_ms + 2), lines(1000));
    compressor.wake();
    wait_for_files(3);
    for (const auto& file : list_rotated(directory_, "t")) EXPECT_EQ(file.compression, Compression::gzip) << file.name;
}

}  // namespace
}  // namespace sonde
