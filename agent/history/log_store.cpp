#include "agent/history/log_store.hpp"

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
// As much of a message as tells its template.
constexpr std::size_t message_bytes = 256;

void count_up(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

LogStore::LogStore(const LogStoreOptions& options) : options_(options) {}

void LogStore::observe(const LogLine& line) {
    ++number_;
    const bool is_error = line.record.severity >= Severity::error;
    const auto most = is_error ? options_.errors_per_s : options_.lines_per_s;
    // a line that is too long to be shown would drive out hundreds of others
    if (kept_[is_error] >= most || line.record.raw.size() > options_.line_bytes) return count_up(not_kept_);
    ++kept_[is_error];
    auto& kept = coming_.emplace_back();
    kept.number = number_;
    kept.time_ns = line.time_ns();
    kept.request_span_id = line.request_span_id;
    kept.template_hash = line.record.template_hash;
    kept.severity = line.record.severity;
    kept.match = line.match;
    kept.service = line.service;
    kept.message = line.record.message.substr(0, message_bytes);
    append_log_json(kept.line, line);
    kept.line.pop_back();
}

void LogStore::advance(std::uint64_t now_ns) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    if (const auto second = now_ns / ns_per_s; second != second_) {
        second_ = second;
        kept_.fill(0);
    }
    auto bytes = bytes_.load(std::memory_order_relaxed);
    for (auto& line : coming_) {
        bytes += size_of(line);
        lines_.push_back(std::move(line));
    }
    coming_.clear();
    while (bytes > options_.bytes && !lines_.empty()) {
        bytes -= size_of(lines_.front());
        lines_.pop_front();
        count_up(evicted_);
    }
    bytes_.store(bytes, std::memory_order_relaxed);
    last_number_.store(number_, std::memory_order_release);
}

void LogStore::lines(const std::function<bool(const KeptLine&)>& visit) const {
    const std::lock_guard lock(mutex_);
    for (auto line = lines_.rbegin(); line != lines_.rend(); ++line)
        if (!visit(*line)) return;
}

}  // namespace sonde
