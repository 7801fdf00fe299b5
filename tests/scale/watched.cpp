#include "tests/scale/watched.hpp"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <thread>

#include "agent/command/agent_samples.hpp"
#include "agent/command/config_reloader.hpp"
#include "agent/command/delivery_metrics.hpp"
#include "agent/http/metrics_handler.hpp"
#include "sinks/stdout/stdout_sink.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000, ns_per_ms = 1'000'000;
constexpr std::uint64_t settle_ns = 2 * ns_per_s;  // more than a transaction waits for lines and calls together
constexpr std::uint64_t poll_every_ns = 20 * ns_per_ms;
constexpr std::string_view overflow_service = "{overflow}";

double thread_cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

void Watched::Observer::observe(const Transaction& transaction) {
    if (transaction.route == overflow_route) ++in_route_overflow;
    if (transaction.service == overflow_service) ++in_service_overflow;
    watched_.rpc_metrics_->observe(transaction);
    watched_.table_.observe(transaction);
    if (transaction.process)
        watched_.http_processes_.saw(transaction.process->pid, transaction.service, transaction.side == Side::server);
}

void Watched::Census::take() {
    for (const auto& [pid, service] : processes_.snapshot())
        if (!alive_.contains(pid)) processes_.forget(pid);
}

Result<std::unique_ptr<Watched>> Watched::start(const Config& config, const RecordStream& source) {
    std::unique_ptr<Watched> made(new Watched);
    made->census_every_ = static_cast<std::uint64_t>(std::max(1.0, config.resource_interval_s));
    auto policies = pipeline_policies(config);
    if (!policies) return policies.error();
    const auto memory = MemoryPlan::of(config.memory_max_bytes);
    PipelineOptions options;
    options.policies = std::move(*policies);
    options.logs = AgentLogs::join_options(config.logs);
    memory.apply(options.logs.correlator);
    options.tracker = memory.tracker;
    options.max_processes = memory.max_processes;
    options.read_proc = false;
    made->pipeline_ = std::make_unique<Pipeline>(options, *made->http_metrics_);
    auto& pipeline = *made->pipeline_;
    pipeline.set_waits(std::make_unique<RequestWaits>(made->wait_queues_, [] {}));
    pipeline.add_watch(&made->census_);
    made->history_ = std::make_unique<History>(memory.history);
    pipeline.add(made->history_->feed());
    pipeline.add(made->observer_);

    made->null_.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    StdoutSinkOptions lines;
    lines.format = StdoutSinkOptions::Format::json;
    lines.fd = made->null_.get();
    QueueOptions queue;
    memory.apply(queue);
    made->deliveries_.push_back(std::make_unique<Delivery>(std::make_unique<StdoutSink>(lines), queue.records));
    pipeline.add(*made->deliveries_.back(), Carries::all_but_logs);
    auto logs = AgentLogs::open(config.logs, pipeline, made->deliveries_, false);
    if (!logs) return logs.error();
    made->logs_ = std::move(*logs);

    auto* raw = made.get();
    auto self = std::make_shared<SelfMetrics>(SelfMetricsProviders{
        .version = SONDE_VERSION,
        .losses = [raw, &source] { return raw->pipeline_->losses(source); },
        .features = [] { return std::vector<FeatureState>{}; },
        .samples = [raw] { return raw->samples(); },
    });
    made->metrics_ = metrics_handler(
        {made->http_metrics_, made->rpc_metrics_, pipeline.websocket_metrics(), pipeline.downstream_metrics(),
         pipeline.wait_metrics(), made->logs_->metrics(), std::move(self), pipeline.tls_connections()},
        [http = made->http_metrics_] { return http->exemplars(); });
    pipeline.tick(source);
    return made;
}

std::vector<Sample> Watched::samples() const {
    std::vector<Sample> out;
    add_history(out, history_->stats());
    add_tracker(out, pipeline_->tracker_stats());
    add_redaction(out, pipeline_->redactor());
    add_sampling(out, pipeline_->sampler());
    add_links(out, pipeline_->link_stats());
    logs_->add_samples(out);
    append_delivery_samples(out, *deliveries_.front());
    out.push_back(counter_sample("sonde_sampling_sink_dropped_total",
                                 "Number of transactions that a sink's limit or full queue kept from it.",
                                 pipeline_->held_back(*deliveries_.front()), {{"sink", "stdout"}}));
    return out;
}

void Watched::take(RecordStream& source, std::uint64_t now_ns) {
    for (auto stats = deliveries_.front()->stats(); stats.queued > stats.capacity / 2;
         stats = deliveries_.front()->stats())
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    const auto began_s = thread_cpu_s();
    static_cast<void>(source.poll(*pipeline_, 0));
    pipeline_->advance(now_ns);
    logs_->advance(now_ns);
    history_->feed().advance(now_ns);
    if (now_ns >= next_tick_ns_) tick(source);
    next_tick_ns_ = std::max(next_tick_ns_, now_ns / ns_per_s * ns_per_s + ns_per_s);
    const auto polled_s = thread_cpu_s();
    while (history_->take_in(std::chrono::milliseconds(0))) {
    }
    cpu_.pipeline_s += polled_s - began_s;
    cpu_.history_s += thread_cpu_s() - polled_s;
    // nobody looks at threads that are made up: they ran
    while (auto* order = wait_queues_->orders.front()) {
        if (auto* answer = wait_queues_->answers.prepare()) {
            *answer = {*order, now_ns, std::nullopt};
            wait_queues_->answers.commit();
        }
        wait_queues_->orders.pop();
    }
}

void Watched::tick(const RecordStream& source) {
    pipeline_->tick(source);
    logs_->tick();
    static_cast<void>(EndpointTable::render_lines(table_.snapshot_and_reset(1)));
    if (++ticks_ % census_every_ == 0) census_.take();
}

void Watched::settle(RecordStream& source, std::uint64_t now_ns) {
    for (const auto until_ns = now_ns + settle_ns; now_ns <= until_ns; now_ns += poll_every_ns) take(source, now_ns);
    for (auto stats = deliveries_.front()->stats(); stats.delivered + stats.dropped < stats.offered;
         stats = deliveries_.front()->stats())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

std::array<std::size_t, 3> Watched::steps_held() const {
    const auto all = [](const EndpointKey&) { return true; };
    return {history_->series(all, 1, 300).size(), history_->series(all, 10, 3600).size(),
            history_->series(all, 60, 3600).size()};
}

std::string Watched::scrape() const {
    Request request;
    request.accept = "application/openmetrics-text;version=1.0.0";
    return metrics_(request).body;
}

}  // namespace sonde
