#include "sinks/delivery.hpp"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <random>
#include <utility>

namespace sonde {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_records = 256;  // between two looks at the clock
// The sleep between two looks at an empty queue: short enough that the queue holds what comes meanwhile, long
// enough that an idle sink costs nothing. A wake-up per record would cost the pipeline a system call each.
constexpr auto poll_interval = 10ms;
constexpr auto flush_interval = 200ms;       // under load
constexpr auto idle_flush_interval = 100ms;  // after the last record
constexpr auto rest_flush_interval = 1s;     // without records: syncs, rotations and retention become due all the same
constexpr auto drain_limit = 5s;
constexpr std::size_t thread_name_chars = 15;  // TASK_COMM_LEN without the NUL
constexpr auto room_poll_interval = 200us;     // Overflow::block

// A record takes the same room whatever it holds.
std::size_t capacity_of(const QueueOptions& options) {
    if (options.bytes == 0) return options.records;
    const auto fit = std::bit_floor(std::max<std::size_t>(2, options.bytes / sizeof(Record)));
    return std::min(fit, std::bit_ceil(options.records));
}

// A slot keeps its record until it is used again, but must keep neither a dead process nor lines that are wanted back.
void let_go(Record& record) {
    if (auto* transaction = std::get_if<Transaction>(&record)) {
        transaction->process.reset();
        transaction->logs.reset();
        transaction->downstream.reset();
    } else if (auto* log = std::get_if<LogLinePtr>(&record)) {
        log->reset();
    }
}

bool is_error(const Transaction& transaction) {
    return transaction.outcome == Outcome::error || transaction.status >= 500;
}

}  // namespace

Delivery::Delivery(std::unique_ptr<Sink> sink, std::size_t queue_capacity)
    : Delivery(std::move(sink), QueueOptions{.records = queue_capacity}, RecordFilter()) {}

Delivery::Delivery(std::unique_ptr<Sink> sink, const QueueOptions& queue, RecordFilter filter, std::string name)
    : sink_(std::move(sink)),
      paced_(dynamic_cast<PacedSink*>(sink_.get())),
      name_(name.empty() ? std::string(sink_->name()) : std::move(name)),
      filter_(std::move(filter)),
      overflow_(queue.overflow),
      block_(queue.block_ms),
      queue_(capacity_of(queue)),
      random_((std::random_device{}() | 1ULL) * 0x9E3779B97F4A7C15) {
    publish_sink_stats();
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Delivery::~Delivery() { stop(); }

void Delivery::request_stop() {
    if (thread_.get_stop_token().stop_requested()) return;
    if (paced_ != nullptr) paced_->stop_by(Clock::now() + drain_limit);
    thread_.request_stop();
}

std::size_t Delivery::stop() {
    if (thread_.joinable()) {
        request_stop();
        thread_.join();
    }
    return left_;
}

Record* Delivery::make_room() {
    if (overflow_ == Overflow::block) return wait_for_room();
    if (overflow_ != Overflow::drop_oldest) return nullptr;
    {
        const std::lock_guard lock(head_mutex_);
        if (auto* oldest = queue_.front(); oldest != nullptr) {
            queue_.pop();
            add_one(dropped_);
        }
    }
    return queue_.prepare();
}

// Waits in vain once per trouble: a sink that hangs may delay the pipeline, never hold it.
Record* Delivery::wait_for_room() {
    if (waited_in_vain_) return nullptr;
    const auto deadline = Clock::now() + block_;
    while (Clock::now() < deadline) {
        std::this_thread::sleep_for(room_poll_interval);
        if (auto* slot = queue_.prepare(); slot != nullptr) return slot;
    }
    waited_in_vain_ = true;
    return nullptr;
}

// 0: not taken. Losses are always told.
double Delivery::draw_weight(const Record& record) {
    const auto* transaction = std::get_if<Transaction>(&record);
    return transaction != nullptr ? draw_weight(*transaction) : 1;
}

double Delivery::draw_weight(const Transaction& transaction) {
    const auto eighths = queue_.size() * 8 / queue_.capacity();
    if (eighths < 4 || is_error(transaction)) return 1;
    const unsigned one_of_log2 = eighths < 6 ? 1 : eighths < 7 ? 2 : 3;
    // xorshift64*: enough for a draw, and three instructions (Vigna, 2014)
    random_ ^= random_ >> 12U;
    random_ ^= random_ << 25U;
    random_ ^= random_ >> 27U;
    const auto drawn = random_ * 0x2545F4914F6CDD1DULL >> (64U - one_of_log2);
    return drawn == 0 ? static_cast<double>(1U << one_of_log2) : 0;
}

void Delivery::name_thread() const {
    pthread_setname_np(pthread_self(), ("sink/" + name_).substr(0, thread_name_chars).c_str());
}

void Delivery::rest(const std::stop_token& stop) {
    std::unique_lock lock(sleep_mutex_);
    sleep_.wait_for(lock, stop, poll_interval, [] { return false; });
}

void Delivery::run(const std::stop_token& stop) {
    name_thread();
    if (paced_ != nullptr) return run_paced(stop);
    auto last_write = Clock::now();
    auto last_flush = last_write;
    bool dirty = false;
    while (!stop.stop_requested()) {
        const auto count = drain_batch();
        const auto now = Clock::now();
        if (count > 0) {
            // A flush interval starts with the first record after a rest, not with the flush before it.
            if (!dirty) last_flush = now;
            dirty = true;
            last_write = now;
        }
        const auto since_flush = now - last_flush;
        const bool idle = now - last_write >= idle_flush_interval && since_flush >= idle_flush_interval;
        if (since_flush >= rest_flush_interval || (dirty && (idle || since_flush >= flush_interval))) {
            flush();
            dirty = !able_.load(std::memory_order_relaxed);
            last_flush = now;
        }
        if (count == 0) rest(stop);
    }
    finish();
}

void Delivery::run_paced(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const bool takes = paced_->poll();
        const auto count = takes ? drain_batch() : 0;
        if (count == 0) {
            publish_sink_stats();
            rest(stop);
        }
    }
    finish();
}

