// Which descriptors the kernel's programs take for logs.
#include "bpf/shared/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace {

int kind(unsigned fd, unsigned mode, unsigned flags = O_WRONLY, unsigned name_end = 0, unsigned rdev_major = 0,
         unsigned unix_socket = 0) {
    const sonde_log_file file{mode, flags, rdev_major, unix_socket, name_end};
    return sonde_log_kind_of(fd, &file);
}

constexpr unsigned dot_log = '.' | 'l' << 8 | 'o' << 16 | 'g' << 24;
constexpr unsigned dot_dat = '.' | 'd' << 8 | 'a' << 16 | 't' << 24;

TEST(LogKind, StandardStreams) {
    for (const unsigned fd : {1U, 2U}) {
        EXPECT_EQ(kind(fd, S_IFREG | 0644, O_RDWR), SONDE_LOG_FILE);
        EXPECT_EQ(kind(fd, S_IFIFO), SONDE_LOG_PIPE);
        EXPECT_EQ(kind(fd, S_IFSOCK, O_RDWR, 0, 0, 1), SONDE_LOG_SOCKET);
        EXPECT_EQ(kind(fd, S_IFSOCK, O_RDWR, 0, 0, 0), -1);  // TCP: a client, as under inetd
        EXPECT_EQ(kind(fd, S_IFCHR, O_RDWR, 0, 136), SONDE_LOG_TERMINAL);
        EXPECT_EQ(kind(fd, S_IFCHR, O_RDWR, 0, 1), -1);  // /dev/null
    }
}

TEST(LogKind, OtherDescriptors) {
    EXPECT_EQ(kind(5, S_IFREG, O_WRONLY | O_APPEND), SONDE_LOG_FILE);
    EXPECT_EQ(kind(5, S_IFREG, O_WRONLY, dot_log), SONDE_LOG_FILE);
    EXPECT_EQ(kind(5, S_IFREG, O_WRONLY, dot_dat), -1);  // an upload
    EXPECT_EQ(kind(5, S_IFREG, O_RDWR | O_APPEND), -1);  // a database
    EXPECT_EQ(kind(5, S_IFIFO), -1);                     // how threads wake each other
    EXPECT_EQ(kind(5, S_IFSOCK, O_RDWR, 0, 0, 1), -1);
    EXPECT_EQ(kind(5, S_IFCHR, O_RDWR, 0, 136), -1);
}

}  // namespace
