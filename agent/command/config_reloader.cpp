#include "agent/command/config_reloader.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "agent/command/terminal.hpp"
#include "agent/config/show.hpp"
#include "agent/config/watch.hpp"

namespace sonde {
namespace {

void drain(int fd) {
    std::uint64_t value = 0;
    [[maybe_unused]] const auto n = ::read(fd, &value, sizeof value);
}

double now_s() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string list_of(const std::vector<ConfigChange>& changes, bool reloadable) {
    std::string text;
    for (const auto& change : changes)
        if (change.reloadable == reloadable) text += (text.empty() ? "" : ", ") + change.key + " " + change.text;
    return text;
}

}  // namespace

Result<PipelinePolicies> pipeline_policies(const Config& config) {
    PipelinePolicies policies;
    const auto redaction = RedactionPolicySet::build(config.redaction);
    if (!redaction) return redaction.error();
    const auto sampling = SamplingPolicy::build(config.sampling);
    if (!sampling) return sampling.error();
    const auto discovery = DiscoveryRules::build(config.discovery);
    if (!discovery) return discovery.error();
    auto trusted = TrustedProxies::parse(config.trusted_proxies);
    if (!trusted) return trusted.error();
    policies.redaction = *redaction;
    policies.sampling = *sampling;
    policies.discovery = *discovery;
    policies.trusted_proxies = std::move(*trusted);
    policies.trace_headers = config.trace_headers;
    policies.routes = config.routes;
    return policies;
}

ConfigReloader::ConfigReloader(ConfigRequest request, Config running, int reload_fd, Prepare prepare)
    : request_(std::move(request)),
      started_(running),
      reload_fd_(reload_fd),
      prepare_(std::move(prepare)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      running_(std::move(running)),
      last_success_s_(now_s()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ConfigReloader::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
}

void ConfigReloader::run(const std::stop_token& stop) {
    ::prctl(PR_SET_NAME, "config");
    std::optional<FileWatch> file;
    if (!request_.file.empty()) file.emplace(request_.file);
    while (!stop.stop_requested()) {
        std::array<pollfd, 3> fds{
            {{wake_.get(), POLLIN, 0}, {reload_fd_, POLLIN, 0}, {file ? file->fd() : -1, POLLIN, 0}}};
        const int timeout_ms = file ? static_cast<int>(file->next_look().count()) : -1;
        ::poll(fds.data(), fds.size(), timeout_ms);
        if (stop.stop_requested()) return;
        bool wanted = file && file->changed();
        if ((fds[1].revents & POLLIN) != 0) {
            drain(reload_fd_);
            wanted = true;
        }
        if (wanted) reload(stop);
    }
}

void ConfigReloader::reload(const std::stop_token& stop) {
    const auto loaded = load_config(request_);
    if (!loaded.findings.empty()) {
        count(rejected);
        say("sonde: the configuration was not reloaded, the old one stays in force:");
        for (const auto& finding : loaded.findings) say(finding.text());
        return;
    }
    // key files may hold something else under the same name: policies are built whatever the differences
    const auto policies = pipeline_policies(loaded.config);
    if (!policies) {
        count(rejected);
        return say("sonde: the configuration was not reloaded, the old one stays in force: " +
                   policies.error().message());
    }
    if (!hand_over(prepare_(*policies), stop)) return;
    const auto changes = differences(running_, loaded.config);
    const auto pending = differences(started_, loaded.config);
    {
        const std::lock_guard lock(mutex_);
        running_ = loaded.config;
        restart_pending_ = static_cast<std::size_t>(
            std::count_if(pending.begin(), pending.end(), [](const auto& change) { return !change.reloadable; }));
    }
    count(changes.empty() ? unchanged : applied);
    const auto now = list_of(changes, true), later = list_of(pending, false);
    say("sonde: configuration reloaded: " + (now.empty() ? "nothing changed" : now) +
        (later.empty() ? "" : "; waits for a restart: " + later));
}

// Waits until the pipeline has it; false: the agent stops.
bool ConfigReloader::hand_over(PreparedPolicies prepared, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    waiting_ = std::move(prepared);
    in_force_ = false;
    ready_.store(true, std::memory_order_release);
    return taken_.wait(lock, stop, [this] { return in_force_; });
}

std::optional<PreparedPolicies> ConfigReloader::take() {
    if (!ready_.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    ready_.store(false, std::memory_order_relaxed);
    return std::exchange(waiting_, std::nullopt);
}

void ConfigReloader::adopted() {
    {
        const std::lock_guard lock(mutex_);
        in_force_ = true;
    }
    taken_.notify_one();
}

void ConfigReloader::count(Outcome outcome) {
    const std::lock_guard lock(mutex_);
    ++counts_[outcome];
    last_good_ = outcome != rejected;
    if (last_good_) last_success_s_ = now_s();
}

ConfigReloader::State ConfigReloader::state() const {
    const std::lock_guard lock(mutex_);
    return {!last_good_, counts_[applied]};
}

std::vector<Sample> ConfigReloader::samples() const {
    constexpr std::array<const char*, outcomes> results{"applied", "unchanged", "rejected"};
    const std::lock_guard lock(mutex_);
    std::vector<Sample> out;
    for (std::size_t i = 0; i < outcomes; ++i)
        out.push_back({"sonde_config_reloads_total",
                       "Number of times that the configuration was read again while the agent ran, by result.",
                       SampleType::counter,
                       {{"result", results[i]}},
                       static_cast<double>(counts_[i])});
    std::array<char, 17> hash{};
    std::snprintf(hash.data(), hash.size(), "%016llx", static_cast<unsigned long long>(config_hash(running_)));
    out.push_back({"sonde_config_last_reload_successful",
                   "Whether the last reading was good; 0: an older configuration is in force.",
                   SampleType::gauge,
                   {},
                   last_good_ ? 1.0 : 0.0});
    out.push_back({"sonde_config_last_reload_success_timestamp_seconds",
                   "When the configuration in force was last read without an error.",
                   SampleType::gauge,
                   {},
                   last_success_s_});
    out.push_back({"sonde_config_restart_pending",
                   "Number of settings whose new value waits for a restart.",
                   SampleType::gauge,
                   {},
                   static_cast<double>(restart_pending_)});
    out.push_back({"sonde_config_info",
                   "The configuration last read without an error, by hash and profile.",
                   SampleType::gauge,
                   {{"hash", hash.data()}, {"profile", running_.profile}},
                   1.0});
    return out;
}

}  // namespace sonde
