#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/http/server.hpp"
#include "agent/metric/http_metrics.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/probe/kernel_features.hpp"
#include "agent/resource/collector.hpp"
#include "sinks/delivery.hpp"
#include "sinks/file/file_sink_status.hpp"

namespace sonde {

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
    // Traffic is being watched from now on: /readyz says so.
    void set_watching() { watching_.store(true, std::memory_order_release); }
    // Delivers what is open, drains and flushes the sinks.
    Status stop(const EventSource& source);

private:
    Agent() = default;
    [[nodiscard]] std::vector<Sample> samples() const;

    std::shared_ptr<HttpMetrics> http_metrics_;
    std::shared_ptr<SelfMetrics> self_metrics_;
    HttpProcesses http_processes_;
    std::unique_ptr<TransactionObserver> process_observer_;
    std::unique_ptr<Pipeline> pipeline_;
    std::vector<std::unique_ptr<Delivery>> deliveries_;
    std::vector<std::pair<std::string, std::shared_ptr<const FileSinkStatus>>> file_sinks_;
    std::shared_ptr<ResourceCollector> resources_;  // null in a replay
    std::atomic<bool> sinks_open_{false};
    std::atomic<bool> watching_{false};
    std::unique_ptr<HttpServer> server_;  // last: its threads read all of the above
    std::string address_;
};

}  // namespace sonde
