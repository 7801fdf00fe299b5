#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/alert/alert_inputs.hpp"
#include "agent/alert/health_probe.hpp"
#include "agent/metric/self_metrics.hpp"

namespace sonde {

struct HealthProbeState {
    std::string name, type, target;
    HealthProbeResult last;
    std::uint64_t at_ns = 0;     // CLOCK_REALTIME of the last result; 0: none yet
    std::uint32_t failures = 0;  // in a row
};

// Asks targets whether they are well, all at the same time on the thread `probe` (libcurl multi): one that hangs delays
// no other. The requests are seen as what they are, requests of sonde/VERSION to the services that get them.
class HealthProber {
public:
    // listeners: HOST:PORT by name, asked about every ten seconds; empty: none are discovered.
    HealthProber(HealthProbesOptions options, std::function<std::map<std::string, std::string>()> listeners = {});
    ~HealthProber();
    HealthProber(const HealthProber&) = delete;
    HealthProber& operator=(const HealthProber&) = delete;

    void start();
    void stop();

    // Any thread.
    [[nodiscard]] std::vector<HealthProbeState> states() const;
    // Those that have a result.
    [[nodiscard]] std::vector<AlertProbeInput> inputs(std::uint64_t now_ns) const;
    // probe_success, probe_duration_seconds, probe_http_status_code, probe_ssl_earliest_cert_expiry, each {target}: the
    // names of blackbox_exporter.
    [[nodiscard]] std::vector<Sample> samples() const;

private:
    static constexpr std::size_t discovered_max = 64;
    struct Running;
    class Multi;

    void run(const std::stop_token& stop);
    void discover();
    void finished(const std::string& name, HealthProbeResult result);

    const HealthProbesOptions options_;
    const std::function<std::map<std::string, std::string>()> listeners_;
    std::map<std::string, HealthProbeOptions> probes_;  // configured and discovered; the thread's
    mutable std::mutex mutex_;
    std::map<std::string, HealthProbeState> states_;
    std::unique_ptr<Multi> multi_;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sonde
