#include "agent/alert/alert_evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "agent/history/slot_ring.hpp"

namespace sonde {
namespace {

bool same_rows(const AlertRule& a, const AlertRule& b) {
    return a.effective_scope() == b.effective_scope() && a.side == b.side && a.services == b.services &&
           a.routes == b.routes;
}

}  // namespace

AlertEvaluator::AlertEvaluator(std::vector<AlertRule> rules, std::function<double(std::uint32_t pid)> descriptor_limit)
    : rules_(std::move(rules)), gauges_(std::move(descriptor_limit)) {
    for (const auto& rule : rules_) {
        by_name_.emplace(rule.name, plans_.size());
        plan(rule);
    }
}

void AlertEvaluator::plan(const AlertRule& rule) {
    auto& plan = plans_.emplace_back();
    if (!traits_of(rule.signal).of_transactions) return;
    const auto like = std::find_if(rows_.begin(), rows_.end(), [&](const Rows& r) { return same_rows(r.like, rule); });
    plan.rows = static_cast<std::size_t>(like - rows_.begin());
    if (like == rows_.end()) rows_.push_back({rule, UINT64_MAX, {}});
    window(rule.window_s);
    if (rule.signal == AlertSignal::burn_rate) {
        plan.slo = slos_.emplace_back(std::make_unique<AlertSlo>(rule)).get();
        return;
    }
    plan.column = AlertColumns::column_of(rule);
    const auto scope = rule.effective_scope();
    const auto table = std::find_if(tables_.begin(), tables_.end(),
                                    [&](const Table& t) { return t.window_s == rule.window_s && t.scope == scope; });
    plan.table = static_cast<std::size_t>(table - tables_.begin());
    if (table == tables_.end()) tables_.push_back({rule.window_s, scope, 0, {}});
    tables_[plan.table].wanted |= 1U << plan.column;
}

AlertWindow& AlertEvaluator::window(std::uint32_t window_s) {
    for (auto& known : windows_)
        if (known->window_s() == window_s) return *known;
    return *windows_.emplace_back(std::make_unique<AlertWindow>(window_s));
}

const AlertRule* AlertEvaluator::rule(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &rules_[found->second];
}

void AlertEvaluator::take(const History& history) {
    if (taken_s_ == 0) {
        since_s_ = history.started_s();
        taken_s_ = since_s_ > 0 ? since_s_ - 1 : 0;
    }
    // copied under the history's lock, which nobody may hold for long
    std::vector<std::pair<std::uint64_t, std::string>> seconds;
    history.seconds_after(taken_s_, [&](std::uint64_t second, std::string_view cells) {
        seconds.emplace_back(second, std::string(cells));
    });
    if (seconds.empty()) return;
    auto keys = history.endpoint_keys();
    for (const auto& [second, cells] : seconds) take_second(keys, second, cells);
}

void AlertEvaluator::take_second(std::vector<EndpointKey> keys, std::uint64_t second, std::string_view cells) {
    if (since_s_ == 0) since_s_ = second;
    taken_s_ = second;
    places_.update(std::move(keys));
    CellWalk walk(cells);
    while (walk.next()) {
        Cell cell;
        const auto endpoint = walk.endpoint();
        if (!cell.add_encoded(walk.cell()) || endpoint >= places_.rows(AlertScope::route)) continue;
        const auto side = places_.key(endpoint).side;
        const auto service_row = places_.service_row(endpoint);
        for (auto& window : windows_) window->add(endpoint, service_row, side, cell);
        for (std::size_t i = 0; i < plans_.size(); ++i)
            if (plans_[i].slo != nullptr && rules_[i].side == side)
                plans_[i].slo->add(
                    second,
                    rules_[i].effective_scope() == AlertScope::service ? service_row : static_cast<std::size_t>(side),
                    cell);
    }
    for (auto& window : windows_) window->close_second(second, cells, places_);
}

void AlertEvaluator::fill_tables(std::uint64_t now_s) {
    for (auto& window : windows_) window->expire(now_s, places_);
    for (auto& slo : slos_) slo->expire(now_s);
    for (auto& table : tables_) {
        const auto& cells = window(table.window_s);
        table.columns.fill(cells, table.scope, places_.rows(table.scope), cells.covered_s(now_s, since_s_),
                           table.wanted);
    }
    for (auto& rows : rows_) {
        if (rows.version == places_.version()) continue;
        rows.version = places_.version();
        rows.rows = places_.rows_of(rows.like);
    }
}

void AlertEvaluator::evaluate(const AlertInputs& inputs) {
    fill_tables(inputs.now_s);
    gauges_.update(inputs);
    readings_.clear();
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const auto& rule = rules_[i];
        if (plans_[i].slo != nullptr) {
            std::vector<AlertReading> readings;
            const auto scope = rule.effective_scope();
            for (const auto row : rows_[plans_[i].rows].rows)
                if (const auto burn = plans_[i].slo->burn(row, inputs.now_s); burn.count >= rule.min_requests)
                    readings.push_back({places_.labels(scope, row), burn.rate});
            evaluate_readings(rule, readings, inputs.now_ns);
        } else if (traits_of(rule.signal).of_transactions) {
            evaluate_rows(i, inputs.now_ns);
        } else {
            evaluate_readings(rule, gauges_.read(rule), inputs.now_ns);
        }
    }
    evaluate_calm(inputs.now_ns);
}

