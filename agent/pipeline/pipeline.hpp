#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/correlate/log_join.hpp"
#include "agent/identity/kubernetes_directory.hpp"
#include "agent/identity/process_table.hpp"
#include "agent/identity/service.hpp"
#include "agent/identity/workload.hpp"
#include "agent/metric/downstream_metrics.hpp"
#include "agent/metric/http_metrics.hpp"
#include "agent/metric/wait_metrics.hpp"
#include "agent/metric/websocket_metrics.hpp"
#include "agent/model/process_watch.hpp"
#include "agent/pipeline/connection_tracker.hpp"
#include "agent/pipeline/parent_links.hpp"
#include "agent/pipeline/policies.hpp"
#include "agent/pipeline/request_waits.hpp"
#include "agent/pipeline/tls_connections.hpp"
#include "agent/sample/sampler.hpp"
#include "agent/sample/sink_gate.hpp"
#include "agent/source/event_source.hpp"
#include "sinks/carries.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

// Sees every finished transaction, on the pipeline thread.
class TransactionObserver {
public:
    virtual ~TransactionObserver() = default;
    // A WebSocket's is that of the whole connection, when it has ended.
    virtual void observe(const Transaction& transaction) = 0;
    // The request that opened a WebSocket, when it was answered: for those who count requests.
    virtual void websocket_opened(const Transaction&) {}
};

// Sees every log line, joined and redacted, on the pipeline thread.
class LogObserver {
public:
    virtual ~LogObserver() = default;
    virtual void observe(const LogLine& line) = 0;
};

struct PipelineOptions {
    TrackerLimits tracker{};
    std::size_t max_processes = ProcessTableOptions{}.max_processes;
    std::uint32_t self_pid = 0;  // its transactions are left out; 0: none are
    bool read_proc = true;       // false in a replay: the processes of a recording are not those of this machine
    PipelinePolicies policies{};
    LogJoinOptions logs{};
};

// Number of records and transactions over the pipeline's life; readable from any thread.
struct PipelineStats {
    std::atomic<std::uint64_t> invalid_records{0};
    std::atomic<std::uint64_t> transactions{0};
    std::atomic<std::uint64_t> own_transactions{0};
    std::atomic<std::uint64_t> unwatched_transactions{0};  // of processes that discovery rules leave out
};

// record → event → connection → transaction → metrics, observers, sinks. One thread runs it: the source's records
// are decoded where they lie, so no queue and no copy stands between the kernel's ring and a transaction.
class Pipeline final : public RecordHandler, private WebSocketEvents, private RequestObserver {
public:
    // metrics, observers and deliveries outlive the pipeline.
    Pipeline(const PipelineOptions& options, HttpMetrics& metrics);

    void add(TransactionObserver& observer) { observers_.push_back(&observer); }
    void add(LogObserver& observer) { log_observers_.push_back(&observer); }
    // A sink with a redaction or a limit of its own is known by its name.
    // known_as: that name, where it is not the delivery's. carries: something.
    void add(Delivery& delivery, Carries carries = Carries::everything, std::string known_as = {});

    // A reload: prepare() on any thread, after the last add(); adopt() on the pipeline's, between two records. What is
    // seen before is treated by the old policies alone, what is seen after by the new ones alone.
    [[nodiscard]] PreparedPolicies prepare(const PipelinePolicies& policies) const;
    void adopt(PreparedPolicies prepared);

    // Names from a cluster. directory outlives the pipeline. Before the first record.
    void set_kubernetes(const KubernetesDirectory& directory, bool pod_label);
    // Looks at what serving threads wait for. Before the first record.
    void set_waits(std::unique_ptr<RequestWaits> waits) { waits_ = std::move(waits); }
    // Outlives the pipeline. Null: nobody.
    void add_watch(ProcessWatch* watch) {
        if (watch != nullptr) watches_.push_back(watch);
    }

    void on_record(std::span<const std::byte> record) override;
    // Records of files (agent/log), to be joined with those that the kernel saw written. The record is left empty.
    void take(LogRecord& record) { logs_.take(record); }
    // Number of them for which there is room now, where they wait and in the queues of all sinks after that.
    [[nodiscard]] std::size_t room_for_logs() const;
    // After each poll: lets go of what waited for its time. now_ns: CLOCK_MONOTONIC, of the records in a replay.
    void advance(std::uint64_t now_ns) {
        logs_.advance(now_ns);
        links_.advance(now_ns);
        if (waits_) waits_->advance(now_ns);
    }
    // About once a second: times of day, silent responses, the loss line.
    void tick(const EventSource& source);
    void finish(const EventSource& source);

