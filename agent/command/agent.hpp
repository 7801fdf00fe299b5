#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/alert/alert_service.hpp"
#include "agent/alert/health_prober.hpp"
#include "agent/api/health.hpp"
#include "agent/command/agent_logs.hpp"
#include "agent/command/config_reloader.hpp"
#include "agent/command/label_redactor.hpp"
#include "agent/command/memory_plan.hpp"
#include "agent/config/config.hpp"
#include "agent/history/history.hpp"
#include "agent/http/server.hpp"
#include "agent/identity/kubernetes.hpp"
#include "agent/metric/http_metrics.hpp"
#include "agent/metric/rpc_metrics.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/probe/kernel_features.hpp"
#include "agent/resource/collector.hpp"
#include "agent/wait/wait_sampler.hpp"
#include "sinks/delivery.hpp"
#include "sinks/file/file_sink_status.hpp"

namespace sonde {

struct SinkContext;
struct SinkOptions;

// Everything behind the source: pipeline, metrics, sinks, HTTP server, wired once. `run` and `replay` differ in
// their source only.
class Agent {
public:
    // source outlives the agent. features: of this machine; empty in a replay, which says nothing about it.
    // resources: null where the kernel offers none. probes_attached: asked by /readyz once traffic is
    // watched; any thread.
    static Result<std::unique_ptr<Agent>> start(const Config& config, const EventSource& source,
                                                std::vector<Feature> features,
                                                std::unique_ptr<ResourceSource> resources = nullptr,
                                                std::function<bool()> probes_attached = {});
    ~Agent();

    [[nodiscard]] Pipeline& pipeline() { return *pipeline_; }
    [[nodiscard]] const Pipeline& pipeline() const { return *pipeline_; }
    // HOST:PORT that the HTTP server listens on.
    [[nodiscard]] const std::string& address() const { return address_; }
    // Of each sink, in the order of their wiring.
    [[nodiscard]] const std::vector<std::unique_ptr<Delivery>>& deliveries() const { return deliveries_; }
    // Traffic is being watched from now on: /readyz says so.
    void set_watching() { watching_.store(true, std::memory_order_release); }
    // Follows the configuration from now on: its file, and reload_fd (an eventfd). Once.
    void watch_config(const ConfigRequest& request, const Config& config, int reload_fd);
    // The pipeline's thread, between two polls: takes over what a reload has made. After watch_config().
    void adopt_reload();
    // Pipeline thread, after every look at the source: closes the history's seconds.
    void advance();
    // Whether advance() left work that the next look at the source should not wait for.
    [[nodiscard]] bool has_more() const { return logs_->has_more(); }
    // Pipeline thread, about once a second.
    void tick(const EventSource& source);
    // Delivers what is open, drains and flushes the sinks.
    Status stop(const EventSource& source);

private:
    Agent() = default;
    [[nodiscard]] std::vector<Sample> samples() const;
    void sample_waits();
    Status open_event_files(const std::string& directory, const MemoryPlan& memory);
    Status open_sink(const SinkOptions& options, const std::string& configured, const SinkContext& context);
    void offer_alerts();
    Status start_alerts(const Config& config, const EventSource& source);
    void sample_health(const EventSource& source);
    void add_api(Handlers& handlers, const Config& config, const EventSource& source,
                 const std::vector<Feature>& features, std::vector<std::shared_ptr<prometheus::Collectable>> metrics);

    std::shared_ptr<HttpMetrics> http_metrics_;
    std::shared_ptr<RpcMetrics> rpc_metrics_;
    std::shared_ptr<SelfMetrics> self_metrics_;
    std::shared_ptr<LabelRedactor> pod_labels_;  // of the cluster's thread
    std::unique_ptr<Kubernetes> kubernetes_;     // null: no cluster
    HttpProcesses http_processes_;
    std::unique_ptr<TransactionObserver> process_observer_;
    std::unique_ptr<History> history_;  // null in a replay
    HealthMonitor health_;
    std::uint64_t memory_max_bytes_ = 0;  // 0: no ceiling
    std::uint64_t trimmed_s_ = 0;         // when what was free went back to the kernel, because memory was short
    std::unique_ptr<TransactionObserver> rpc_observer_;
    std::unique_ptr<WaitSampler> wait_sampler_;  // null: nobody looks
    std::unique_ptr<Pipeline> pipeline_;
    std::vector<std::unique_ptr<Delivery>> deliveries_;
    std::vector<Delivery*> record_deliveries_;  // those of them that take records
    std::vector<std::pair<std::string, std::shared_ptr<const FileSinkStatus>>> file_sinks_;
    std::unique_ptr<AgentLogs> logs_;
    std::shared_ptr<ResourceCollector> resources_;  // null in a replay
    std::shared_ptr<LabelRedactor> labels_;         // of the resource collector
    std::unique_ptr<ConfigReloader> reloader_;
    ServiceWatch service_watch_;
    std::unique_ptr<HealthProber> prober_;              // null: nothing to probe
    std::unique_ptr<AlertService> alerts_;              // null in a replay, or where it is not wanted
    std::atomic<AlertService*> alerts_ready_{nullptr};  // the same, once it runs
    std::atomic<bool> watches_config_{false};
    std::atomic<bool> sinks_open_{false};
    std::atomic<bool> watching_{false};
    std::unique_ptr<HttpServer> server_;  // last: its threads read all of the above
    std::string address_;
};

}  // namespace sonde
