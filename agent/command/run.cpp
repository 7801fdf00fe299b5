#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>

#include "agent/command/agent.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/delivery_metrics.hpp"
#include "agent/command/endpoint_table.hpp"
#include "agent/command/process_memory.hpp"
#include "agent/command/run_privileges.hpp"
#include "agent/command/terminal.hpp"
#include "agent/privilege/service_manager.hpp"
#include "agent/probe/other_agents.hpp"
#include "agent/probe/probe.hpp"
#include "agent/probe/resource_probe.hpp"
#include "agent/probe/ring_source.hpp"
#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

using Clock = std::chrono::steady_clock;

// Longest wait for records: below it the ring's own wake-ups at a quarter full are what counts.
constexpr int poll_timeout_ms = 20;
constexpr auto tick_every = std::chrono::seconds(1);
constexpr const char* clear_screen = "\x1b[H\x1b[2J";

// The endpoint table as a picture on a terminal, as lines elsewhere.
class Display final : public TransactionObserver {
public:
    explicit Display(double interval_s)
        : interval_(interval_s), terminal_(is_terminal(STDOUT_FILENO)), shown_at_(Clock::now()), started_(shown_at_) {}

    void observe(const Transaction& transaction) override {
        if (transaction.protocol != Protocol::websocket) table_.observe(transaction);
    }
    void websocket_opened(const Transaction& upgrade) override { table_.observe(upgrade); }

    void show_if_due(const TableHeader& header) {
        const auto now = Clock::now();
        const std::chrono::duration<double> since = now - shown_at_;
        if (since.count() < interval_) return;
        shown_at_ = now;
        auto head = header;
        head.uptime_s = std::chrono::duration<double>(now - started_).count();
        const auto snapshot = table_.snapshot_and_reset(since.count());
        if (terminal_) {
            const auto size = terminal_size(STDOUT_FILENO);
            const auto picture = table_.render(snapshot, head, size.columns, size.rows, wants_colour(STDOUT_FILENO));
            std::fputs(clear_screen, stdout);
            std::fputs(picture.c_str(), stdout);
        } else {
            for (const auto& line : table_.render_lines(snapshot)) std::printf("%s\n", line.c_str());
        }
        std::fflush(stdout);
    }

private:
    const double interval_;
    const bool terminal_;
    Clock::time_point shown_at_;
    const Clock::time_point started_;
    EndpointTable table_;
};

void greet(const Agent& agent, const Config& config, const std::vector<Feature>& features) {
    const auto url = config.http.tls.scheme() + agent.address();
    std::fprintf(stderr, "sonde %s watches this machine; console: %s/, metrics: %s/metrics\n", SONDE_VERSION,
                 url.c_str(), url.c_str());
    if (!config.events_directory.empty())
        std::fprintf(stderr, "transactions go to %s/transactions.jsonl\n", config.events_directory.c_str());
    for (const auto& feature : features)
        if (!feature.enabled)
            std::fprintf(stderr, "not available: %s (%s); missing: %s\n", feature.name.c_str(), feature.detail.c_str(),
                         feature.without.c_str());
}

// "sonde stopped: N transactions, N records lost, N not written (sink file: queue full)"
void say_goodbye(const Agent& agent, const EventSource& source) {
    const auto losses = agent.pipeline().losses(source);
    auto text = "sonde stopped: " + std::to_string(agent.pipeline().stats().transactions.load()) + " transactions, " +
                std::to_string(losses.lost_total()) + " records lost";
    for (const auto& delivery : agent.deliveries()) text += unwritten_text(*delivery);
    std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

int run_command(const Config& config, const ConfigRequest& request) {
    use_little_memory();
    const StopSignals signals;
    const ReloadSignal reload;
    std::signal(SIGUSR1, [](int) { FileSink::request_rotation(); });
    ::prctl(PR_SET_NAME, "pipeline");
    auto manager = ServiceManager::from_environment();
    manager.status("loading the probes");
    const auto& capture = config.logs.capture;
    auto probe = Probe::prepare(
        {.capture_bytes = config.capture_bytes,
         .ring_bytes = MemoryPlan::of(config.memory_max_bytes).ring_kib(config.ring_kib) << 10,
         .log_bytes = capture.write_bytes,
         .logs = {.enabled = capture.enabled, .max_processes = capture.max_processes, .processes = capture.processes}});
    if (!probe) return report(probe.error());
    if (const auto others = count_agents().value_or(0); others > 0)
        std::fprintf(stderr,
                     "note: %u other sonde%s this machine already; each costs its traffic again (sonde doctor)\n",
                     others, others == 1 ? " watches" : "s watch");
    RunPrivileges privileges(config, (*probe)->late_uprobes_need_admin());
    auto source = RingSource::open(**probe);
    if (!source) return report(source.error());
    auto features = (*probe)->features();
    std::unique_ptr<ResourceSource> resources;
    if (auto attached = ResourceProbe::attach((*probe)->scheduler_offset_fd())) {
        features.insert(features.end(), (*attached)->features().begin(), (*attached)->features().end());
        resources = std::move(*attached);
    } else {
        features.push_back({"process_usage", false, attached.error().message(), "what processes use"});
    }
    Result<std::unique_ptr<Agent>> agent = fail("not started");
    const auto limited = privileges.start_limited([&] {
        agent = Agent::start(config, **source, features, std::move(resources), [raw = probe->get()] {
            auto* tls = raw->tls();
            return tls == nullptr || tls->wait_first_look(std::chrono::milliseconds(0));
        });
    });
    if (!limited) return report(limited.error());
    if (!agent) return report(agent.error());
    const auto watched = (*probe)->watch_traffic([&] { return privileges.limit_this_thread(); });
    if (!watched) return report(watched.error());
    (*agent)->pipeline().add_watch((*probe)->tls());
    (*agent)->pipeline().add_watch((*probe)->logs());
    (*agent)->set_watching();
    greet(**agent, config, features);
    (*agent)->watch_config(request, config, reload.fd());
    privileges.filter();
    release_startup_memory();
    manager.ready("watches this machine; metrics: " + (config.http.tls.scheme() + (*agent)->address()) + "/metrics");

    Display display(config.interval_s);
    (*agent)->pipeline().add(display);
    auto next_tick = Clock::now() + tick_every;
    while (!StopSignals::stop_requested()) {
        const auto polled = (*source)->poll((*agent)->pipeline(), (*agent)->has_more() ? 0 : poll_timeout_ms);
        if (!polled) return report(polled.error());
        (*agent)->adopt_reload();
        (*agent)->advance();
        if (const auto now = Clock::now(); now >= next_tick) {
            (*agent)->tick(**source);
            privileges.tell_refusals();
            manager.alive();
            next_tick = now + tick_every;
        }
        display.show_if_due({.transactions = (*agent)->pipeline().stats().transactions.load(),
                             .lost = (*agent)->pipeline().losses(**source).lost_total(),
                             .console = config.http.tls.scheme() + (*agent)->address() + "/"});
    }
    manager.stopping();
    // what the kernel had sent by now is still delivered
    (*source)->poll_all((*agent)->pipeline());
    const auto stopped = (*agent)->stop(**source);
    say_goodbye(**agent, **source);
    return stopped ? 0 : report(stopped.error());
}

}  // namespace sonde
