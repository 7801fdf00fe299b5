#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/identity/process_table.hpp"
#include "agent/identity/service.hpp"
#include "agent/metric/http_metrics.hpp"
#include "agent/pipeline/connection_tracker.hpp"
#include "agent/redact/record_redactor.hpp"
#include "agent/route/route_table.hpp"
#include "agent/source/event_source.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

// Sees every finished transaction, on the pipeline thread.
class TransactionObserver {
public:
    virtual ~TransactionObserver() = default;
    virtual void observe(const Transaction& transaction) = 0;
};

struct PipelineOptions {
    TrackerLimits tracker;
    RouteLimits routes;
    std::uint32_t self_pid = 0;  // its transactions are left out; 0: none are
    bool read_proc = true;       // false in a replay: the processes of a recording are not those of this machine
    std::shared_ptr<const RedactionPolicySet> redaction = RedactionPolicySet::defaults();
};

// Number of records and transactions over the pipeline's life; readable from any thread.
struct PipelineStats {
    std::atomic<std::uint64_t> invalid_records{0};
    std::atomic<std::uint64_t> transactions{0};
    std::atomic<std::uint64_t> own_transactions{0};
};

// record → event → connection → transaction → metrics, observers, sinks. One thread runs it: the source's records
// are decoded where they lie, so no queue and no copy stands between the kernel's ring and a transaction.
class Pipeline final : public RecordHandler {
public:
    // metrics, observers and deliveries outlive the pipeline.
    Pipeline(const PipelineOptions& options, HttpMetrics& metrics);

    void add(TransactionObserver& observer) { observers_.push_back(&observer); }
    // A sink with a redaction of its own is known by its name.
    void add(Delivery& delivery);

    void on_record(std::span<const std::byte> record) override;
    // About once a second: times of day, silent responses, the loss line.
    void tick(const EventSource& source);
    void finish(const EventSource& source);

    [[nodiscard]] const PipelineStats& stats() const { return stats_; }
    [[nodiscard]] const TrackerStats& tracker_stats() const { return tracker_.stats(); }
    // Any thread: its counters only.
    [[nodiscard]] const RecordRedactor& redactor() const { return redactor_; }
    [[nodiscard]] const ProcessTable& processes() const { return processes_; }
    // The source's matrix with what the decoder refused. Any thread.
    [[nodiscard]] LossMatrix losses(const EventSource& source) const;

private:
    void complete(Transaction& transaction, std::uint32_t pid);
    void offer(const Record& record);
    void deliver(Transaction& transaction);
    void report_losses(const EventSource& source);

    const PipelineOptions options_;
    HttpMetrics& metrics_;
    std::vector<TransactionObserver*> observers_;
    struct OwnRedaction {
        Delivery* delivery;
        std::unique_ptr<RecordRedactor> redactor;
    };
    RecordRedactor redactor_;
    std::vector<Delivery*> deliveries_;
    std::vector<OwnRedaction> strict_deliveries_;  // with a redaction of their own
    ProcessTable processes_;
    ServiceNames services_;
    RouteTable routes_;
    ConnectionTracker tracker_;
    Record outgoing_;  // reused: a record is large
    LossMatrix reported_;
    std::uint64_t last_record_ns_ = 0;
    std::array<std::atomic<std::uint64_t>, SONDE_REC_TYPES> invalid_{};
    PipelineStats stats_;
};

}  // namespace sonde