    [[nodiscard]] const PipelineStats& stats() const { return stats_; }
    // For /metrics; its Collect() may outlive the pipeline.
    [[nodiscard]] std::shared_ptr<TlsConnections> tls_connections() const { return tls_; }
    [[nodiscard]] std::shared_ptr<WebSocketMetrics> websocket_metrics() const { return websockets_; }
    [[nodiscard]] std::shared_ptr<WaitMetrics> wait_metrics() const { return wait_metrics_; }
    [[nodiscard]] std::shared_ptr<DownstreamMetrics> downstream_metrics() const { return downstream_; }
    [[nodiscard]] const TrackerStats& tracker_stats() const { return tracker_.stats(); }
    // Any thread: their counters only.
    [[nodiscard]] const RecordRedactor& redactor() const { return redactor_; }
    [[nodiscard]] const Sampler& sampler() const { return sampler_; }
    [[nodiscard]] const LogJoin& logs() const { return logs_; }
    // Number of transactions that a sink's limit or full queue kept from it. Any thread, after the last add().
    [[nodiscard]] std::uint64_t held_back(const Delivery& delivery) const;
    [[nodiscard]] const Http2Stats& http2_stats() const { return tracker_.http2_stats(); }
    [[nodiscard]] const ParentLinkStats& link_stats() const { return links_.stats(); }
    [[nodiscard]] const ProcessTable& processes() const { return processes_; }
    // The source's matrix with what the decoder refused. Any thread.
    [[nodiscard]] LossMatrix losses(const EventSource& source) const;

private:
    void request_read(const RequestRead& read) override;
    void request_sent(const RequestSent& sent) override { links_.request_sent(sent); }
    void response_began(Transaction& request, const ThreadClock& by, std::uint64_t time_ns) override;
    void request_dropped(std::uint64_t span_id) override;
    // No line will be joined with it, whatever becomes of the request.
    void forget_for_logs(std::uint64_t span_id);
    void complete(Transaction& transaction, std::uint32_t pid);
    void opened(WebSocketSession& session) override;
    void moved(const WebSocketSession& session, bool outgoing, const WebSocketSession::Moved& moved) override;
    void closed(const WebSocketSession& session, Transaction& transaction) override;
    bool is_watched(const RequestRead& read);
    // Fills in process, service and route. False: it is sonde's own, or of a process that nobody watches.
    bool identify(Transaction& transaction, std::uint32_t pid);
    bool redact(LogLine& line);
    void offer_line(const std::shared_ptr<LogLine>& line);
    void deliver(const std::shared_ptr<LogLine>& line);
    // Which pod it ran in, whom it asked.
    void place_in_cluster(Transaction& transaction);
    void hand_on(Transaction& transaction);
    void settled(Transaction& transaction);
    void pass_on(Transaction& transaction);
    void deliver(const Transaction& transaction, bool must);
    void report_losses(const EventSource& source);

    PipelineOptions options_;
    HttpMetrics& metrics_;
    std::vector<TransactionObserver*> observers_;
    std::vector<LogObserver*> log_observers_;
    struct Outlet {
        Delivery* delivery;
        std::unique_ptr<RecordRedactor> redactor;  // null: what all get
        std::unique_ptr<SinkGate> gate;
        Carries carries = Carries::everything;
        LossMatrix reported{};  // what its loss lines have told so far
        std::string known_as;   // name in the policies
    };
    RecordRedactor redactor_;
    Sampler sampler_;
    std::vector<Outlet> outlets_;
    std::vector<ProcessWatch*> watches_;
    ProcessTable processes_;
    Discovery discovery_;
    ServiceNames services_;
    std::unique_ptr<KubernetesView> kubernetes_;  // null: no cluster
    std::unique_ptr<WorkloadNames> workloads_;
    RouteTable routes_;
    ParentLinks links_;
    LogJoin logs_;
    std::unique_ptr<RequestWaits> waits_;  // null: nobody looks
    ConnectionTracker tracker_;
    bool own_redactions_ = false;  // some outlet has a redaction of its own
    Transaction unredacted_;       // reused, as is the next: a record is large
    Record outgoing_;
    std::shared_ptr<DownstreamMetrics> downstream_ = std::make_shared<DownstreamMetrics>();
    std::shared_ptr<WaitMetrics> wait_metrics_ = std::make_shared<WaitMetrics>();
    std::shared_ptr<WebSocketMetrics> websockets_ = std::make_shared<WebSocketMetrics>();
    std::shared_ptr<TlsConnections> tls_ = std::make_shared<TlsConnections>();
    std::uint64_t last_record_ns_ = 0;
    std::uint64_t last_tick_ns_ = 0;
    std::array<std::atomic<std::uint64_t>, SONDE_REC_TYPES> invalid_{};
    PipelineStats stats_;
};

}  // namespace sonde
