#include "agent/probe/tls/mapped_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace sonde {
namespace {

TEST(MappedFiles, TellsEachExecutableFileOnce) {
    const auto files = parse_mapped_files(
        "55d0c1000000-55d0c1001000 r--p 00000000 fe:01 11                         /usr/bin/server\n"
        "55d0c1001000-55d0c1002000 r-xp 00001000 fe:01 11                         /usr/bin/server\n"
        "55d0c2000000-55d0c2021000 rw-p 00000000 00:00 0                          [heap]\n"
        "7f0000000000-7f0000001000 r-xp 00000000 fe:01 12                         /usr/lib/a library.so.3\n"
        "7f0000001000-7f0000002000 r-xp 00001000 fe:01 12                         /usr/lib/a library.so.3\n"
        "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n",
        "/proc/7");
    const std::string root = "/proc/7/root";
    const MappedFile server{0xfeULL << 32 | 1, 11, "/usr/bin/server", root + "/usr/bin/server"};
    const MappedFile library{0xfeULL << 32 | 1, 12, "/usr/lib/a library.so.3", root + "/usr/lib/a library.so.3"};
    EXPECT_EQ(files, (std::vector<MappedFile>{server, library}));
}

TEST(MappedFiles, AReplacedFileIsReachedThroughTheMapping) {
    const auto files =
        parse_mapped_files("7f00-7f01 r-xp 00000000 fe:01 12  /usr/lib/libssl.so.3 (deleted)\n", "/proc/7");
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0].name, "/usr/lib/libssl.so.3");
    EXPECT_EQ(files[0].path, "/proc/7/map_files/7f00-7f01");
}

TEST(MappedFiles, WhatIsCutOrNoneOfItIsLeftOut) {
    const std::string whole = "7f00-7f01 r-xp 00001000 fe:01 12   /usr/lib/libssl.so.3\n";
    for (std::size_t n = 0; n < whole.find('/'); ++n)
        EXPECT_TRUE(parse_mapped_files(whole.substr(0, n), "/proc/7").empty()) << n;
    EXPECT_TRUE(parse_mapped_files("7f00-7f01 r-xp 0 fe:zz 12 /a\nnonsense\n\n", "/proc/7").empty());
}

TEST(MappedFiles, ThisProcessHasItsOwnExecutable) {
    const auto pid = static_cast<std::uint32_t>(::getpid());
    const auto files = mapped_files(pid);
    EXPECT_TRUE(std::any_of(files.begin(), files.end(), [](const auto& f) { return f.name.ends_with("/unit_tests"); }));
    const auto pids = running_processes();
    EXPECT_NE(std::find(pids.begin(), pids.end(), pid), pids.end());
}

}  // namespace
}  // namespace sonde
