#include "agent/command/agent.hpp"

#include <unistd.h>

#include <iterator>

#include "agent/command/delivery_metrics.hpp"
#include "agent/http/metrics_handler.hpp"
#include "sinks/file/file_sink.hpp"
#include "sinks/make_sink.hpp"

namespace sonde {
namespace {

Sample counter(const char* name, const char* help, std::uint64_t value,
               std::vector<std::pair<std::string, std::string>> labels = {}) {
    return {name, help, SampleType::counter, std::move(labels), static_cast<double>(value), {}};
}

Sample gauge(const char* name, const char* help, std::uint64_t value,
             std::vector<std::pair<std::string, std::string>> labels = {}) {
    return {name, help, SampleType::gauge, std::move(labels), static_cast<double>(value), {}};
}

void add_tracker(std::vector<Sample>& out, const TrackerStats& stats) {
    out.push_back(gauge("sonde_connections", "HTTP connections now tracked.", stats.connections.load()));
    out.push_back(counter("sonde_connections_evicted_total",
                          "Number of connections that left the full table before their end; counted by the tracker.",
                          stats.evicted_connections.load()));
    out.push_back(counter("sonde_connections_unreadable_total",
                          "Number of connections that began like HTTP/1 and were not; counted by the tracker.",
                          stats.unreadable_connections.load()));
    out.push_back(counter("sonde_connections_tunnel_total",
                          "Number of connections that became tunnels by CONNECT or Upgrade; counted by the tracker.",
                          stats.tunnels.load()));
    out.push_back(counter("sonde_responses_unmatched_total",
                          "Number of responses whose request was not seen; counted by the tracker.",
                          stats.unmatched_responses.load()));
    out.push_back(counter("sonde_responses_lost_total",
                          "Number of requests whose response was sent and not seen; counted by the tracker.",
                          stats.lost_responses.load()));
    out.push_back(counter("sonde_requests_unseen_pipelined_total",
                          "Number of segments that held more pipelined requests than were captured; counted by the "
                          "tracker.",
                          stats.unseen_pipelined.load()));
}

void add_redaction(std::vector<Sample>& out, const RecordRedactor& redactor) {
    for (std::size_t rule = 0; rule < redactor.base_policy().rule_count(); ++rule)
        for (std::size_t place = 0; place < place_count; ++place)
            if (const auto count = redactor.count(rule, static_cast<Place>(place)); count > 0)
                out.push_back(counter("sonde_redactions_total", "Number of values that a rule took out, by place.",
                                      count,
                                      {{"rule", std::string(redactor.base_policy().rule_name(rule))},
                                       {"place", std::string(to_string(static_cast<Place>(place)))}}));
    out.push_back(counter("sonde_redaction_dropped_records_total",
                          "Number of records that a rule with the action drop_record kept back.",
                          redactor.dropped_records()));
}

void add_sampling(std::vector<Sample>& out, const Sampler& sampler) {
    for (std::size_t decision = 0; decision < sampler.policy().decision_count(); ++decision) {
        const std::string rule(sampler.policy().decision_name(decision));
        out.push_back(counter("sonde_sampling_kept_total", "Number of transactions that a sampling rule kept.",
                              sampler.kept(decision), {{"rule", rule}}));
        out.push_back(counter("sonde_sampling_dropped_total",
                              "Number of transactions that are in the metrics and were not written out, by rule.",
                              sampler.dropped(decision), {{"rule", rule}}));
    }
    out.push_back(counter("sonde_sampling_dropped_total", "", sampler.not_drawn(), {{"rule", "route_per_second"}}));
}

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

}  // namespace

Agent::~Agent() {
    // their threads may ask for samples, which are about all of them
    for (auto& delivery : deliveries_) delivery->request_stop();
    for (auto& delivery : deliveries_) delivery->stop();
}

std::vector<Sample> Agent::samples() const {
    std::vector<Sample> out;
    add_tracker(out, pipeline_->tracker_stats());
    add_redaction(out, pipeline_->redactor());
    add_sampling(out, pipeline_->sampler());
    out.push_back(counter("sonde_tls_connections_forgotten_total",
                          "Number of TLS connections that were forgotten before their end because too many were open.",
                          pipeline_->tls_connections()->forgotten()));
    if (!sinks_open_.load(std::memory_order_acquire)) return out;
    for (const auto& delivery : deliveries_) {
        append_delivery_samples(out, *delivery);
        out.push_back(counter("sonde_sampling_sink_dropped_total",
                              "Number of transactions that a sink's limit or full queue kept from it.",
                              pipeline_->held_back(*delivery), {{"sink", std::string(delivery->name())}}));
    }
    return out;
}

Result<std::unique_ptr<Agent>> Agent::start(const Config& config, const EventSource& source,
                                            std::vector<Feature> features, std::unique_ptr<ResourceSource> resources,
                                            std::function<bool()> probes_attached) {
    std::unique_ptr<Agent> agent(new Agent);
    agent->http_metrics_ = std::make_shared<HttpMetrics>();
    PipelineOptions options;
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
        resource_options.redact = [redactor = std::make_shared<Redactor>(options.redaction->common().front().policy)](
                                      std::string_view name, std::string_view value) {
            const bool is_path = name == "id" || name == "system_filesystem_mountpoint";
            const auto hidden = is_path ? redactor->path(value, Place::label) : redactor->text(value, Place::label);
            const bool kept = hidden.verdict == Verdict::unchanged || hidden.verdict == Verdict::changed;
            return kept ? std::string(hidden.text) : std::string("{redacted}");
        };
        agent->resources_ = std::make_shared<ResourceCollector>(std::move(resource_options), std::move(resources),
                                                                agent->http_processes_);
        metrics.push_back(agent->resources_);
    }
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
    const auto ready = [](const std::string& text) { return Response{200, "text/plain; charset=utf-8", text}; };
    Handlers handlers;
    metrics.push_back(agent->self_metrics_);
    metrics.push_back(agent->pipeline_->tls_connections());
    const auto collect = [metrics] {
        std::vector<prometheus::MetricFamily> families;
        for (const auto& each : metrics) {
            auto more = each->Collect();
            std::move(more.begin(), more.end(), std::back_inserter(families));
        }
        return families;
    };
    handlers["/metrics"] = metrics_handler(std::move(metrics));
    handlers["/healthz"] = [ready] { return ready("alive\n"); };
    handlers["/readyz"] = [ready, raw = agent.get(), probes_attached = std::move(probes_attached)] {
        const bool is_ready = raw->watching_.load(std::memory_order_acquire) && (!probes_attached || probes_attached());
        return is_ready ? ready("ready\n") : Response{503, "text/plain; charset=utf-8", "starting\n"};
    };
    auto server = HttpServer::start(config.listen, std::move(handlers));
    if (!server) return server.error();
    agent->server_ = std::move(*server);
    agent->address_ = config.listen.substr(0, config.listen.rfind(':') + 1) + std::to_string(agent->server_->port());

