#include "agent/correlate/log_join.hpp"

#include <algorithm>
#include <utility>

namespace sonde {
namespace {

constexpr std::uint64_t tick_every_ns = 10'000'000;
// Lines that are kept to be used again: those that wait to be joined and delivered at 25,000 a second.
constexpr std::size_t pool_max = 8192;
constexpr std::size_t pool_tries = 16;  // a few lines that are held for long must not make the pool grow

}  // namespace

LogJoin::LogJoin(LogJoinOptions options, Correlator::Output output)
    : options_(std::move(options)),
      correlator_(options_.correlator, std::move(output)),
      lines_(options_.lines, [this](const WrittenRecord& written) { parse(written); }) {}

void LogJoin::on(const LogWrite& write) {
    if (!options_.enabled) return;
    correlator_.writes(write.pid, write.time_ns);  // its line may be complete only after the response
    lines_.on(write, correlator_.anchor(write));
}

void LogJoin::process_ended(std::uint32_t pid) {
    lines_.process_ended(pid);
    correlator_.process_ended(pid);
    std::erase_if(parsers_, [pid](const auto& known) { return known.first >> 32 == pid; });
}

LineParser& LogJoin::parser_of(std::uint32_t pid, std::uint32_t fd) {
    const auto key = std::uint64_t{pid} << 32 | fd;
    if (const auto at = parsers_.find(key); at != parsers_.end()) return *at->second;
    if (parsers_.size() >= options_.max_parsers) return shared_parser_;
    return *parsers_.emplace(key, std::make_unique<LineParser>()).first->second;
}

// A line that every sink has let go of is used again. Sinks drop their references on other threads: the count is read
// with the ordering that makes their last reads happen before.
std::shared_ptr<LogLine> LogJoin::fresh_line() {
    for (std::size_t tries = 0; tries < pool_tries && !pool_.empty(); ++tries) {
        // in the order of their use, so that the one that was taken longest ago is next: the pool holds hardly more
        // than what is in use at a time
        if (pool_next_ >= pool_.size()) pool_next_ = 0;
        auto& line = pool_[pool_next_++];
        if (line.use_count() != 1) continue;
        std::atomic_thread_fence(std::memory_order_acquire);
        auto& l = *line;
        l.monotonic_ns = l.strand = l.request_span_id = l.file_number = 0;
        l.match = LogMatch::none;
        l.confidence = 0;
        l.request_method.clear();
        l.request_trace_id.clear();
        l.candidate_count = 0;
        l.service = {};
        return line;
    }
    auto line = std::make_shared<LogLine>();
    if (pool_.size() < pool_max) pool_.push_back(line);
    return line;
}

void LogJoin::ignore_attributes(LogRecord& record) const {
    for (const auto& name : options_.ignored_attributes) {
        std::erase_if(record.attributes, [&](const LogAttribute& a) { return a.key == name; });
        if (name == "trace_id") record.trace_id.clear();
        if (name == "span_id") record.span_id.clear();
        if (name == "request_id") record.request_id.clear();
    }
}

void LogJoin::parse(const WrittenRecord& written) {
    const auto& write = written.write;
    auto line = fresh_line();
    auto& record = line->record;
    const auto written_ns = static_cast<std::uint64_t>(static_cast<std::int64_t>(write.time_ns) + realtime_offset_ns_);
    parser_of(write.pid, write.fd).parse(written.text, written_ns, record);
    record.flags |= written.flags;
    auto& source = record.source;
    source = {};
    source.origin = LogOrigin::kernel;
    source.stream = write.fd == 1 ? LogStream::out : write.fd == 2 ? LogStream::err : LogStream::none;
    source.pid = write.pid;
    source.tid = write.tid;
    source.device = write.device;
    source.inode = write.inode;
    source.offset = written.offset;
    source.end_offset = write.inode != 0 ? written.offset + written.text.size() + 1 : 0;
    ignore_attributes(record);
    line->monotonic_ns = write.time_ns;
    line->strand = write.strand;
    correlator_.add(std::move(line), written.anchor);
}

void LogJoin::take(LogRecord& record) {
    ++file_records_;
    if (!options_.enabled) return record.clear();
    auto line = fresh_line();
    std::swap(line->record, record);
    record.clear();
    line->file_number = file_records_;
    ignore_attributes(line->record);
    // who tails a file reads a line shortly after it was written: near enough for the access rule, which asks for it
    const auto observed_ns = static_cast<std::int64_t>(line->record.observed_ns) - realtime_offset_ns_;
    line->monotonic_ns = observed_ns > 0 ? static_cast<std::uint64_t>(observed_ns) : 0;
    correlator_.add(std::move(line));
}

bool LogJoin::hold(const Transaction& transaction) {
    if (!options_.enabled) return false;
    const auto began_ns = static_cast<std::int64_t>(transaction.time_ns) - realtime_offset_ns_;
    return correlator_.hold(transaction,
                            static_cast<std::uint64_t>(std::max<std::int64_t>(began_ns, 0)) + transaction.duration_ns);
}

void LogJoin::advance(std::uint64_t now_ns) {
    if (!options_.enabled || now_ns < next_tick_ns_) return;
    next_tick_ns_ = now_ns + tick_every_ns;
    lines_.tick(now_ns);
    correlator_.advance(now_ns);
    bytes_cut_.store(lines_.bytes_cut(), std::memory_order_relaxed);
}

void LogJoin::finish() {
    lines_.finish();
    correlator_.finish();
}

}  // namespace sonde
