#include "agent/command/agent.hpp"

#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <iterator>

#include "agent/alert/alert_api.hpp"
#include "agent/api/api.hpp"
#include "agent/api/config_json.hpp"
#include "agent/base/own_memory.hpp"
#include "agent/command/agent_alerts.hpp"
#include "agent/command/agent_samples.hpp"
#include "agent/command/delivery_metrics.hpp"
#include "agent/command/file_sink_samples.hpp"
#include "agent/command/kubernetes_samples.hpp"
#include "agent/command/run_privileges.hpp"
#include "agent/console/console.hpp"
#include "agent/http/metrics_handler.hpp"
#include "sinks/file/file_sink.hpp"
#include "sinks/make_sink.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

std::uint64_t steady_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

class RpcObserver final : public TransactionObserver {
public:
    explicit RpcObserver(RpcMetrics& metrics) : metrics_(metrics) {}
    void observe(const Transaction& transaction) override { metrics_.observe(transaction); }

private:
    RpcMetrics& metrics_;
};

// Tells the resource collector which processes matter: those that serve or make requests.
class ProcessObserver final : public TransactionObserver {
public:
    explicit ProcessObserver(HttpProcesses& processes) : processes_(processes) {}
    void observe(const Transaction& transaction) override {
        if (transaction.process)
            processes_.saw(transaction.process->pid, transaction.service, transaction.side == Side::server);
    }

private:
    HttpProcesses& processes_;
};

// Whether anybody asks for exponential histograms.
bool sends_metrics(const Config& config) {
    return std::any_of(config.sinks.begin(), config.sinks.end(), [](const SinkOptions& sink) {
        const auto& signals = sink.otlp.signals;
        return sink.type == SinkType::otlp &&
               std::find(signals.begin(), signals.end(), to_string(OtlpSignal::metrics)) != signals.end();
    });
}

}  // namespace

Agent::~Agent() {
    if (alerts_) alerts_->stop();
    // their threads may ask for samples, which are about all of them
    for (auto& delivery : deliveries_) delivery->request_stop();
    for (auto& delivery : deliveries_) delivery->stop();
}

std::vector<Sample> Agent::samples() const {
    std::vector<Sample> out;
    if (history_) add_history(out, history_->stats());
    add_tracker(out, pipeline_->tracker_stats());
    add_redaction(out, pipeline_->redactor());
    add_sampling(out, pipeline_->sampler());
    out.push_back(counter_sample("sonde_transactions_unwatched_total",
                                 "Number of transactions of processes that discovery rules leave out.",
                                 pipeline_->stats().unwatched_transactions.load()));
    out.push_back(
        counter_sample("sonde_tls_connections_forgotten_total",
                       "Number of TLS connections that were forgotten before their end because too many were open.",
                       pipeline_->tls_connections()->forgotten()));
    add_http2(out, pipeline_->http2_stats());
    add_links(out, pipeline_->link_stats());
    if (kubernetes_) add_kubernetes(out, *kubernetes_);
    if (wait_sampler_) add_waits(out, wait_sampler_->stats());
    if (resources_) add_privileges(out);  // a replay gives up nothing
    if (!sinks_open_.load(std::memory_order_acquire)) return out;
    logs_->add_samples(out);
    if (watches_config_.load(std::memory_order_acquire))
        for (auto& sample : reloader_->samples()) out.push_back(std::move(sample));
    for (const auto& delivery : deliveries_) {
        append_delivery_samples(out, *delivery);
        out.push_back(counter_sample("sonde_sampling_sink_dropped_total",
                                     "Number of transactions that a sink's limit or full queue kept from it.",
                                     pipeline_->held_back(*delivery), {{"sink", std::string(delivery->name())}}));
    }
    for (const auto& [name, status] : file_sinks_) add_file_sink_samples(out, name, *status);
    if (alerts_ready_.load(std::memory_order_acquire) != nullptr) {
        for (auto& sample : alerts_->samples()) out.push_back(std::move(sample));
        if (prober_)
            for (auto& sample : prober_->samples()) out.push_back(std::move(sample));
        for (const auto* delivery : alerts_->deliveries()) append_delivery_samples(out, *delivery);
    }
    return out;
}

