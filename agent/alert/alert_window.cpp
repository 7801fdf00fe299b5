#include "agent/alert/alert_window.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "agent/history/slot_ring.hpp"

namespace sonde {
namespace {

constexpr double unobserved = std::numeric_limits<double>::quiet_NaN();
constexpr double ns_per_s = 1e9;
constexpr std::uint32_t slots_per_window = 10;

std::size_t index(Side side) { return static_cast<std::size_t>(side); }
bool is_empty(const EndpointKey& key) { return key.service.empty() && key.route.empty() && key.method.empty(); }

}  // namespace

void AlertPlaces::update(std::vector<EndpointKey> keys) {
    if (keys == keys_) return;
    keys_ = std::move(keys);
    service_of_.clear();
    for (const auto& key : keys_) {
        const auto [found, is_new] = service_ids_.try_emplace(std::string(key.service), services_.size());
        if (is_new) services_.emplace_back(key.service);
        service_of_.push_back(static_cast<std::uint32_t>(found->second * alert_side_count + index(key.side)));
    }
    ++version_;
}

std::size_t AlertPlaces::rows(AlertScope scope) const {
    if (scope == AlertScope::route) return keys_.size();
    if (scope == AlertScope::service) return services_.size() * alert_side_count;
    return alert_side_count;
}

AlertLabels AlertPlaces::labels(AlertScope scope, std::size_t row) const {
    AlertLabels labels;
    const auto add = [&](const char* name, std::string_view value) {
        if (!value.empty()) labels.emplace_back(name, value);
    };
    if (scope == AlertScope::service) add("service", services_[row / alert_side_count]);
    if (scope == AlertScope::route) {
        const auto& key = keys_[row];
        add("method", key.method.view());
        if (key.port != 0) add("port", std::to_string(key.port));
        add("route", key.route);
        add("service", key.service);
    }
    return labels;
}

std::vector<std::uint32_t> AlertPlaces::rows_of(const AlertRule& rule) const {
    std::vector<std::uint32_t> out;
    const auto scope = rule.effective_scope();
    for (std::size_t row = 0; row < rows(scope); ++row) {
        if (scope == AlertScope::route) {
            const auto& key = keys_[row];
            if (is_empty(key) || key.side != rule.side || !alert_text_matches(rule.services, key.service) ||
                !alert_text_matches(rule.routes, key.route))
                continue;
        } else {
            if (row % alert_side_count != index(rule.side)) continue;
            if (scope == AlertScope::service && !alert_text_matches(rule.services, services_[row / alert_side_count]))
                continue;
        }
        out.push_back(static_cast<std::uint32_t>(row));
    }
    return out;
}

AlertWindow::AlertWindow(std::uint32_t window_s)
    : window_s_(window_s), slot_s_(std::max(1U, window_s / slots_per_window)) {}

void AlertWindow::add(std::uint32_t endpoint, std::size_t service_row, Side side, const Cell& cell) {
    if (endpoint >= routes_.size()) routes_.resize(endpoint + std::size_t{1});
    auto& route = routes_[endpoint];
    if (!route) route = std::make_unique<Cell>();
    route->add(cell);
    if (service_row >= services_.size()) services_.resize(service_row + 1);
    services_[service_row].add(cell);
    node_[index(side)].add(cell);
}

void AlertWindow::close_second(std::uint64_t second, std::string_view cells, const AlertPlaces& places) {
    const auto start = second / slot_s_ * slot_s_;
    if (slots_.empty() || slots_.back().start_s != start) slots_.push_back({start, {}});
    merge_cells(slots_.back().cells, cells, merged_);
    slots_.back().cells.assign(merged_);  // of its own size: merged_ keeps the room for the next
    expire(second + 1, places);
}

void AlertWindow::expire(std::uint64_t now_s, const AlertPlaces& places) {
    while (!slots_.empty() && slots_.front().start_s + slot_s_ + window_s_ <= now_s) {
        take_away(slots_.front(), places);
        slots_.pop_front();
    }
}

void AlertWindow::take_away(const Slot& slot, const AlertPlaces& places) {
    CellWalk walk(slot.cells);
    while (walk.next()) {
        Cell cell;
        const auto endpoint = walk.endpoint();
        if (!cell.add_encoded(walk.cell()) || endpoint >= routes_.size() || !routes_[endpoint]) continue;
        auto& route = routes_[endpoint];
        route->subtract(cell);
        if (route->count == 0) route.reset();
        services_[places.service_row(endpoint)].subtract(cell);
        node_[index(places.key(endpoint).side)].subtract(cell);
    }
}

double AlertWindow::covered_s(std::uint64_t now_s, std::uint64_t since_s) const {
    // a window that begins in the middle of a slot reaches back to the slot's beginning
    const auto begin = now_s > window_s_ ? (now_s - window_s_) / slot_s_ * slot_s_ : 0;
    return static_cast<double>(std::max<std::uint64_t>(1, now_s - std::min(now_s, std::max(begin, since_s))));
}

const Cell* AlertWindow::cell(AlertScope scope, std::size_t row) const {
    if (scope == AlertScope::route) return row < routes_.size() ? routes_[row].get() : nullptr;
    if (scope == AlertScope::service) return row < services_.size() ? &services_[row] : nullptr;
    return &node_[row];
}

std::size_t AlertWindow::bytes() const {
    std::size_t sum = merged_.capacity() + services_.capacity() * sizeof(Cell);
    for (const auto& route : routes_) sum += sizeof route + (route ? sizeof(Cell) : 0);
    for (const auto& slot : slots_) sum += sizeof slot + slot.cells.capacity();
    return sum;
}

AlertColumns::Column AlertColumns::column_of(const AlertRule& rule) {
    using S = AlertSignal;
    switch (rule.signal) {
        case S::error_share:
            return error_share;
        case S::aborted_share:
            return aborted_share;
        case S::status_share:
            return static_cast<Column>(status_1xx + rule.status_class - 1);
        case S::p50:
            return p50;
        case S::p90:
            return p90;
        case S::p95:
            return p95;
        case S::p99:
            return p99;
        case S::p999:
            return p999;
        case S::queue_share:
            return queue_share;
        case S::cpu_share:
            return cpu_share;
        case S::runqueue_share:
            return runqueue_share;
        case S::blocked_share:
            return blocked_share;
        case S::active_requests:
            return active_requests;
        default:
            return request_rate;
    }
}

void AlertColumns::fill(const AlertWindow& window, AlertScope scope, std::size_t rows, double covered_s,
                        std::uint32_t wanted) {
    for (std::size_t column = 0; column < column_count; ++column)
        if ((wanted >> column & 1U) != 0) values_[column].assign(rows, unobserved);
    counts_.assign(rows, 0);
    means_s_.assign(rows, 0);
    for (std::size_t row = 0; row < rows; ++row)
        if (const auto* cell = window.cell(scope, row); cell != nullptr) fill_row(row, *cell, covered_s, wanted);
    for (std::size_t column = 0; column < column_count; ++column) {
        auto& range = ranges_[column] = {};
        if ((wanted >> column & 1U) == 0) continue;
        for (const auto value : values_[column]) {  // comparisons with what is not a number are false
            if (value < range.lowest) range.lowest = value;
            if (value > range.highest) range.highest = value;
        }
    }
}

void AlertColumns::fill_row(std::size_t row, const Cell& cell, double covered_s, std::uint32_t wanted) {
    const auto set = [&](Column column, double value) {
        if ((wanted >> column & 1U) != 0) values_[column][row] = value;
    };
    counts_[row] = cell.count;
    const double count = cell.count;
    set(request_rate, count / covered_s);
    set(active_requests, static_cast<double>(cell.duration_ns) / ns_per_s / covered_s);
    if (cell.count == 0) return;
    means_s_[row] = static_cast<double>(cell.duration_ns) / ns_per_s / count;
    set(error_share, cell.by_outcome[static_cast<std::size_t>(Outcome::error)] / count);
    set(aborted_share, cell.by_outcome[static_cast<std::size_t>(Outcome::aborted)] / count);
    if (const double observed = count - cell.statuses[0]; observed > 0)
        for (std::size_t status = 1; status < Cell::status_classes; ++status)
            set(static_cast<Column>(status_1xx + status - 1), cell.statuses[status] / observed);
    const auto share = [&](Column column, Phase phase) {
        const auto at = static_cast<std::size_t>(phase);
        if (cell.phase_seen[at] == 0 || cell.duration_ns == 0) return;
        set(column, static_cast<double>(cell.phase_ns[at]) / cell.phase_seen[at] /
                        (static_cast<double>(cell.duration_ns) / count));
    };
    share(queue_share, Phase::queue);
    share(cpu_share, Phase::cpu);
    share(runqueue_share, Phase::runqueue);
    share(blocked_share, Phase::blocked);
    constexpr std::uint32_t quantiles = 1U << p50 | 1U << p90 | 1U << p95 | 1U << p99 | 1U << p999;
    if ((wanted & quantiles) != 0) fill_quantiles(row, cell);
}

// All in one walk over the buckets, an octave at a time where no rank lies in it. Not Cell::quantile_ns(): the longest
// duration may be older than the window.
void AlertColumns::fill_quantiles(std::size_t row, const Cell& cell) {
    constexpr std::array<std::pair<Column, double>, 5> wanted{
        {{p50, 0.5}, {p90, 0.9}, {p95, 0.95}, {p99, 0.99}, {p999, 0.999}}};
    std::size_t next = 0;
    std::uint64_t below = 0;
    const auto rank_of = [&](std::size_t quantile) {
        return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(wanted[quantile].second * cell.count)));
    };
    auto rank = rank_of(0);
    for (std::size_t begin = 0; begin < DurationBuckets::count; begin += DurationBuckets::per_octave) {
        const auto end = std::min(begin + DurationBuckets::per_octave, DurationBuckets::count);
        const auto octave = std::accumulate(&cell.durations[begin], cell.durations.data() + end, std::uint64_t{0});
        if (below + octave < rank) {
            below += octave;
            continue;
        }
        for (auto bucket = begin; bucket < end; ++bucket) {
            below += cell.durations[bucket];
            while (below >= rank) {
                const auto low = DurationBuckets::lower_ns(bucket);
                const auto high = bucket + 1 < DurationBuckets::count ? DurationBuckets::lower_ns(bucket + 1) : low;
                auto& column = values_[wanted[next].first];
                if (row < column.size()) column[row] = static_cast<double>(low + (high - low) / 2) / ns_per_s;
                if (++next == wanted.size()) return;
                rank = rank_of(next);
            }
        }
    }
}

}  // namespace sonde
