#include "agent/wait/wait_cause.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "agent/base/unique_fd.hpp"
#include "agent/wait/wait_sampler.hpp"

namespace sonde {
namespace {

std::optional<WaitCause> of(const std::string& text, const std::string& target = {}) {
    return wait_cause(text, [&](unsigned) { return target; });
}
std::string call(long number, const std::string& arguments = "0x3 0x7ffd0 0x10 0x0 0x0 0x0") {
    return std::to_string(number) + " " + arguments + " 0x7ffdf000 0x7f3a\n";
}

TEST(WaitCause, OfWhoRunsThereIsNone) { EXPECT_EQ(of("running\n"), std::nullopt); }

TEST(WaitCause, TheCallTells) {
    EXPECT_EQ(of(call(SYS_futex)), WaitCause::lock);
    EXPECT_EQ(of(call(SYS_clock_nanosleep)), WaitCause::sleep);
    EXPECT_EQ(of(call(SYS_fsync)), WaitCause::disk);
    EXPECT_EQ(of(call(SYS_recvfrom)), WaitCause::network);
    EXPECT_EQ(of(call(SYS_wait4)), WaitCause::process);
    EXPECT_EQ(of(call(SYS_io_uring_enter)), WaitCause::other);
    EXPECT_EQ(of("-1 0x7ffdf000 0x7f3a\n"), WaitCause::memory);
}

TEST(WaitCause, WhereTheDescriptorLeadsTells) {
    EXPECT_EQ(of(call(SYS_read), "socket:[81]"), WaitCause::network);
    EXPECT_EQ(of(call(SYS_read), "pipe:[81]"), WaitCause::process);
    EXPECT_EQ(of(call(SYS_read), "/var/lib/data"), WaitCause::disk);
    EXPECT_EQ(of(call(SYS_read), "/dev/tty"), WaitCause::other);
    EXPECT_EQ(of(call(SYS_read), "anon_inode:[eventfd]"), WaitCause::lock);
    EXPECT_EQ(of(call(SYS_write), ""), WaitCause::other);
    unsigned asked = 0;
    wait_cause(call(SYS_read, "0x1f 0x7ffd0 0x10 0x0 0x0 0x0"), [&](unsigned descriptor) {
        asked = descriptor;
        return std::string();
    });
    EXPECT_EQ(asked, 31u);
}

TEST(WaitCause, WithoutDescriptorsPollIsASleep) {
    EXPECT_EQ(of(call(SYS_ppoll, "0x0 0x0 0x7ffd 0x0 0x0 0x0")), WaitCause::sleep);
    EXPECT_EQ(of(call(SYS_ppoll, "0x7ffd 0x1 0x7ffd 0x0 0x0 0x0")), WaitCause::network);
    EXPECT_EQ(of(call(SYS_pselect6, "0x0 0x0 0x0 0x0 0x7ffd 0x0")), WaitCause::sleep);
    EXPECT_EQ(of(call(SYS_pselect6, "0x4 0x7ffd 0x0 0x0 0x0 0x0")), WaitCause::network);
}

TEST(WaitCause, WhatNobodyWritesIsOther) {
    for (const auto* text : {"", "\n", "x", "7", "7 0x", "0 zz 0x1", "999999999999999999999999 0x1 0x1"})
        EXPECT_EQ(of(text), WaitCause::other) << text;
}

// Real threads, as the kernel shows them.
class WaitSampler_ : public testing::Test {
protected:
    // What a thread that does `wait` until `release` is found at.
    std::optional<WaitCause> of_thread(const std::function<void()>& wait, const std::function<void()>& release) {
        std::atomic<pid_t> tid{0};
        std::thread thread([&] {
            tid = ::gettid();
            wait();
        });
        while (tid == 0) std::this_thread::yield();
        std::optional<WaitCause> found;
        do {  // it may not have come there yet
            *queues_->orders.prepare() = {1, static_cast<std::uint32_t>(tid), 0.05F};
            queues_->orders.commit();
            sampler_.wake();
            while (queues_->answers.front() == nullptr) std::this_thread::yield();
            found = queues_->answers.front()->waited;
            queues_->answers.pop();
        } while (!found);
        release();
        thread.join();
        return found;
    }

    std::shared_ptr<WaitQueues> queues_ = std::make_shared<WaitQueues>();
    WaitSampler sampler_{queues_};
};

TEST_F(WaitSampler_, FindsWhatAThreadWaitsFor) {
    sampler_.start();
    std::mutex mutex;
    mutex.lock();
    EXPECT_EQ(of_thread([&] { std::lock_guard wait(mutex); }, [&] { mutex.unlock(); }), WaitCause::lock);

    std::array<int, 2> ends{};
    std::array<char, 1> byte{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const UniqueFd near(ends[0]);
    const UniqueFd far(ends[1]);
    EXPECT_EQ(of_thread([&] { EXPECT_EQ(::read(near.get(), byte.data(), 1), 1); },
                        [&] { EXPECT_EQ(::write(far.get(), "x", 1), 1); }),
              WaitCause::network);
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd out(ends[0]);
    const UniqueFd in(ends[1]);
    EXPECT_EQ(of_thread([&] { EXPECT_EQ(::read(out.get(), byte.data(), 1), 1); },
                        [&] { EXPECT_EQ(::write(in.get(), "x", 1), 1); }),
              WaitCause::process);
    EXPECT_EQ(of_thread([&] { ::usleep(300'000); }, [] {}), WaitCause::sleep);
    EXPECT_GE(sampler_.stats().waited.load(), 4u);
    EXPECT_EQ(sampler_.stats().refused.load(), 0u);
}

TEST_F(WaitSampler_, AThreadThatHasEndedIsGone) {
    pid_t tid = 0;
    std::thread([&] { tid = ::gettid(); }).join();
    *queues_->orders.prepare() = {1, static_cast<std::uint32_t>(tid), 0.05F};
    queues_->orders.commit();
    sampler_.start();
    while (queues_->answers.front() == nullptr) std::this_thread::yield();
    EXPECT_EQ(queues_->answers.front()->waited, std::nullopt);
    EXPECT_EQ(sampler_.stats().gone.load(), 1u);
}

}  // namespace
}  // namespace sonde