Result<std::unique_ptr<Agent>> Agent::start(const Config& config, const EventSource& source,
                                            std::vector<Feature> features, std::unique_ptr<ResourceSource> resources,
                                            std::function<bool()> probes_attached) {
    std::unique_ptr<Agent> agent(new Agent);
    agent->http_metrics_ = std::make_shared<HttpMetrics>(HttpMetrics::default_max_label_sets, sends_metrics(config));
    auto policies = pipeline_policies(config);
    if (!policies) return policies.error();
    PipelineOptions options;
    options.policies = std::move(*policies);
    options.logs = AgentLogs::join_options(config.logs);
    const auto memory = MemoryPlan::of(config.memory_max_bytes);
    agent->memory_max_bytes_ = config.memory_max_bytes;
    memory.apply(options.logs.correlator);
    options.tracker = memory.tracker;
    options.max_processes = memory.max_processes;
    // a recording has no kernel features: its processes are not this machine's
    options.read_proc = !features.empty();
    options.self_pid = options.read_proc ? static_cast<std::uint32_t>(::getpid()) : 0;
    agent->pipeline_ = std::make_unique<Pipeline>(options, *agent->http_metrics_);
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics{agent->http_metrics_};
    if (options.read_proc) {
        agent->process_observer_ = std::make_unique<ProcessObserver>(agent->http_processes_);
        agent->pipeline_->add(*agent->process_observer_);
        ResourceOptions resource_options;
        resource_options.interval_s = config.resource_interval_s;
        resource_options.processes.named = config.processes;
        resource_options.max_processes = memory.max_processes * 2;
        agent->labels_ = std::make_shared<LabelRedactor>(options.policies.redaction->common().front().policy);
        resource_options.redact = [labels = agent->labels_](std::string_view name, std::string_view value) {
            return labels->redact(name, value);
        };
        agent->resources_ = std::make_shared<ResourceCollector>(std::move(resource_options), std::move(resources),
                                                                agent->http_processes_);
        metrics.push_back(agent->resources_);
        agent->pod_labels_ = std::make_shared<LabelRedactor>(options.policies.redaction->common().front().policy);
        auto kubernetes = Kubernetes::start(
            config.kubernetes,
            [labels = agent->pod_labels_](const auto& name, const auto& value) { return labels->redact(name, value); });
        if (!kubernetes) return kubernetes.error();
        agent->kubernetes_ = std::move(*kubernetes);
        if (agent->kubernetes_)
            agent->pipeline_->set_kubernetes(agent->kubernetes_->directory(), config.kubernetes.pod_label);
        if (config.sample_waits) agent->sample_waits();
        agent->history_ = std::make_unique<History>(memory.history);
        agent->pipeline_->add(agent->history_->feed());
    }
    agent->rpc_metrics_ = std::make_shared<RpcMetrics>();
    agent->rpc_observer_ = std::make_unique<RpcObserver>(*agent->rpc_metrics_);
    agent->pipeline_->add(*agent->rpc_observer_);
    metrics.push_back(agent->rpc_metrics_);
    metrics.push_back(agent->pipeline_->websocket_metrics());
    metrics.push_back(agent->pipeline_->downstream_metrics());
    metrics.push_back(agent->pipeline_->wait_metrics());
    auto logs = AgentLogs::open(config.logs, *agent->pipeline_, agent->deliveries_, options.read_proc);
    if (!logs) return logs.error();
    agent->logs_ = std::move(*logs);
    metrics.push_back(agent->logs_->metrics());
    agent->pipeline_->tick(source);  // times of day hold from the first record on

    std::vector<FeatureState> states;
    for (const auto& feature : features) states.push_back({feature.name, feature.enabled});
    agent->self_metrics_ = std::make_shared<SelfMetrics>(SelfMetricsProviders{
        .version = SONDE_VERSION,
        .losses = [raw = agent.get(), &source] { return raw->pipeline_->losses(source); },
        .features = [states] { return states; },
        .samples = [raw = agent.get()] { return raw->samples(); },
    });

    // The address first: when it is taken, nothing has been written anywhere.
    const auto plain = [](int status, const char* text) {
        return Response{status, "text/plain; charset=utf-8", text, {}};
    };
    Handlers handlers;
    metrics.push_back(agent->self_metrics_);
    metrics.push_back(agent->pipeline_->tls_connections());
    agent->add_api(handlers, config, source, features, metrics);
    SinkContext context;
    context.opened_file = [raw = agent.get()](std::string_view name, std::shared_ptr<const FileSinkStatus> status) {
        raw->file_sinks_.emplace_back(name, std::move(status));
    };
    context.exponential = [http = agent->http_metrics_] { return http->exponential(); };
    context.collect = [metrics] {
        std::vector<prometheus::MetricFamily> families;
        for (const auto& each : metrics) {
            auto more = each->Collect();
            std::move(more.begin(), more.end(), std::back_inserter(families));
        }
        return families;
    };
    handlers["/metrics"] =
        metrics_handler(std::move(metrics), [http = agent->http_metrics_] { return http->exemplars(); });
    handlers["/healthz"] = [plain, raw = agent.get()](const Request&) {
        const auto stall = raw->health_.stall(steady_ns() / ns_per_s);
        return stall.empty() ? plain(200, "alive\n") : plain(503, (stall + "\n").c_str());
    };
    handlers["/readyz"] = [plain, raw = agent.get(), probes_attached = std::move(probes_attached)](const Request&) {
        const bool is_ready = raw->watching_.load(std::memory_order_acquire) && (!probes_attached || probes_attached());
        return is_ready ? plain(200, "ready\n") : plain(503, "starting\n");
    };
    auto http = config.http;
    if (agent->history_ && config.alerts.enabled)
        add_alert_api(handlers, http.writes,
                      {.alerts = [raw = agent.get()] { return raw->alerts_ready_.load(std::memory_order_acquire); },
                       .probes = [raw = agent.get()] { return raw->prober_.get(); }});
    add_console(handlers);
    add_api_index(handlers);
    // the page has no data in it, and asks for the token itself
    for (const auto& file : console_files()) http.open_paths.emplace_back(file.path);
    auto server = HttpServer::start(config.listen, std::move(handlers), std::move(http));
    if (!server) return server.error();
    agent->server_ = std::move(*server);
    agent->address_ = config.listen.substr(0, config.listen.rfind(':') + 1) + std::to_string(agent->server_->port());

    if (!config.events_directory.empty()) {
        const auto opened = agent->open_event_files(config.events_directory, memory);
        if (!opened) return opened.error();
    }
    for (auto sink : config.sinks) {
        memory.apply(sink.queue);
        for (const auto& part : by_signal(sink))
            if (const auto opened = agent->open_sink(part, sink.name, context); !opened) return opened.error();
    }
    if (agent->resources_) agent->resources_->start();
    if (agent->wait_sampler_) agent->wait_sampler_->start();
    if (agent->history_) agent->history_->start();
    agent->logs_->start();
    if (const auto alerts = agent->start_alerts(config, source); !alerts) return alerts.error();
    agent->sample_health(source);  // who asks before the first tick is told of the sinks, too
    agent->sinks_open_.store(true, std::memory_order_release);
    return agent;
}

