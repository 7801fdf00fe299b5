#include <cstdio>

#include "agent/command/agent.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/endpoint_table.hpp"
#include "agent/command/terminal.hpp"
#include "agent/source/replay_source.hpp"

namespace sonde {
namespace {

class Totals final : public TransactionObserver {
public:
    void observe(const Transaction& transaction) override {
        if (transaction.protocol != Protocol::websocket) table.observe(transaction);
        if (first_ns == 0) first_ns = transaction.time_ns;
        last_ns = transaction.time_ns + transaction.duration_ns;
    }
    void websocket_opened(const Transaction& upgrade) override { table.observe(upgrade); }
    EndpointTable table;
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
};

}  // namespace

int replay_command(const Config& config, const std::string& file) {
    const StopSignals signals;
    auto source = ReplaySource::open(file);
    if (!source) return report(source.error());
    auto replay = config;
    replay.listen = "127.0.0.1:0";  // a replay beside a running agent must not want its port
    auto agent = Agent::start(replay, **source, {});
    if (!agent) return report(agent.error());
    Totals totals;
    auto& pipeline = (*agent)->pipeline();
    pipeline.add(totals);
    pipeline.tick(**source);
    Status outcome = done();
    while (!(*source)->finished() && !StopSignals::stop_requested()) {
        // a damaged recording is replayed up to the damage; what was read still counts
        if (auto polled = (*source)->poll(pipeline, 0); !polled) {
            outcome = polled.error();
            break;
        }
    }
    const auto stopped = (*agent)->stop(**source);
    const double seconds =
        totals.last_ns > totals.first_ns ? static_cast<double>(totals.last_ns - totals.first_ns) / 1e9 : 1.0;
    for (const auto& row : totals.table.render_lines(totals.table.snapshot_and_reset(seconds)))
        std::printf("%s\n", row.c_str());
    std::printf("%llu transactions\n", static_cast<unsigned long long>(pipeline.stats().transactions.load()));
    if (!outcome) return report(outcome.error());
    return stopped ? 0 : report(stopped.error());
}

}  // namespace sonde
