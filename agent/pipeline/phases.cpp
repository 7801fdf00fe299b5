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
    // One thread took up this request and nothing else until it answered: what it did, it did for this one. On an event
    // loop that serves several it was on a core for whom it likes, but what it waited, each of them waited, too.
    const auto& from = request.read;
    const auto& to = request.responded;
    if (!request.response_seen || from.tid == 0 || from.tid != to.tid) return;
    const bool alone = !request.shares_read && request.reads_on_thread == request.reads_on_thread_at_end;
    if (!alone && !request.on_sole_thread) return;
    if (!from.has_cpu || !to.has_cpu || !from.has_runqueue || !to.has_runqueue) return;
    const auto service =
        static_cast<std::int64_t>(request.response_first_ns - std::min(request.read_ns, request.response_first_ns));
    const auto passed = [](std::uint64_t since, std::uint64_t until) {
        return static_cast<std::int64_t>(until - std::min(since, until));
    };
    // the CPU clock restarts with each slice on a core: what rounding leaves over is the core's
    const auto cpu = std::min(passed(from.cpu_ns, to.cpu_ns), service);
    const auto runqueue = std::min(passed(from.runqueue_ns, to.runqueue_ns), service - cpu);
    const auto waited = service - cpu - runqueue;
    auto& upload = phases[static_cast<std::size_t>(Phase::upload)];
    upload = std::min(upload, waited);
    if (alone) phases[static_cast<std::size_t>(Phase::cpu)] = cpu;
    phases[static_cast<std::size_t>(Phase::runqueue)] = runqueue;
    phases[static_cast<std::size_t>(Phase::blocked)] = waited - upload;
}

}  // namespace sonde