void AlertEvaluator::evaluate_rows(std::size_t at, std::uint64_t now_ns) {
    const auto& rule = rules_[at];
    const auto& columns = tables_[plans_[at].table].columns;
    const auto& values = columns.values(plans_[at].column);
    const bool above = rule.comparison == AlertComparison::above;
    const auto range = columns.range(plans_[at].column);
    if (above ? range.highest <= rule.threshold : range.lowest >= rule.threshold) return;  // all is well, mostly
    for (const auto row : rows_[plans_[at].rows].rows) {
        // what was not observed is not a number, and neither above nor below
        if (!(above ? values[row] > rule.threshold : values[row] < rule.threshold)) continue;
        // a rule that warns of too few requests cannot ask for many
        const bool few_are_news = rule.signal == AlertSignal::request_rate && !above;
        if (!few_are_news && !columns.enough(row, rule)) continue;
        if (auto* alert = book_.breach(rule, places_.labels(rule.effective_scope(), row), values[row], now_ns))
            alert->row = row;
    }
}

void AlertEvaluator::evaluate_readings(const AlertRule& rule, const std::vector<AlertReading>& readings,
                                       std::uint64_t now_ns) {
    for (const auto& reading : readings) {
        if (std::isnan(reading.value)) continue;
        if (rule.breaches(reading.value)) {
            book_.breach(rule, reading.labels, reading.value, now_ns);
        } else if (!book_.alerts().empty()) {
            readings_.emplace(alert_fingerprint(rule.name, reading.labels), reading.value);
        }
    }
}

// Those that no rule touched: they are calm, or their value was not observed.
void AlertEvaluator::evaluate_calm(std::uint64_t now_ns) {
    auto& alerts = book_.alerts();
    for (auto next = alerts.begin(); next != alerts.end();) {
        auto& alert = (next++)->second;  // calm() may remove it
        if (alert.touched_ns == now_ns) continue;
        const auto found = by_name_.find(alert.info.rule);
        if (found == by_name_.end()) {
            book_.drop(alert, now_ns);
            continue;
        }
        const auto& rule = rules_[found->second];
        std::optional<double> value;
        if (traits_of(rule.signal).of_transactions && plans_[found->second].slo == nullptr) {
            value = row_value(found->second, alert);
        } else if (const auto reading = readings_.find(alert.info.fingerprint); reading != readings_.end()) {
            value = reading->second;
        }
        book_.calm(rule, alert, value, now_ns);
    }
}

std::optional<double> AlertEvaluator::row_value(std::size_t rule, const ActiveAlert& alert) const {
    const auto& plan = plans_[rule];
    const auto scope = rules_[rule].effective_scope();
    const auto& columns = tables_[plan.table].columns;
    auto row = alert.row;
    if (row >= places_.rows(scope) || places_.labels(scope, row) != alert.info.labels) {
        const auto& rows = rows_[plan.rows].rows;
        const auto found = std::find_if(rows.begin(), rows.end(),
                                        [&](std::uint32_t r) { return places_.labels(scope, r) == alert.info.labels; });
        if (found == rows.end()) return std::nullopt;
        row = *found;
    }
    const auto value = columns.value(plan.column, row);
    if (std::isnan(value) || !columns.enough(row, rules_[rule])) return std::nullopt;
    return value;
}

const Cell* AlertEvaluator::cell_of(const ActiveAlert& alert) const {
    const auto found = by_name_.find(alert.info.rule);
    if (found == by_name_.end()) return nullptr;
    const auto& rule = rules_[found->second];
    if (!traits_of(rule.signal).of_transactions) return nullptr;
    const auto scope = rule.effective_scope();
    for (const auto& window : windows_)
        if (window->window_s() == rule.window_s)
            for (const auto row : rows_[plans_[found->second].rows].rows)
                if (places_.labels(scope, row) == alert.info.labels) return window->cell(scope, row);
    return nullptr;
}

bool AlertEvaluator::concerns(const ActiveAlert& alert, const EndpointKey& key) const {
    const auto* rule = this->rule(alert.info.rule);
    if (rule == nullptr || key.side != rule->side) return false;
    for (const auto& [name, value] : alert.info.labels) {
        if (name == "service" && value != key.service) return false;
        if (name == "route" && value != key.route) return false;
        if (name == "method" && value != key.method.view()) return false;
        if (name == "port" && value != std::to_string(key.port)) return false;
    }
    return true;
}

double AlertEvaluator::covered_s(const AlertRule& rule, std::uint64_t now_s) const {
    for (const auto& window : windows_)
        if (window->window_s() == rule.window_s) return window->covered_s(now_s, since_s_);
    return 0;
}

std::size_t AlertEvaluator::bytes() const {
    std::size_t sum = 0;
    for (const auto& window : windows_) sum += window->bytes();
    return sum;
}

}  // namespace sonde
