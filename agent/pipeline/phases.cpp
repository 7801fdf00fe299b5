#include "agent/pipeline/phases.hpp"

#include <algorithm>

namespace sonde {

void set_phases(Side side, std::uint64_t last_ns, PendingRequest& request) {
    auto& phases = request.transaction.phase_ns;
    const auto set = [&](Phase phase, std::uint64_t from, std::uint64_t to) {
        phases[static_cast<std::size_t>(phase)] = static_cast<std::int64_t>(to - std::min(from, to));
    };
    if (request.response_seen) set(Phase::transfer, request.response_first_ns, last_ns);
    if (side == Side::client) {
        set(Phase::upload, request.first_ns, request.last_ns);
        return;
    }
    if (!request.has_read) return;
    if (request.arrival_known) set(Phase::queue, request.first_ns, request.read_ns);
    // bytes that come when the answer has begun keep nobody waiting
    const auto uploaded_ns =
        request.response_seen ? std::min(request.last_ns, request.response_first_ns) : request.last_ns;
    set(Phase::upload, request.read_ns, uploaded_ns);
    // CPU time is told only where one thread took up this request and nothing else until it answered
    const auto& from = request.read;
    const auto& to = request.responded;
    if (!request.response_seen || from.tid == 0 || from.tid != to.tid || request.shares_read ||
        request.reads_on_thread != request.reads_on_thread_at_end)
        return;
    if (!from.has_cpu || !to.has_cpu || !from.has_runqueue || !to.has_runqueue) return;
    set(Phase::cpu, from.cpu_ns, to.cpu_ns);
    set(Phase::runqueue, from.runqueue_ns, to.runqueue_ns);
    const auto service = request.response_first_ns - std::min(request.read_ns, request.response_first_ns);
    // the CPU clock restarts with each slice on a core: what rounding leaves over is the core's
    auto& cpu = phases[static_cast<std::size_t>(Phase::cpu)];
    cpu = std::min(cpu, static_cast<std::int64_t>(service));
    auto& runqueue = phases[static_cast<std::size_t>(Phase::runqueue)];
    runqueue = std::min(runqueue, static_cast<std::int64_t>(service) - cpu);
    const auto waited = static_cast<std::int64_t>(service) - cpu - runqueue;
    auto& upload = phases[static_cast<std::size_t>(Phase::upload)];
    upload = std::min(upload, waited);
    phases[static_cast<std::size_t>(Phase::blocked)] = waited - upload;
}

}  // namespace sonde
