#include "agent/command/agent_alerts.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <fstream>
#include <string_view>

namespace sonde {
namespace {

constexpr const char* state_name = "/alerts.state";

std::string machine_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// The soft limit, which is what stops a process; 0: not known, or none.
double descriptor_limit(std::uint32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/limits");
    constexpr std::string_view name = "Max open files";
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(name)) continue;
        const auto begin = line.find_first_not_of(' ', name.size());
        double limit = 0;
        if (begin != std::string::npos) std::from_chars(line.data() + begin, line.data() + line.size(), limit);
        return limit;
    }
    return 0;
}

AlertInputs gather(const AgentAlertSources& sources, std::uint64_t& reloads_seen) {
    AlertInputs inputs;
    if (sources.resources) inputs.resources = sources.resources->snapshot();
    if (sources.records_lost) inputs.records_lost = sources.records_lost();
    if (sources.connections) inputs.connections = sources.connections();
    if (sources.more) inputs.more = sources.more();
    for (const auto* delivery : sources.deliveries ? sources.deliveries() : std::vector<const Delivery*>{}) {
        const auto stats = delivery->stats();
        const auto capacity = static_cast<double>(stats.capacity > 0 ? stats.capacity : 1);
        inputs.sinks.push_back(
            {std::string(delivery->name()), stats.able, static_cast<double>(stats.queued) / capacity});
    }
    if (sources.probes != nullptr) {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        inputs.probes = sources.probes->inputs(
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
    }
    if (sources.reloads) {
        const auto state = sources.reloads();
        inputs.config_refused = state.refused;
        if (state.applied > reloads_seen)
            inputs.changes.push_back({"", {0, "configuration", "sonde's configuration was changed"}});
        reloads_seen = state.applied;
    }
    return inputs;
}

}  // namespace

std::map<std::string, std::string> watched_listeners(const ResourceCollector& resources) {
    std::map<std::string, std::string> out;
    const auto families = resources.snapshot();
    struct stat own {};
    if (!families || ::stat("/proc/self/ns/net", &own) != 0) return out;
    for (const auto& family : *families) {
        if (family.name != "process_listen_queue_limit") continue;
        for (const auto& metric : family.metric) {
            std::string service, port, space;
            for (const auto& label : metric.label) {
                if (label.name == "service_name") service = label.value;
                if (label.name == "server_port") port = label.value;
                if (label.name == "net_namespace") space = label.value;
            }
            if (service.empty() || port.empty() || space != std::to_string(own.st_ino)) continue;
            const auto name = service.find(':') == std::string::npos ? service + ":" + port : service;
            out.emplace(name, "127.0.0.1:" + port);
        }
    }
    return out;
}

Result<std::unique_ptr<AlertService>> make_alert_service(const Config& config, const std::string& address,
                                                         AgentAlertSources sources) {
    AlertServiceParts parts;
    parts.options = config.alerts;
    parts.machine = machine_name();
    parts.console_url =
        config.alerts.console_url.empty() ? config.http.tls.scheme() + address : config.alerts.console_url;
    while (parts.console_url.ends_with('/')) parts.console_url.pop_back();
    parts.state_path = config.alerts.state_file;
    if (parts.state_path.empty() && !config.events_directory.empty())
        parts.state_path = config.events_directory + state_name;
    parts.history = sources.history;
    parts.watch = sources.watch;
    parts.descriptor_limit = descriptor_limit;
    parts.inputs = [sources = std::move(sources), seen = std::uint64_t{0}]() mutable { return gather(sources, seen); };
    return AlertService::create(std::move(parts));
}

}  // namespace sonde
