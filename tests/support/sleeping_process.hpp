#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "agent/probe/tls/mapped_files.hpp"

namespace sonde {

// A child that does nothing, with the C library mapped and, if wanted, one more.
class SleepingProcess {
public:
    explicit SleepingProcess(const std::string& preload = "") {
        // until its exec a child maps what the test's own program maps: the pipe's end tells when that is over
        int executed[2];
        if (::pipe2(executed, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
        pid_ = ::fork();
        if (pid_ == 0) {
            if (!preload.empty()) ::setenv("LD_PRELOAD", preload.c_str(), 1);
            ::execl("/bin/sleep", "sleep", "1000", nullptr);
            ::_exit(127);
        }
        ::close(executed[1]);
        char byte = 0;
        while (::read(executed[0], &byte, 1) < 0 && errno == EINTR) {
        }
        ::close(executed[0]);
        const auto wanted = preload.empty() ? std::string("/libc.so") : preload;
        for (int i = 0; i < 1000; ++i) {
            const auto files = mapped_files(pid());
            if (std::any_of(files.begin(), files.end(),
                            [&](const auto& file) { return file.name.find(wanted) != std::string::npos; }))
                return;
            ::usleep(10'000);
        }
        ADD_FAILURE() << "/bin/sleep has not mapped " << wanted << " within ten seconds";
    }
    ~SleepingProcess() {
        if (pid_ > 0 && ::kill(pid_, SIGKILL) == 0) ::waitpid(pid_, nullptr, 0);
    }
    SleepingProcess(const SleepingProcess&) = delete;
    SleepingProcess& operator=(const SleepingProcess&) = delete;

    [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }

private:
    pid_t pid_ = -1;
};

}  // namespace sonde