void Agent::sample_waits() {
    auto queues = std::make_shared<WaitQueues>();
    wait_sampler_ = std::make_unique<WaitSampler>(queues);
    pipeline_->set_waits(
        std::make_unique<RequestWaits>(std::move(queues), [sampler = wait_sampler_.get()] { sampler->wake(); }));
}

// configured: the name under which redaction and limits know it.
Status Agent::open_sink(const SinkOptions& options, const std::string& configured, const SinkContext& context) {
    auto delivery = make_delivery(options, context);
    if (!delivery) return delivery.error();
    for (const auto& other : deliveries_)
        if (other->name() == (*delivery)->name())
            return fail("two sinks are called " + std::string(other->name()), "give one of them another name",
                        ErrorKind::usage);
    deliveries_.push_back(std::move(*delivery));
    const auto carries = carried_by(options);
    if (carries == Carries::nothing) return done();
    pipeline_->add(*deliveries_.back(), carries, configured);
    // lines about alerts
    if (carries == Carries::everything) record_deliveries_.push_back(deliveries_.back().get());
    return done();
}

// Transactions and log lines have a file each: lines are many, and are kept for another time.
Status Agent::open_event_files(const std::string& directory, const MemoryPlan& memory) {
    QueueOptions queue;
    memory.apply(queue);
    FileSinkOptions transactions;
    transactions.directory = directory;
    auto logs = transactions;
    logs.name = "file_logs";
    logs.stem = "logs";
    for (const auto& [options, carries] :
         {std::pair{transactions, Carries::all_but_logs}, std::pair{logs, Carries::logs}}) {
        auto sink = FileSink::open(options);
        if (!sink) return sink.error();
        file_sinks_.emplace_back((*sink)->name(), (*sink)->status());
        deliveries_.push_back(std::make_unique<Delivery>(std::move(*sink), queue.records));
        pipeline_->add(*deliveries_.back(), carries);
    }
    record_deliveries_.push_back(deliveries_.front().get());  // lines about alerts stand beside the transactions
    return done();
}

