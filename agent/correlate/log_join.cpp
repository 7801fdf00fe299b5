#include "agent/correlate/log_join.hpp"

#include <algorithm>
#include <utility>

namespace sonde {
namespace {

constexpr std::uint64_t tick_every_ns = 10'000'000;
// Lines that are kept to be used again: those on their way to the sinks, and those of files that wait to be joined.
constexpr std::size_t pool_max = 8192;
constexpr std::uint64_t parser_idle_ns = 60'000'000'000;
// The last lines of a process are parsed after it has ended: so long they wait at most.
constexpr std::uint64_t last_lines_ns = 5'000'000'000;

}  // namespace

LogJoin::LogJoin(LogJoinOptions options, Correlator::Output output)
    : options_(std::move(options)),
      pool_(pool_max),
      correlator_(options_.correlator, std::move(output),
                  [this](const WrittenRecord& written) { return parse(written); }),
      lines_(options_.lines, [this](const WrittenRecord& written) { correlator_.add(written); }) {}

void LogJoin::on(const LogWrite& write) {
    if (!options_.enabled) return;
    correlator_.writes(write.pid, write.time_ns);  // its line may be complete only after the response
    lines_.on(write, correlator_.anchor(write));
}

void LogJoin::process_ended(std::uint32_t pid) {
    lines_.process_ended(pid);
    correlator_.process_ended(pid);
    for (auto& [key, known] : parsers_)
        if (key >> 32 == pid) known.forget_ns = now_ns_ + last_lines_ns;
}

void LogJoin::forget_parsers() {
    if (now_ns_ < next_forget_ns_) return;
    next_forget_ns_ = now_ns_ + last_lines_ns;
    std::erase_if(parsers_, [&](const auto& entry) { return entry.second.forget_ns <= now_ns_; });
}

LineParser& LogJoin::parser_of(std::uint32_t pid, std::uint32_t fd) {
    const auto key = std::uint64_t{pid} << 32 | fd;
    auto at = parsers_.find(key);
    if (at == parsers_.end()) {
        if (parsers_.size() >= options_.max_parsers) return shared_parser_;
        at = parsers_.try_emplace(key).first;
    }
    at->second.forget_ns = now_ns_ + parser_idle_ns;
    return at->second.parser;
}

std::shared_ptr<LogLine> LogJoin::fresh_line() {
    auto line = pool_.take();
    line->monotonic_ns = line->strand = line->request_span_id = line->file_number = 0;
    line->match = LogMatch::none;
    line->confidence = 0;
    line->request_method.clear();
    line->request_trace_id.clear();
    line->candidate_count = 0;
    line->service = {};
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

std::shared_ptr<LogLine> LogJoin::parse(const WrittenRecord& written) {
    const auto& write = written.write;
    auto line = fresh_line();
    auto& record = line->record;
    const auto written_ns = static_cast<std::uint64_t>(static_cast<std::int64_t>(write.time_ns) + realtime_offset_ns_);
    parser_of(write.pid, write.fd).parse(written.text, written_ns, record);
    record.flags |= written.flags;
    auto& source = record.source;
    source = {};
    source.origin = LogOrigin::kernel;
    source.stream = stream_of(write.fd);
    source.pid = write.pid;
    source.tid = write.tid;
    source.device = write.device;
    source.inode = write.inode;
    source.offset = write.offset;
    source.end_offset = write.inode != 0 ? write.offset + written.length + 1 : 0;
    ignore_attributes(record);
    line->monotonic_ns = write.time_ns;
    line->strand = write.strand;
    return line;
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
    now_ns_ = std::max(now_ns_, now_ns);
    lines_.tick(now_ns);
    correlator_.advance(now_ns);
    forget_parsers();
    bytes_cut_.store(lines_.bytes_cut(), std::memory_order_relaxed);
}

void LogJoin::finish() {
    lines_.finish();
    correlator_.finish();
}

}  // namespace sonde
