#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "agent/probe/tls/mapped_files.hpp"

namespace sonde {

// A child that does nothing, with the C library mapped and, if wanted, one more.
class SleepingProcess {
public:
    explicit SleepingProcess(const std::string& preload = "") : pid_(::fork()) {
        if (pid_ == 0) {
            if (!preload.empty()) ::setenv("LD_PRELOAD", preload.c_str(), 1);
            ::execl("/bin/sleep", "sleep", "1000", nullptr);
            ::_exit(127);
        }
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
    pid_t pid_;
};

}  // namespace sonde
