#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/alert/alert_evaluator.hpp"
#include "agent/history/slot_ring.hpp"

namespace sonde {

// An evaluator with a clock of its own: each step() is a second with the transactions that were put in before.
class AlertWorld {
public:
    static constexpr std::uint64_t ns_per_s = 1'000'000'000, start_s = 10'000, epoch_ns = 1'700'000'000 * ns_per_s;

    explicit AlertWorld(std::vector<AlertRule> rules, std::function<double(std::uint32_t)> limit = {})
        : evaluator(std::move(rules), std::move(limit)) {}

    // id: of the endpoint; names must outlive the world.
    std::uint32_t endpoint(std::string_view service, std::string_view route, Side side = Side::server) {
        EndpointKey key{service, route, {}, 8080, side};
        key.method = std::string_view("GET");
        keys.push_back(key);
        cells.emplace_back();
        return static_cast<std::uint32_t>(keys.size() - 1);
    }
    void add(std::uint32_t id, std::uint32_t count, std::uint16_t status, std::uint64_t duration_ns,
             std::uint64_t queue_ns = 0) {
        Transaction t;
        t.side = keys[id].side;
        t.status = status;
        t.outcome = status >= 500 ? Outcome::error : Outcome::ok;
        t.duration_ns = duration_ns;
        t.phase_ns[static_cast<std::size_t>(Phase::queue)] = static_cast<std::int64_t>(queue_ns);
        t.phase_ns[static_cast<std::size_t>(Phase::blocked)] = static_cast<std::int64_t>(duration_ns - queue_ns);
        for (std::uint32_t i = 0; i < count; ++i) cells[id].add(t);
    }
    void step() { step(encode()); }
    // What was put in, as the history gives it.
    std::string encode() {
        std::string encoded, all;
        CellWriter writer(all);
        for (std::uint32_t id = 0; id < cells.size(); ++id) {
            if (cells[id].count == 0) continue;
            encoded.clear();
            cells[id].append_to(encoded);
            writer.append(id, encoded);
            cells[id] = {};
        }
        return all;
    }
    void step(const std::string& all) {
        evaluator.take_second(keys, now_s, all);
        ++now_s;
        inputs.now_s = now_s;
        inputs.now_ns = now_ns();
        evaluator.evaluate(inputs);
        inputs.changes.clear();
        for (auto& fingerprint : evaluator.book().take_transitions()) {
            const auto found = evaluator.book().alerts().find(fingerprint);
            if (found != evaluator.book().alerts().end())
                transitions.emplace_back(found->second.info.rule, found->second.info.state);
        }
    }
    [[nodiscard]] std::uint64_t now_ns() const { return epoch_ns + (now_s - start_s) * ns_per_s; }
    // Number of transitions of a rule to that state so far.
    [[nodiscard]] int count(std::string_view rule, AlertState state) const {
        int sum = 0;
        for (const auto& [name, what] : transitions) sum += name == rule && what == state ? 1 : 0;
        return sum;
    }
    // The only alert of the rule; null: there is none.
    [[nodiscard]] const AlertInfo* alert(std::string_view rule) const {
        for (const auto& [fingerprint, active] : evaluator.book().alerts())
            if (active.info.rule == rule) return &active.info;
        return nullptr;
    }

    AlertEvaluator evaluator;
    std::vector<EndpointKey> keys;
    std::vector<Cell> cells;
    AlertInputs inputs;
    std::uint64_t now_s = start_s;
    std::vector<std::pair<std::string, AlertState>> transitions;
};

}  // namespace sonde
