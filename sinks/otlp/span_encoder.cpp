#include "sinks/otlp/span_encoder.hpp"

#include "sinks/otlp/otlp_ids.hpp"
#include "sinks/otlp/span_attributes.hpp"

namespace sonde {
namespace {

// Span.Event: the lines that were written while the request was served, named as OpenTelemetry's bridges for loggers
// name theirs.
template <typename Fields>
void write_events(Fields& span, const TransactionLogs& logs) {
    if (!logs.lines.empty())
        span.messages(11, "events", logs.lines.size(), [&](auto& event, std::size_t i) {
            const auto& line = logs.lines[i];
            event.fixed64(1, "timeUnixNano", line.time_ns);
            event.text(2, "name", "log");
            event.attributes(3, "attributes", [&](auto&& visitor) { visit_event_attributes(line, visitor); });
        });
    if (logs.dropped > 0) span.uint32(12, "droppedEventsCount", logs.dropped);
}

}  // namespace

const SpanEncoder::Ids& SpanEncoder::ids_of(const Transaction& transaction) {
    const auto span = transaction.trace.span_id != 0 ? transaction.trace.span_id : random_() | 1;
    ids_.span = bytes_of_span_id(span);
    const bool has_trace = bytes_of_hex(transaction.trace.trace_id, otlp_trace_id_bytes, ids_.trace);
    if (!has_trace) ids_.trace = trace_id_of_span(span);
    // a parent belongs to a trace: without one it would point nowhere. What sonde saw itself stands nearer than what
    // the headers say, which proxies pass on as it came.
    if (has_trace && transaction.trace.parent != 0) {
        ids_.parent = bytes_of_span_id(transaction.trace.parent);
    } else if (!has_trace || !bytes_of_hex(transaction.trace.parent_span_id, otlp_span_id_bytes, ids_.parent))
        ids_.parent.clear();
    return ids_;
}

const std::string& SpanEncoder::key_of(const Transaction& transaction) {
    key_.assign(transaction.service);
    key_ += '\0';
    if (transaction.process) {
        key_ += std::to_string(transaction.process->pid);
        key_ += '\0';
        key_ += transaction.process->container_id;
    }
    if (transaction.kubernetes) {  // its names may become known later than its first request
        key_ += '\0';
        key_ += transaction.kubernetes->pod_uid;
        key_ += transaction.kubernetes->owner;
    }
    return key_;
}

bool SpanEncoder::add(const Record& record) {
    const auto* transaction = std::get_if<Transaction>(&record);
    if (transaction == nullptr) return false;
    const auto& ids = ids_of(*transaction);
    name_.clear();
    append_span_name(name_, *transaction);
    // Span of opentelemetry/proto/trace/v1/trace.proto
    request_.add(
        key_of(*transaction), [&](auto& visitor) { visit_resource_attributes(*transaction, visitor); },
        [&](auto& span) {
            span.id(1, "traceId", ids.trace);
            span.id(2, "spanId", ids.span);
            if (!ids.parent.empty()) span.id(4, "parentSpanId", ids.parent);
            span.text(5, "name", name_);
            span.enumeration(6, "kind", static_cast<std::int32_t>(kind_of(*transaction)));
            span.fixed64(7, "startTimeUnixNano", transaction->time_ns);
            span.fixed64(8, "endTimeUnixNano", transaction->time_ns + transaction->duration_ns);
            span.attributes(9, "attributes", [&](auto&& visitor) { visit_span_attributes(*transaction, visitor); });
            if (transaction->logs) write_events(span, *transaction->logs);
            span.message(15, "status", [&](auto& status) {
                if (status_of(*transaction) == SpanStatus::error)
                    status.enumeration(3, "code", static_cast<std::int32_t>(SpanStatus::error));
            });
        });
    return true;
}

}  // namespace sonde
