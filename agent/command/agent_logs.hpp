#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/history/log_store.hpp"
#include "agent/log/file_logs.hpp"
#include "agent/log/log_metrics.hpp"
#include "agent/log/logs_options.hpp"
#include "agent/metric/self_metrics.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "sinks/delivery.hpp"

namespace sonde {

// The agent's log side: files in, joined lines to metrics and to the store behind /api/v1/logs, and what is safe back
// to the files' checkpoint. Pipeline thread, but for samples().
class AgentLogs {
public:
    using Deliveries = std::vector<std::unique_ptr<Delivery>>;

    // What the pipeline needs to know of them.
    static LogJoinOptions join_options(const LogsOptions& options);

    // Errors: the checkpoint cannot be read, or its folder cannot be written. pipeline and deliveries outlive it.
    // with_files: false in a replay.
    static Result<std::unique_ptr<AgentLogs>> open(const LogsOptions& options, Pipeline& pipeline,
                                                   const Deliveries& deliveries, bool with_files);

    // Once all sinks are there.
    void start();
    // After every look at the source. now_ns: CLOCK_MONOTONIC.
    void advance(std::uint64_t now_ns);
    // Whether lines of files wait that there is room for: the next look at the source should not wait.
    [[nodiscard]] bool has_more() const { return has_more_; }
    // About once a second: tells the files' thread what is safe.
    void tick();
    // No more lines from files; those that were read go to the pipeline.
    void stop_files();
    // The sinks have ended. left: records that they could not write; with some, the rest of the lines comes again.
    void finish(std::size_t left);

    [[nodiscard]] const LogStore& store() const { return store_; }
    [[nodiscard]] std::shared_ptr<LogMetrics> metrics() const { return metrics_; }
    void add_samples(std::vector<Sample>& out) const;

private:
    // Everything that was drained up to a moment, on its way through the sinks.
    struct Barrier {
        std::uint64_t records;
        std::vector<std::uint64_t> delivered;  // what each delivery has to have flushed
    };
    class Observer final : public LogObserver {
    public:
        explicit Observer(LogMetrics& metrics) : metrics_(metrics) {}
        void observe(const LogLine& line) override { metrics_.add(line.record, line.service); }

    private:
        LogMetrics& metrics_;
    };

    AgentLogs(Pipeline& pipeline, const Deliveries& deliveries);
    std::size_t drain(std::size_t most);

    Pipeline& pipeline_;
    const Deliveries& deliveries_;
    LogStore store_;
    std::shared_ptr<LogMetrics> metrics_ = std::make_shared<LogMetrics>();
    Observer observer_{*metrics_};
    std::unique_ptr<FileLogs> files_;  // null: none are followed
    std::optional<Barrier> barrier_;
    bool has_more_ = false;
};

}  // namespace sonde
