#include "agent/pipeline/pipeline.hpp"

#include <chrono>
#include <cstring>

#include "agent/pipeline/decoder.hpp"

namespace sonde {
namespace {

std::uint16_t record_type(std::span<const std::byte> record) {
    std::uint16_t type = SONDE_REC_NONE;
    if (record.size() >= sizeof type) std::memcpy(&type, record.data(), sizeof type);
    return type < SONDE_REC_TYPES ? type : std::uint16_t{SONDE_REC_NONE};
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;  // clang 14 does not deduce it for an aggregate

}  // namespace

Pipeline::Pipeline(const PipelineOptions& options, HttpMetrics& metrics)
    : options_(options),
      metrics_(metrics),
      redactor_(options.redaction->common()),
      processes_({.read_proc = options.read_proc, .redact = [this](Process& process) { redactor_.redact(process); }}),
      routes_(options.routes, [this](std::string_view segment) { return redactor_.hides(segment); }),
      tracker_(options.tracker, [this](Transaction& t, std::uint32_t pid) { complete(t, pid); }) {}

void Pipeline::on_record(std::span<const std::byte> record) {
    const auto event = decode(record);
    if (!event) {
        bump(stats_.invalid_records);
        bump(invalid_[record_type(record)]);
        return;
    }
    std::visit(Overloaded{
                   [&](const ProcExec& e) { processes_.on_exec(e.pid, e.parent_pid, e.comm, e.filename); },
                   [&](const ProcExit& e) { processes_.on_exit(e.pid); },
                   [&](const ProcInfo& e) {
                       auto process = std::make_shared<Process>();
                       process->pid = e.pid;
                       process->start_time_ns = e.start_time_ns;
                       process->comm = e.comm;
                       process->exe = e.exe;
                       process->program = e.program;
                       process->unit = e.unit;
                       process->container_id = e.container_id;
                       redactor_.redact(*process);
                       processes_.put(std::move(process));
                   },
                   [&](const auto& e) {
                       last_record_ns_ = e.time_ns;
                       tracker_.on(e);
                   },
               },
               *event);
}

void Pipeline::complete(Transaction& transaction, std::uint32_t pid) {
    if (pid != 0 && pid == options_.self_pid) {
        bump(stats_.own_transactions);
        return;
    }
    if (pid != 0) transaction.process = processes_.find(pid);
    const bool server = transaction.side == Side::server;
    transaction.service = services_.name(transaction.process.get(), server ? transaction.server.port : 0);
    transaction.route = routes_.route(transaction.service, transaction.path.view());
    bump(stats_.transactions);
    metrics_.observe(transaction);
    if (!observers_.empty() || !deliveries_.empty() || !strict_deliveries_.empty()) deliver(transaction);
}

// Metrics have seen it: what goes on from here has passed a redactor. A delivery's refusal is counted there.
void Pipeline::deliver(Transaction& transaction) {
    for (auto& [delivery, redactor] : strict_deliveries_) {
        auto& copy = outgoing_.emplace<Transaction>(transaction);
        if (redactor->redact(copy)) delivery->offer(outgoing_);
    }
    const bool leaves = redactor_.redact(transaction);
    for (auto* observer : observers_) observer->observe(transaction);
    if (!leaves || deliveries_.empty()) return;
    outgoing_.emplace<Transaction>(transaction);
    for (auto* delivery : deliveries_) delivery->offer(outgoing_);
}

void Pipeline::add(Delivery& delivery) {
    if (const auto* own = options_.redaction->for_sink(delivery.name())) {
        strict_deliveries_.push_back({&delivery, std::make_unique<RecordRedactor>(*own)});
    } else {
        deliveries_.push_back(&delivery);
    }
}

void Pipeline::offer(const Record& record) {
    for (auto* delivery : deliveries_) delivery->offer(record);
    for (auto& own : strict_deliveries_) own.delivery->offer(record);
}

LossMatrix Pipeline::losses(const EventSource& source) const {
    auto matrix = source.losses();
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        const auto invalid = invalid_[type].load(std::memory_order_relaxed);
        matrix.rows[type].lost[SONDE_LOSS_DECODE_INVALID] += invalid;
        matrix.rows[type].delivered -= std::min(invalid, matrix.rows[type].delivered);
    }
    return matrix;
}

void Pipeline::report_losses(const EventSource& source) {
    const auto now = losses(source);
    if (now.lost_total() == reported_.lost_total()) return;
    LossRecord loss;
    loss.time_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        auto& row = loss.since_last.rows[type];
        loss.in_flight += now.rows[type].seen - now.rows[type].delivered;
        row.seen = now.rows[type].seen - reported_.rows[type].seen;
        row.delivered = now.rows[type].delivered - reported_.rows[type].delivered;
        for (std::size_t reason = 0; reason < SONDE_LOSS_REASONS; ++reason) {
            row.lost[reason] = now.rows[type].lost[reason] - reported_.rows[type].lost[reason];
            loss.in_flight -= now.rows[type].lost[reason];
        }
    }
    reported_ = now;
    offer(Record(std::in_place_type<LossRecord>, loss));
}

void Pipeline::tick(const EventSource& source) {
    tracker_.set_realtime_offset_ns(source.realtime_offset_ns());
    tracker_.tick(last_record_ns_);
    report_losses(source);
}

void Pipeline::finish(const EventSource& source) {
    tracker_.finish();
    report_losses(source);
}

}  // namespace sonde