void Delivery::finish() {
    const auto deadline = Clock::now() + drain_limit;
    while ((paced_ == nullptr || paced_->poll()) && drain_batch() > 0 && Clock::now() < deadline) {
    }
    const auto failed_before = sink_->stats().failed_records;
    flush();
    auto left = queue_.size();
    if (paced_ != nullptr) {
        left += sink_->stats().failed_records - failed_before;
    } else if (!able_.load(std::memory_order_relaxed)) {
        const auto handed = delivered_.load(std::memory_order_relaxed) - flushed_;
        const auto failed = sink_->stats().failed_records - flushed_failed_;
        left += handed - std::min(handed, failed);  // refused ones were counted as they came
    }
    left_ = left;
}

// One record from the queue to the sink; false: the queue is empty.
bool Delivery::hand_over() {
    if (overflow_ == Overflow::drop_oldest) {
        {
            const std::lock_guard lock(head_mutex_);
            auto* record = queue_.front();
            if (record == nullptr) return false;
            in_hand_ = *record;
            let_go(*record);
            queue_.pop();
        }
        sink_->write(in_hand_);
        let_go(in_hand_);
    } else {
        auto* record = queue_.front();
        if (record == nullptr) return false;
        sink_->write(*record);
        let_go(*record);
        queue_.pop();
    }
    add_one(delivered_);
    return true;
}

std::size_t Delivery::drain_batch() {
    const auto waiting = queue_.size();
    if (waiting > peak_.load(std::memory_order_relaxed)) peak_.store(waiting, std::memory_order_relaxed);
    std::size_t count = 0;
    while (count < batch_records && hand_over()) ++count;
    if (count > 0) publish_sink_stats();
    return count;
}

void Delivery::flush() {
    const auto status = sink_->flush();
    publish_sink_stats();
    const bool able = status && (paced_ == nullptr || sink_->stats().able);
    const bool was_able = able_.exchange(able, std::memory_order_relaxed);
    if (!status) {
        // once per trouble, not once per attempt
        if (was_able) std::fprintf(stderr, "sonde: sink %s: %s\n", name_.c_str(), status.error().message().c_str());
        return;
    }
    flushed_.store(delivered_.load(std::memory_order_relaxed), std::memory_order_release);
    flushed_failed_ = sink_->stats().failed_records;
}

void Delivery::publish_sink_stats() {
    const auto stats = sink_->stats();
    if (paced_ != nullptr) able_.store(stats.able, std::memory_order_relaxed);
    const std::lock_guard lock(sink_stats_mutex_);
    sink_stats_ = stats;
}

DeliveryStats Delivery::stats() const {
    DeliveryStats stats;
    // delivered before offered: read the other way round, more could seem delivered than was offered
    stats.flushed = flushed_.load(std::memory_order_acquire);
    stats.delivered = delivered_.load(std::memory_order_acquire);
    if (paced_ != nullptr) stats.flushed = stats.delivered;
    stats.dropped = dropped_.load(std::memory_order_acquire);
    stats.filtered = filtered_.load(std::memory_order_acquire);
    stats.offered = offered_.load(std::memory_order_acquire);
    stats.queued = queue_.size();
    stats.capacity = queue_.capacity();
    stats.peak = std::max(peak_.load(std::memory_order_relaxed), stats.dropped > 0 ? stats.capacity : 0);
    stats.able = able_.load(std::memory_order_relaxed);
    stats.refused = left_;
    const std::lock_guard lock(sink_stats_mutex_);
    stats.sink = sink_stats_;
    return stats;
}

}  // namespace sonde
