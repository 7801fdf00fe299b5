#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/command/agent_logs.hpp"
#include "agent/command/endpoint_table.hpp"
#include "agent/command/memory_plan.hpp"
#include "agent/config/config.hpp"
#include "agent/history/history.hpp"
#include "agent/http/server.hpp"
#include "agent/metric/rpc_metrics.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/model/process_watch.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/resource/http_processes.hpp"
#include "sinks/delivery.hpp"
#include "tests/scale/record_stream.hpp"

namespace sonde {

// CPU seconds of what ran so far.
struct CpuTimes {
    double pipeline_s = 0;  // its thread: polls, and what it does once a second
    double history_s = 0;   // the history's thread
};

// The agent as Agent::start() wires it, with one sink that writes JSON lines to /dev/null, in time that is not the
// clock's. Left out is what looks at this machine: probes, /proc, resources, Kubernetes, alerts, the HTTP server.
// The history's thread is the caller's, so that none of its work is late because traffic runs faster than time.
class Watched {
public:
    static Result<std::unique_ptr<Watched>> start(const Config& config, const RecordStream& source);

    // All of the source's records, and time up to now_ns. Waits where the sink's queue is half full: that traffic runs
    // faster than time is not its fault.
    void take(RecordStream& source, std::uint64_t now_ns);
    // What waits for its time goes on, up to the sink. Connections stay.
    void settle(RecordStream& source, std::uint64_t now_ns);

    // As /metrics answers Prometheus.
    [[nodiscard]] std::string scrape() const;
    [[nodiscard]] const CpuTimes& cpu() const { return cpu_; }
    // How much of the past can be asked for: number of steps of 1, 10 and 60 s with anything in them.
    [[nodiscard]] std::array<std::size_t, 3> steps_held() const;
    // What /metrics does not tell.
    [[nodiscard]] std::uint64_t processes_evicted() const { return pipeline_->processes().evictions(); }
    [[nodiscard]] std::uint64_t processes_refused() const { return http_processes_.refused(); }
    [[nodiscard]] std::uint64_t in_route_overflow() const { return observer_.in_route_overflow; }
    [[nodiscard]] std::uint64_t in_service_overflow() const { return observer_.in_service_overflow; }

private:
    // What the agent and `sonde run` add up beside the metrics.
    class Observer final : public TransactionObserver {
    public:
        explicit Observer(Watched& watched) : watched_(watched) {}
        void observe(const Transaction& transaction) override;
        std::uint64_t in_route_overflow = 0, in_service_overflow = 0;

    private:
        Watched& watched_;
    };

    // Forgets who has ended when the resource collector would: when it reads all processes again.
    class Census final : public ProcessWatch {
    public:
        explicit Census(HttpProcesses& processes) : processes_(processes) {}
        void process_began(std::uint32_t pid) override { alive_.insert(pid); }
        void process_ended(std::uint32_t pid) override { alive_.erase(pid); }
        void process_speaks_tls(std::uint32_t) override {}
        void take();

    private:
        HttpProcesses& processes_;
        std::unordered_set<std::uint32_t> alive_;
    };

    Watched() = default;
    void tick(const RecordStream& source);
    [[nodiscard]] std::vector<Sample> samples() const;

    std::shared_ptr<HttpMetrics> http_metrics_ = std::make_shared<HttpMetrics>();
    std::shared_ptr<RpcMetrics> rpc_metrics_ = std::make_shared<RpcMetrics>();
    HttpProcesses http_processes_;
    EndpointTable table_;
    Observer observer_{*this};
    Census census_{http_processes_};
    std::unique_ptr<History> history_;
    std::shared_ptr<WaitQueues> wait_queues_ = std::make_shared<WaitQueues>();
    std::unique_ptr<Pipeline> pipeline_;
    UniqueFd null_;
    std::vector<std::unique_ptr<Delivery>> deliveries_;
    std::unique_ptr<AgentLogs> logs_;
    Handler metrics_;
    std::uint64_t next_tick_ns_ = 0, ticks_ = 0, census_every_ = 1;
    CpuTimes cpu_;
};

}  // namespace sonde
