#include <algorithm>

#include "agent/pipeline/pipeline.hpp"
#include "agent/pipeline/trace_halves.hpp"

// What becomes of a log line that has met its request, or none.
namespace sonde {

bool Pipeline::redact(LogLine& line) {
    auto& source = line.record.source;
    if (!source.service.empty()) line.service = services_.name(source.service);
    if (source.pid != 0) {
        const auto process = processes_.find(source.pid);
        if (line.service.empty()) line.service = services_.name(process.get(), 0);
        if (process && source.container_id.empty()) source.container_id = line.record.text.add(process->container_id);
    }
    return redactor_.redact(line.record, line.service);
}

void Pipeline::deliver(const std::shared_ptr<LogLine>& line) {
    for (auto* observer : log_observers_) observer->observe(*line);
    if (outlets_.empty()) return;
    const auto& trace_id = line->request_trace_id.empty() ? line->record.trace_id : line->request_trace_id;
    const auto [high, low] = trace_halves(trace_id);
    const bool is_error = line->record.severity >= Severity::error;
    if (sampler_.decide_line(high, low, is_error, line->record.observed_ns).keep) offer_line(line);
}

// The common redactor has seen it; a sink with one of its own gets a copy that has passed that, too.
void Pipeline::offer_line(const std::shared_ptr<LogLine>& line) {
    for (auto& outlet : outlets_) {
        if (outlet.carries == Carries::all_but_logs) continue;
        auto leaving = line;
        if (outlet.redactor) {
            leaving = std::make_shared<LogLine>();
            leaving->record.copy_from(line->record);
            leaving->match = line->match, leaving->confidence = line->confidence;
            leaving->request_span_id = line->request_span_id;
            leaving->request_method = line->request_method, leaving->request_trace_id = line->request_trace_id;
            leaving->candidates = line->candidates, leaving->candidate_count = line->candidate_count;
            leaving->service = line->service;
            if (!outlet.redactor->redact(leaving->record, leaving->service)) continue;
        }
        outlet.delivery->offer(Record(std::in_place_type<LogLinePtr>, std::move(leaving)));
    }
}

std::size_t Pipeline::room_for_logs() const {
    // a quarter of each queue stays free for transactions, and for lines that cannot wait
    auto room = static_cast<std::uint64_t>(options_.logs.correlator.max_waiting_lines) * 3 / 4;
    auto taken = logs_.stats().waiting_lines.load(std::memory_order_relaxed);
    for (const auto& outlet : outlets_) {
        if (outlet.carries == Carries::all_but_logs) continue;
        const auto stats = outlet.delivery->stats();
        const auto free = stats.capacity * 3 / 4 - std::min(stats.capacity * 3 / 4, stats.queued);
        room = std::min(room, free);
    }
    return room - std::min(room, taken);
}

}  // namespace sonde
