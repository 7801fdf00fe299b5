// Where writes are probed: this machine's own C library.
#include "agent/probe/log/log_plan.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "agent/probe/log/log_watch.hpp"
#include "agent/probe/tls/mapped_files.hpp"
#include "tests/support/sleeping_process.hpp"

namespace sonde {
namespace {

TEST(LogPlan, TheCLibraryHasAllThree) {
    const auto mapped = mapped_files(static_cast<std::uint32_t>(::getpid()));
    const auto libc = std::find_if(mapped.begin(), mapped.end(), [](const MappedFile& file) {
        return file.name.find("/libc.so") != std::string::npos || file.name.find("/libc-") != std::string::npos;
    });
    ASSERT_NE(libc, mapped.end());
    const auto elf = ElfFile::open(libc->path);
    ASSERT_TRUE(elf) << elf.error().message();
    const auto plan = plan_log_probes(*elf);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->size(), 3U);
    EXPECT_EQ((*plan)[0].call, SONDE_LOG_CALL_WRITE);
    EXPECT_FALSE(writes_by_itself(*plan));
}

TEST(LogPlan, AFileThatWritesNothingHasNone) {
    const auto elf = ElfFile::open("/bin/sleep");
    ASSERT_TRUE(elf) << elf.error().message();
    EXPECT_FALSE(plan_log_probes(*elf));  // it calls the library's
}

// A double of the kernel: processes are real, the test's clock is what is counted.
struct Kernel {
    LogWatchHooks hooks() {
        return {
            .attach = [this](std::uint32_t, const std::string&, LogProbePoint point) -> Result<std::shared_ptr<void>> {
                const std::lock_guard lock(mutex);
                ++attached[point.call];
                return std::shared_ptr<void>(this, [this, call = point.call](void*) {
                    const std::lock_guard inner(mutex);
                    --attached[call];
                });
            },
            .admit = [this](std::uint32_t) { return admits; },
            .dismiss = [](std::uint32_t) {},
            .counts =
                [this](std::uint32_t) {
                    const std::lock_guard lock(mutex);
                    return counts;
                }};
    }
    bool settles(std::array<int, SONDE_LOG_CALLS> wanted) {
        for (int i = 0; i < 500; ++i) {
            {
                const std::lock_guard lock(mutex);
                if (attached == wanted) return true;
            }
            ::usleep(10'000);
        }
        return false;
    }
    std::mutex mutex;
    std::array<int, SONDE_LOG_CALLS> attached{};
    sonde_log_watch counts{};
    bool admits = true;
};

TEST(LogWatch, ProbesComeAndGoWithTheirProcess) {
    Kernel kernel;
    const SleepingProcess process;
    {
        LogWatch watch(kernel.hooks(), {.check_every = std::chrono::milliseconds(10)});
        watch.process_serves(process.pid());
        watch.process_serves(process.pid());
        EXPECT_TRUE(kernel.settles({1, 1, 1, 0}));
        {
            // 5,000 calls of writev without a log among them
            const std::lock_guard lock(kernel.mutex);
            kernel.counts.hits[SONDE_LOG_CALL_WRITE] = kernel.counts.hits[SONDE_LOG_CALL_WRITEV] = 5000;
        }
        EXPECT_TRUE(kernel.settles({1, 0, 1, 0}));
        EXPECT_EQ(watch.stats().processes, 1U);
        watch.process_ended(process.pid());
        EXPECT_TRUE(kernel.settles({0, 0, 0, 0}));
        {
            // counted anew, as in the kernel, which has forgotten the process
            const std::lock_guard lock(kernel.mutex);
            kernel.counts = {};
        }
        watch.process_serves(process.pid());
        EXPECT_TRUE(kernel.settles({1, 1, 1, 0}));
    }
    EXPECT_TRUE(kernel.settles({0, 0, 0, 0}));
}

TEST(LogWatch, WhatCannotBeWatchedIsCounted) {
    Kernel kernel;
    kernel.admits = false;
    LogWatch watch(kernel.hooks(), {});
    const SleepingProcess process;
    watch.process_serves(process.pid());
    for (int i = 0; i < 500 && watch.stats().refused == 0; ++i) ::usleep(10'000);
    EXPECT_EQ(watch.stats().refused, 1U);
    EXPECT_EQ(watch.stats().processes, 0U);
}

}  // namespace
}  // namespace sonde
