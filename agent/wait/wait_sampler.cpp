#include "agent/wait/wait_sampler.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "agent/base/unique_fd.hpp"
#include "agent/wait/wait_cause.hpp"

namespace sonde {
namespace {

std::uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void bump(std::atomic<std::uint64_t>& count) { count.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

WaitSampler::WaitSampler(std::shared_ptr<WaitQueues> queues, std::string proc)
    : queues_(std::move(queues)), proc_(std::move(proc)) {}

WaitSampler::~WaitSampler() {
    thread_.request_stop();
    wake();
}

void WaitSampler::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    ::pthread_setname_np(thread_.native_handle(), "waits");
}

void WaitSampler::wake() {
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_one();
}

void WaitSampler::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto seen = calls_.load(std::memory_order_acquire);
        while (auto* order = queues_->orders.front()) {
            auto* answer = queues_->answers.prepare();
            if (answer == nullptr) break;  // those before have not been taken: the next call finds room
            answer->order = *order;
            answer->waited = look(order->tid);
            answer->time_ns = monotonic_ns();
            queues_->orders.pop();
            queues_->answers.commit();
        }
        calls_.wait(seen, std::memory_order_acquire);
    }
}

std::optional<WaitCause> WaitSampler::look(std::uint32_t tid) {
    const auto thread = proc_ + "/" + std::to_string(tid);
    const UniqueFd file(::open((thread + "/syscall").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 256> text{};
    const auto size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (size <= 0) {
        bump(size == 0 || errno == ENOENT || errno == ESRCH ? stats_.gone : stats_.refused);
        return {};
    }
    const auto cause = wait_cause({text.data(), static_cast<std::size_t>(size)}, [&](unsigned descriptor) {
        std::array<char, 64> target{};  // its beginning tells
        const auto length =
            ::readlink((thread + "/fd/" + std::to_string(descriptor)).c_str(), target.data(), target.size());
        return std::string(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    });
    bump(cause ? stats_.waited : stats_.ran);
    return cause;
}

}  // namespace sonde