Status Agent::start_alerts(const Config& config, const EventSource& source) {
    if (!history_ || !config.alerts.enabled) return done();
    pipeline_->add(service_watch_);
    AgentAlertSources sources;
    sources.history = history_.get();
    sources.watch = &service_watch_;
    sources.resources = resources_;
    sources.records_lost = [this, &source] { return pipeline_->losses(source).lost_total(); };
    sources.connections = [this] { return static_cast<double>(pipeline_->tracker_stats().connections.load()); };
    sources.deliveries = [this] {
        std::vector<const Delivery*> out;
        for (const auto& delivery : deliveries_) out.push_back(delivery.get());
        return out;
    };
    if (!config.health_probes.probes.empty() || config.health_probes.discover) {
        prober_ = std::make_unique<HealthProber>(config.health_probes,
                                                 [resources = resources_] { return watched_listeners(*resources); });
        prober_->start();
        sources.probes = prober_.get();
    }
    sources.more = [this] {
        auto families = pipeline_->websocket_metrics()->Collect();
        for (auto& family : logs_->metrics()->Collect()) families.push_back(std::move(family));
        return families;
    };
    sources.reloads = [this] {
        return watches_config_.load(std::memory_order_acquire) ? reloader_->state() : ConfigReloader::State{};
    };
    auto alerts = make_alert_service(config, address_, std::move(sources));
    if (!alerts) return alerts.error();
    alerts_ = std::move(*alerts);
    alerts_->start();
    alerts_ready_.store(alerts_.get(), std::memory_order_release);
    return done();
}

void Agent::watch_config(const ConfigRequest& request, const Config& config, int reload_fd) {
    reloader_ = std::make_unique<ConfigReloader>(
        request, config, reload_fd, [this](const PipelinePolicies& policies) { return pipeline_->prepare(policies); });
    watches_config_.store(true, std::memory_order_release);
}

void Agent::adopt_reload() {
    auto prepared = reloader_->take();
    if (!prepared) return;
    if (labels_) labels_->adopt(prepared->policies.redaction->common().front().policy);
    if (pod_labels_) pod_labels_->adopt(prepared->policies.redaction->common().front().policy);
    pipeline_->adopt(std::move(*prepared));
    reloader_->adopted();
}

void Agent::add_api(Handlers& handlers, const Config& config, const EventSource& source,
                    const std::vector<Feature>& features,
                    std::vector<std::shared_ptr<prometheus::Collectable>> metrics) {
    std::vector<ApiFeature> shown;
    for (const auto& feature : features)
        shown.push_back({feature.name, feature.enabled, feature.detail, feature.without});
    sonde::add_api(handlers, {.version = SONDE_VERSION,
                              .history = history_.get(),
                              .logs = &logs_->store(),
                              .metrics = std::move(metrics),
                              .resources = resources_,
                              .features = [shown] { return shown; },
                              .losses = [this, &source] { return pipeline_->losses(source); },
                              .health = [this] { return health_.report(steady_ns() / ns_per_s); },
                              .config = [config] { return config_json(config); }});
}

void Agent::advance() {
    pipeline_->advance(steady_ns());
    logs_->advance(steady_ns());
    if (history_) history_->feed().advance(steady_ns());
}

void Agent::tick(const EventSource& source) {
    pipeline_->tick(source);
    logs_->tick();
    sample_health(source);
    offer_alerts();
}

// Lines about alerts reach the sinks from here: a sink's queue has one writer.
void Agent::offer_alerts() {
    if (!alerts_) return;
    alerts_->take_events([this](const Record& record) {
        for (const auto& delivery : record_deliveries_) delivery->offer(record);
    });
}

void Agent::sample_health(const EventSource& source) {
    std::vector<const Delivery*> deliveries;
    for (const auto& delivery : deliveries_) deliveries.push_back(delivery.get());
    const auto now_s = steady_ns() / ns_per_s;
    auto resident = own_resident_bytes();
    if (memory_max_bytes_ > 0 && resident > memory_max_bytes_ / 10 * 9 && now_s >= trimmed_s_ + 10) {
        ::malloc_trim(0);  // milliseconds, for which the ring holds what comes
        trimmed_s_ = now_s;
        resident = own_resident_bytes();
    }
    health_.sample(now_s, pipeline_->losses(source).lost_total(), deliveries,
                   {.resident_bytes = resident, .max_bytes = memory_max_bytes_});
}

Status Agent::stop(const EventSource& source) {
    if (reloader_) reloader_->stop();
    if (alerts_) alerts_->stop();
    logs_->stop_files();
    pipeline_->finish(source);
    offer_alerts();
    server_.reset();
    std::size_t left = 0;
    for (auto& delivery : deliveries_) delivery->request_stop();  // all at once: one that hangs delays no other
    for (auto& delivery : deliveries_) left += delivery->stop();
    logs_->finish(left);
    if (left > 0) return fail(std::to_string(left) + " records could not be written before the end");
    return done();
}

}  // namespace sonde
