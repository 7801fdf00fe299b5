#include "agent/api/health.hpp"

#include <algorithm>
#include <cstdio>

namespace sonde {
namespace {

constexpr std::uint64_t outcome_every_s = 10;

std::string percent(double share) {
    char text[16];
    std::snprintf(text, sizeof text, "%.1f%%", 100 * share);
    return text;
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

void worsen(HealthReport& report, HealthState state) { report.state = std::max(report.state, state); }

}  // namespace

void HealthMonitor::sample(std::uint64_t now_s, std::uint64_t records_lost,
                           const std::vector<const Delivery*>& deliveries, MemoryUse memory) {
    const std::lock_guard lock(mutex_);
    sampled_s_ = now_s;
    memory_ = memory;
    if (records_lost != lost_) {
        lost_ = records_lost;
        lost_at_s_ = now_s;
    }
    for (const auto* delivery : deliveries) {
        auto& watched = deliveries_[std::string(delivery->name())];
        const auto stats = delivery->stats();
        if (stats.sink.records - stats.sink.failed_records >
            watched.last.sink.records - watched.last.sink.failed_records)
            watched.success_at_s = now_s;
        watched.last = stats;
        auto& outcomes = watched.outcomes;
        if (outcomes.empty() || now_s >= outcomes.back().at_s + outcome_every_s)
            outcomes.push_back({now_s, stats.sink.records, stats.sink.failed_records, stats.dropped});
        while (outcomes.size() > 1 && outcomes[1].at_s + thresholds_.rate_span_s <= now_s) outcomes.pop_front();
    }
}

void HealthMonitor::report_delivery(const std::string& name, const Watched& watched, std::uint64_t now_s,
                                    HealthReport& out, unsigned& able) const {
    const auto& stats = watched.last;
    const auto& then = watched.outcomes.front();
    ComponentHealth queue{"queue/" + name, HealthState::ok, {}};
    const double use =
        static_cast<double>(stats.queued) / static_cast<double>(std::max<std::uint64_t>(1, stats.capacity));
    const auto dropped = stats.dropped - then.dropped;
    queue.reason = std::to_string(stats.queued) + " of " + std::to_string(stats.capacity) + " places in use";
    if (dropped > 0) queue.reason += ", " + std::to_string(dropped) + " records dropped lately";
    if (use > thresholds_.queue_degraded || dropped > 0) {
        queue.state = HealthState::degraded;
        queue.reason += ": the sink is slower than what comes in";
    }
    ComponentHealth sink{"sink/" + name, HealthState::ok, {}};
    const auto records = stats.sink.records - then.records, failed = stats.sink.failed_records - then.failed;
    const double success =
        records == 0 ? 1 : 1 - static_cast<double>(std::min(failed, records)) / static_cast<double>(records);
    sink.reason = percent(success) + " of " + std::to_string(records) + " records arrived lately";
    if (watched.success_at_s > 0)
        sink.reason += ", the last one " + std::to_string(now_s - std::min(now_s, watched.success_at_s)) + " s ago";
    if (!stats.able) {
        sink.state = HealthState::failed;
        sink.reason += "; the last write failed: see the agent's messages";
    } else if (success < thresholds_.sink_success_rate) {
        sink.state = HealthState::degraded;
    }
    if (sink.state == HealthState::ok) ++able;
    for (auto* component : {&queue, &sink}) {
        worsen(out, component->state == HealthState::ok ? HealthState::ok : HealthState::degraded);
        out.components.push_back(std::move(*component));
    }
}

std::string HealthMonitor::stall_locked(std::uint64_t now_s) const {
    if (sampled_s_ == 0 || now_s <= sampled_s_ + thresholds_.stall_failed_s) return {};
    return "has not come by for " + std::to_string(now_s - sampled_s_) + " s: it hangs, restart the agent";
}

std::string HealthMonitor::stall(std::uint64_t now_s) const {
    const std::lock_guard lock(mutex_);
    const auto stalled = stall_locked(now_s);
    return stalled.empty() ? stalled : "pipeline " + stalled;
}

HealthReport HealthMonitor::report(std::uint64_t now_s) const {
    HealthReport out;
    const std::lock_guard lock(mutex_);
    ComponentHealth pipeline{"pipeline", HealthState::ok, "took in records a moment ago"};
    if (sampled_s_ == 0) {
        pipeline = {"pipeline", HealthState::degraded, "is starting"};
    } else if (auto stalled = stall_locked(now_s); !stalled.empty()) {
        pipeline = {"pipeline", HealthState::failed, std::move(stalled)};
    }
    worsen(out, pipeline.state);
    out.components.push_back(std::move(pipeline));

    ComponentHealth ring{"ring", HealthState::ok, std::to_string(lost_) + " records lost since the start"};
    if (lost_at_s_ > 0 && now_s < lost_at_s_ + thresholds_.loss_degraded_s) {
        ring.state = HealthState::degraded;
        ring.reason += ", the last one " + std::to_string(now_s - std::min(now_s, lost_at_s_)) +
                       " s ago: /api/v1/losses says which; a larger ring (--ring-kib) helps against ring_full";
    }
    worsen(out, ring.state);
    out.components.push_back(std::move(ring));

    if (memory_.max_bytes > 0) {
        const bool within = memory_.resident_bytes <= memory_.max_bytes;
        out.components.push_back({"memory", within ? HealthState::ok : HealthState::degraded,
                                  mebibytes(memory_.resident_bytes) + " resident of " + mebibytes(memory_.max_bytes) +
                                      (within ? "" : ": raise memory.max, or watch fewer processes")});
        worsen(out, out.components.back().state);
    }

    unsigned able = 0;
    for (const auto& [name, watched] : deliveries_) report_delivery(name, watched, now_s, out, able);
    if (!deliveries_.empty() && able < thresholds_.healthy_sinks * static_cast<double>(deliveries_.size()))
        worsen(out, HealthState::failed);
    return out;
}

}  // namespace sonde
