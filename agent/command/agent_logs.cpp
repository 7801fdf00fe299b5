#include "agent/command/agent_logs.hpp"

#include <algorithm>
#include <cstdio>

#include "agent/command/agent_samples.hpp"

namespace sonde {
namespace {

// Of one look at the source: no long pause for the ring.
constexpr std::size_t drained_at_once = 2048;
// Below CorrelatorOptions::settle_ms.
constexpr std::uint32_t captured_record_timeout_ms = 120;

}  // namespace

LogJoinOptions AgentLogs::join_options(const LogsOptions& options) {
    LogJoinOptions out;
    out.lines.line_bytes = options.capture.line_bytes;
    out.correlator.late_ms = options.late_ms;
    out.correlator.max_lines = options.lines_per_request;
    out.correlator.attributes = options.attributes;
    out.correlator.from_files = !options.tail.files.empty();
    out.ignored_attributes = options.ignored_attributes;
    return out;
}

AgentLogs::AgentLogs(Pipeline& pipeline, const Deliveries& deliveries) : pipeline_(pipeline), deliveries_(deliveries) {
    pipeline_.add(static_cast<LogObserver&>(store_));
    pipeline_.add(static_cast<LogObserver&>(observer_));
}

Result<std::unique_ptr<AgentLogs>> AgentLogs::open(const LogsOptions& options, Pipeline& pipeline,
                                                   const Deliveries& deliveries, bool with_files) {
    std::unique_ptr<AgentLogs> logs(new AgentLogs(pipeline, deliveries));
    if (!with_files || options.tail.files.empty()) return logs;
    auto tail = options.tail;
    // so that a record that the kernel has seen written, too, is there while that waits
    if (options.capture.enabled) tail.record_timeout_ms = std::min(tail.record_timeout_ms, captured_record_timeout_ms);
    auto files = FileLogs::open(
        {.tail = std::move(tail), .queue_records = options.queue_records, .queue_bytes = options.queue_bytes});
    if (!files) return files.error();
    logs->files_ = std::move(*files);
    return logs;
}

void AgentLogs::start() {
    if (files_) files_->start();
}

std::size_t AgentLogs::drain(std::size_t most) {
    return files_->drain(most, [this](LogRecord& record) { pipeline_.take(record); });
}

void AgentLogs::advance(std::uint64_t now_ns) {
    // where a sink is slow, lines wait in their files
    has_more_ = false;
    if (files_ && files_->queued() > 0) {
        const auto room = std::min(drained_at_once, pipeline_.room_for_logs());
        has_more_ = room > 0 && drain(room) == room;
    }
    store_.advance(now_ns);
}

// A line is safe once it was joined, and every sink has flushed what it had been offered by then.
void AgentLogs::tick() {
    if (!files_) return;
    if (!barrier_) {
        barrier_.emplace(Barrier{pipeline_.logs().file_records_done(), {}});
        for (const auto& delivery : deliveries_) {
            const auto stats = delivery->stats();
            barrier_->delivered.push_back(stats.offered - stats.filtered - stats.dropped);
        }
    }
    for (std::size_t i = 0; i < deliveries_.size(); ++i)
        if (deliveries_[i]->stats().flushed < barrier_->delivered[i]) return;
    files_->set_safe(barrier_->records);
    barrier_.reset();
}

void AgentLogs::stop_files() {
    if (!files_) return;
    files_->stop();
    while (drain(drained_at_once) > 0) {
    }
}

void AgentLogs::finish(std::size_t left) {
    if (!files_ || left > 0) return;
    files_->set_safe(pipeline_.logs().file_records_done());
    if (const auto saved = files_->save(); !saved)
        std::fprintf(stderr, "sonde: lines of files will come again: %s\n", saved.error().message().c_str());
}

void AgentLogs::add_samples(std::vector<Sample>& out) const {
    add_log_join(out, pipeline_.logs());
    out.push_back(counter_sample("sonde_log_store_not_kept_total",
                                 "Number of log lines beyond the rate at which they are kept for the API.",
                                 store_.not_kept()));
    out.push_back(counter_sample("sonde_log_store_evicted_total",
                                 "Number of kept log lines that made room for newer ones.", store_.evicted()));
    if (files_) {
        add_tail(out, files_->stats());
        out.push_back(gauge_sample("sonde_queue_size", "", files_->queued(), {{"queue", "tail"}}));
        out.push_back(gauge_sample("sonde_queue_capacity", "", files_->capacity(), {{"queue", "tail"}}));
    }
}

}  // namespace sonde
