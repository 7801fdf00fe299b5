#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/alert/alert_book.hpp"
#include "agent/alert/alert_gauges.hpp"
#include "agent/alert/alert_slo.hpp"
#include "agent/alert/alert_window.hpp"
#include "agent/history/history.hpp"

namespace sonde {

// Compares what was seen with the rules and leads the alerts' lives. Rules that ask for the same quantity over the same
// window share its column: a rule that no row breaches costs one comparison a second, any other one per row. One
// thread.
class AlertEvaluator {
public:
    AlertEvaluator(std::vector<AlertRule> rules, std::function<double(std::uint32_t pid)> descriptor_limit = {});

    // Takes in what the history has got since the last call.
    void take(const History& history);
    // The same from elsewhere: keys as History::endpoint_keys(), cells as CellWalk reads them, seconds rising.
    void take_second(std::vector<EndpointKey> keys, std::uint64_t second, std::string_view cells);
    void evaluate(const AlertInputs& inputs);

    [[nodiscard]] const std::vector<AlertRule>& rules() const { return rules_; }
    [[nodiscard]] const AlertRule* rule(const std::string& name) const;
    [[nodiscard]] AlertBook& book() { return book_; }
    [[nodiscard]] const AlertBook& book() const { return book_; }
    [[nodiscard]] const AlertGauges& gauges() const { return gauges_; }
    // What the alert's rule looked at: its window's cell, summed; null: the signal is not of transactions.
    [[nodiscard]] const Cell* cell_of(const ActiveAlert& alert) const;
    // Which endpoints count for the alert.
    [[nodiscard]] bool concerns(const ActiveAlert& alert, const EndpointKey& key) const;
    [[nodiscard]] double covered_s(const AlertRule& rule, std::uint64_t now_s) const;
    // Memory of the windows.
    [[nodiscard]] std::size_t bytes() const;

private:
    struct Table {  // one window seen by one scope
        std::uint32_t window_s;
        AlertScope scope;
        std::uint32_t wanted = 0;  // bits by AlertColumns::Column
        AlertColumns columns;
    };
    struct Plan {  // of one rule
        std::size_t table = 0, rows = 0;
        AlertSlo* slo = nullptr;
        AlertColumns::Column column = AlertColumns::request_rate;
    };
    struct Rows {  // shared by rules about the same
        AlertRule like;
        std::uint64_t version = 0;
        std::vector<std::uint32_t> rows;
    };

    void plan(const AlertRule& rule);
    AlertWindow& window(std::uint32_t window_s);
    void fill_tables(std::uint64_t now_s);
    void evaluate_rows(std::size_t at, std::uint64_t now_ns);
    void evaluate_readings(const AlertRule& rule, const std::vector<AlertReading>& readings, std::uint64_t now_ns);
    void evaluate_calm(std::uint64_t now_ns);
    [[nodiscard]] std::optional<double> row_value(std::size_t rule, const ActiveAlert& alert) const;

    const std::vector<AlertRule> rules_;
    std::map<std::string, std::size_t> by_name_;
    std::vector<Plan> plans_;
    std::vector<Table> tables_;
    std::vector<Rows> rows_;
    std::vector<std::unique_ptr<AlertWindow>> windows_;
    std::vector<std::unique_ptr<AlertSlo>> slos_;
    std::map<std::string, double> readings_;  // of this evaluation, by fingerprint
    AlertPlaces places_;
    AlertGauges gauges_;
    AlertBook book_;
    std::uint64_t taken_s_ = 0, since_s_ = 0;
};

}  // namespace sonde