    if (!config.events_directory.empty()) {
        auto sink = FileSink::open(config.events_directory);
        if (!sink) return sink.error();
        agent->deliveries_.push_back(std::make_unique<Delivery>(std::move(*sink)));
        agent->pipeline_->add(*agent->deliveries_.back());
    }
    for (const auto& sink : config.sinks) {
        auto delivery = make_delivery(sink, {.collect = collect});
        if (!delivery) return delivery.error();
        for (const auto& other : agent->deliveries_)
            if (other->name() == (*delivery)->name())
                return fail("two sinks are called " + std::string(other->name()), "give one of them another name",
                            ErrorKind::usage);
        agent->deliveries_.push_back(std::move(*delivery));
        if (takes_records(sink.type)) agent->pipeline_->add(*agent->deliveries_.back());
    }
    if (agent->resources_) agent->resources_->start();
    agent->sinks_open_.store(true, std::memory_order_release);
    return agent;
}

Status Agent::stop(const EventSource& source) {
    pipeline_->finish(source);
    server_.reset();
    std::size_t left = 0;
    for (auto& delivery : deliveries_) delivery->request_stop();  // all at once: one that hangs delays no other
    for (auto& delivery : deliveries_) left += delivery->stop();
    if (left > 0) return fail(std::to_string(left) + " records could not be written before the end");
    return done();
}

}  // namespace sonde
