#include "agent/history/feed.hpp"

#include <algorithm>
#include <utility>

#include "agent/history/slot_ring.hpp"
#include "agent/route/route_table.hpp"
#include "sinks/event_json.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::uint64_t hand_over_every_ns = ns_per_s / 4;
constexpr std::uint64_t slowest_span_s = 60;

bool is_failed(const Transaction& t) {
    return t.outcome == Outcome::error || t.outcome == Outcome::aborted || t.status >= 500 ||
           (t.logs && t.logs->has_error);
}

}  // namespace

void HistoryBatch::clear() {
    endpoints.clear();
    has_second = false;
    cells.clear();
    kept.clear();
    line_ends.clear();
    lines.clear();
}

std::size_t HistoryFeed::KeyHash::operator()(const EndpointKey& key) const {
    const std::hash<std::string_view> hash;
    return (hash(key.route) * 31 + hash(key.service)) * 31 + hash(key.method.view()) * 7 +
           (std::size_t{key.port} << 1 | static_cast<std::size_t>(key.side));
}

HistoryFeed::HistoryFeed(const FeedLimits& limits) : limits_(limits) {
    for (const auto side : {Side::server, Side::client}) {
        EndpointKey key;
        key.route = overflow_route;
        key.side = side;
        add_endpoint(key);
    }
}

std::uint32_t HistoryFeed::add_endpoint(const EndpointKey& key) {
    const auto id = static_cast<std::uint32_t>(endpoints_.size());
    endpoints_.push_back(std::make_unique<Tracked>());
    endpoints_.back()->key = key;
    ids_.emplace(key, id);
    filling_.endpoints.push_back({id, key});
    return id;
}

std::uint32_t HistoryFeed::id_of(const EndpointKey& key) {
    if (const auto at = ids_.find(key); at != ids_.end()) return at->second;
    if (endpoints_.size() < limits_.max_endpoints + 2) return add_endpoint(key);
    // By now no slot speaks of an endpoint that has rested for an hour: its number can name another one.
    if (searched_s_ != second_) {
        searched_s_ = second_;
        for (std::uint32_t id = 2; id < endpoints_.size(); ++id) {
            auto& old = *endpoints_[id];
            if (old.last_s + limits_.idle_s > second_) continue;
            ids_.erase(old.key);
            old = {};
            old.key = key;
            ids_.emplace(key, id);
            filling_.endpoints.push_back({id, key});
            searched_s_ = 0;  // there may be more
            return id;
        }
    }
    bump(overflowed_);
    return static_cast<std::uint32_t>(key.side);
}

HistoryFeed::Tracked& HistoryFeed::endpoint_of(const Transaction& transaction, bool counts) {
    EndpointKey key;
    key.service = transaction.service;
    key.route = transaction.route;
    key.method = transaction.method;
    key.port = transaction.server.port;
    key.side = transaction.side;
    const auto id = id_of(key);
    auto& endpoint = *endpoints_[id];
    if (counts) {
        if (endpoint.cell.count == 0) active_.push_back(id);
        endpoint.cell.add(transaction);
        endpoint.last_s = second_;
    }
    return endpoint;
}

// A WebSocket has been counted when it opened, with the time that its answer took.
void HistoryFeed::observe(const Transaction& transaction) {
    ++number_;
    keep(transaction, endpoint_of(transaction, transaction.protocol != Protocol::websocket));
}

void HistoryFeed::websocket_opened(const Transaction& upgrade) { endpoint_of(upgrade, true); }

// Among the slowest of its endpoint in this minute?
bool HistoryFeed::is_slow(Tracked& endpoint, std::uint64_t duration_ns) const {
    const auto n = std::min(limits_.slowest_per_min, endpoint.slowest_ns.size());
    if (n == 0) return false;
    if (const auto minute = second_ / slowest_span_s; endpoint.minute != minute) {
        endpoint.minute = minute;
        endpoint.slowest_ns.fill(0);
    }
    const auto least =
        std::min_element(endpoint.slowest_ns.begin(), endpoint.slowest_ns.begin() + static_cast<long>(n));
    if (duration_ns <= *least) return false;
    *least = duration_ns;
    return true;
}

void HistoryFeed::keep(const Transaction& transaction, Tracked& endpoint) {
    // A head without a path is what a redaction rule made of it: this transaction may be counted, not shown.
    if (transaction.path.empty() && !transaction.method.empty()) return;
    const bool slow = is_slow(endpoint, transaction.duration_ns);
    auto reason = is_failed(transaction) ? KeptAs::failed : slow ? KeptAs::slow : KeptAs::sampled;
    if (kept_[static_cast<std::size_t>(reason)] >= limits_.kept_per_s[static_cast<std::size_t>(reason)])
        reason = KeptAs::sampled;
    auto& kept = kept_[static_cast<std::size_t>(reason)];
    if (kept >= limits_.kept_per_s[static_cast<std::size_t>(reason)]) return bump(not_kept_);
    ++kept;
    KeptTransaction row;
    row.number = number_;
    row.time_ns = transaction.time_ns;
    row.duration_ns = transaction.duration_ns;
    row.span_id = transaction.trace.span_id;
    row.service = endpoint.key.service;
    row.route = endpoint.key.route;
    row.method = transaction.method;
    row.pid = transaction.process ? transaction.process->pid : 0;
    row.port = transaction.server.port;
    row.status = transaction.status;
    row.side = transaction.side;
    row.outcome = transaction.outcome;
    row.kept_as = reason;
    record_ = transaction;
    append_event_json(filling_.lines, record_);
    std::get<Transaction>(record_).logs.reset();
    filling_.line_ends.push_back(filling_.lines.size());
    filling_.kept.push_back(std::move(row));
}

void HistoryFeed::close_second() {
    CellWriter writer(filling_.cells);
    std::sort(active_.begin(), active_.end());
    for (const auto id : active_) {
        auto& cell = endpoints_[id]->cell;
        encoded_.clear();
        cell.append_to(encoded_);
        writer.append(id, encoded_);
        cell = {};
    }
    active_.clear();
    filling_.has_second = true;
    filling_.second = second_;
    kept_.fill(0);
}

void HistoryFeed::hand_over() {
    filling_.last_number = number_;
    {
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock() || is_ready_) return;
        std::swap(filling_, ready_);
        is_ready_ = true;
    }
    filling_.clear();
    ready_changed_.notify_one();
}

void HistoryFeed::advance(std::uint64_t now_ns) {
    if (now_ns < hand_over_at_ns_) return;
    hand_over_at_ns_ = now_ns + hand_over_every_ns;
    const auto second = now_ns / ns_per_s;
    if (second_ == 0) second_ = second;
    if (second != second_) {
        // the second before was not taken: this one lasts longer
        if (filling_.has_second) {
            bump(late_);
        } else {
            close_second();
            second_ = second;
        }
    }
    if (!filling_.empty()) hand_over();
}

void HistoryFeed::finish(std::uint64_t now_ns) {
    if (second_ == 0) second_ = now_ns / ns_per_s;
    if (!filling_.has_second) close_second();
    hand_over();
}

bool HistoryFeed::take(HistoryBatch& batch, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    ready_changed_.wait_for(lock, timeout, [this] { return is_ready_ || woken_; });
    if (!is_ready_) return false;
    std::swap(batch, ready_);
    ready_.clear();
    is_ready_ = false;
    return true;
}

void HistoryFeed::wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    ready_changed_.notify_one();
}

}  // namespace sonde
