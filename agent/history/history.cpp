#include "agent/history/history.hpp"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

namespace sonde {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

std::uint64_t monotonic_s() {
    return static_cast<std::uint64_t>(
        duration_cast<seconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

std::int64_t realtime_offset_s() {
    const auto realtime = std::chrono::system_clock::now().time_since_epoch();
    const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
    return duration_cast<seconds>(realtime - monotonic).count();
}

constexpr std::uint64_t tens_s = 10, minutes_s = 60, hour_s = 3600, fine_span_s = 300;

}  // namespace

History::History(const HistoryOptions& options)
    : started_s_(monotonic_s()),
      feed_(options.feed),
      seconds_(1, fine_span_s, options.seconds_bytes),
      tens_(tens_s, hour_s, options.tens_bytes),
      minutes_(minutes_s, hour_s, options.minutes_bytes),
      store_(options.kept_bytes),
      now_s_(started_s_),
      unix_offset_s_(realtime_offset_s()) {}

History::~History() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    feed_.wake();
}

void History::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) {
        ::pthread_setname_np(::pthread_self(), "history");
        while (!stop.stop_requested()) take_in(std::chrono::seconds(1));
    });
}

bool History::take_in(std::chrono::milliseconds timeout) {
    if (!feed_.take(batch_, timeout)) return false;
    if (!batch_.endpoints.empty()) {
        const std::unique_lock lock(mutex_);
        for (const auto& [id, key] : batch_.endpoints) {
            if (id >= known_.size()) known_.resize(id + 1);
            known_[id] = {};
            known_[id].key = key;
        }
    }
    take_transactions(batch_);
    last_number_.store(batch_.last_number, std::memory_order_release);
    if (batch_.has_second) {
        take_second(batch_);
        // only now: what comes in between adds nothing to windows, series and the past hour
        generation_.fetch_add(1, std::memory_order_acq_rel);
    }
    return true;
}

// Merging reads what only this thread writes, so it needs no lock; what questions read is swapped in under it.
void History::grow(Open& open, std::uint64_t start_s, std::string_view cells, SlotRing& full, Open* next) {
    if (open.start_s != start_s && !open.cells.empty()) {
        if (next != nullptr) grow(*next, open.start_s / minutes_s * minutes_s, open.cells, minutes_, nullptr);
        const std::unique_lock lock(mutex_);
        full.push(open.start_s, open.cells);
        open.cells.clear();
    }
    merge_cells(open.cells, cells, merged_);
    const std::unique_lock lock(mutex_);
    open.start_s = start_s;
    std::swap(open.cells, merged_);
}

void History::take_second(const HistoryBatch& batch) {
    const auto second = batch.second;
    if (const auto offset = realtime_offset_s(); std::abs(offset - unix_offset_s_.load(std::memory_order_relaxed)) > 1)
        unix_offset_s_.store(offset, std::memory_order_relaxed);
    grow(open_tens_, second / tens_s * tens_s, batch.cells, tens_, &open_minutes_);
    const std::unique_lock lock(mutex_);
    CellWalk walk(batch.cells);
    while (walk.next()) {
        Cell cell;
        if (!cell.add_encoded(walk.cell()) || walk.endpoint() >= known_.size()) continue;
        auto& known = known_[walk.endpoint()];
        known.total_count += cell.count;
        known.total_errors += cell.errors();
        known.total_duration_ns += cell.duration_ns;
    }
    seconds_.push(second, batch.cells);
    now_s_ = second + 1;
    seconds_.expire(now_s_);
    tens_.expire(now_s_);
    minutes_.expire(now_s_);
}

void History::take_transactions(HistoryBatch& batch) {
    if (batch.kept.empty()) return;
    std::size_t begin = 0;
    const std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < batch.kept.size(); ++i) {
        const auto end = batch.line_ends[i];
        batch.kept[i].line.assign(batch.lines, begin, end - begin - 1);  // without the '\n'
        store_.push(std::move(batch.kept[i]));
        begin = end;
    }
}

const SlotRing& History::ring(std::uint64_t step_s) const {
    return step_s == 1 ? seconds_ : step_s == tens_s ? tens_ : minutes_;
}

// visit(start_s, cells), oldest first, what still grows too.
template <typename Visit>
void History::for_each_slot(std::uint64_t step_s, std::uint64_t from_s, Visit visit) const {
    for (const auto& slot : ring(step_s).slots())
        if (slot.start_s + step_s > from_s) visit(slot.start_s, slot.cells);
    if (step_s == 1) return;
    const auto& open = step_s == tens_s ? open_tens_ : open_minutes_;
    if (!open.cells.empty() && open.start_s + step_s > from_s) visit(open.start_s, open.cells);
    // the minute that grows has not got the ten seconds that grow
    if (step_s == minutes_s && !open_tens_.cells.empty() && open_tens_.start_s + tens_s > from_s)
        visit(open_tens_.start_s / minutes_s * minutes_s, open_tens_.cells);
}

HistoryWindow History::window(std::uint64_t window_s, std::size_t parts) const {
    HistoryWindow out;
    const auto step = window_s <= fine_span_s ? 1 : tens_s;
    parts = std::max<std::size_t>(1, parts);
    const std::shared_lock lock(mutex_);
    out.to_s = now_s_;
    // whole slots only: a window of ten-second slots begins where one begins
    const auto begin = now_s_ > window_s ? now_s_ - window_s : 0;
    out.from_s = std::max(started_s_, (begin + step - 1) / step * step);
    const auto length = std::max<std::uint64_t>(1, out.to_s - std::min(out.to_s, begin));
    out.step_s = std::max<std::uint64_t>(step, (length + parts - 1) / parts);
    out.complete = ring(step).complete_from_s() <= out.from_s;
    std::vector<std::int32_t> places(known_.size(), -1);
    out.endpoints.reserve(known_.size());  // moving a thousand cells of 1 KiB costs more than adding them up
    const auto part_count = (length + out.step_s - 1) / out.step_s;
    for_each_slot(step, out.from_s, [&](std::uint64_t start_s, std::string_view cells) {
        const auto part = std::min<std::uint64_t>((std::max(start_s, begin) - begin) / out.step_s, part_count - 1);
        CellWalk walk(cells);
        while (walk.next()) {
            if (walk.endpoint() >= places.size()) continue;
            auto& place = places[walk.endpoint()];
            if (place < 0) {
                place = static_cast<std::int32_t>(out.endpoints.size());
                auto& made = out.endpoints.emplace_back();
                const auto& known = known_[walk.endpoint()];
                made.key = known.key;
                made.id = walk.endpoint();
                made.total_count = known.total_count;
                made.total_errors = known.total_errors;
                made.total_duration_ns = known.total_duration_ns;
                made.counts.resize(part_count);
            }
            auto& endpoint = out.endpoints[static_cast<std::size_t>(place)];
            const auto before = endpoint.now.count;
            endpoint.now.add_encoded(walk.cell());
            endpoint.counts[part] += endpoint.now.count - before;
        }
    });
    return out;
}

std::shared_ptr<const History::PastHour> History::past_hour() const {
    const std::lock_guard past_lock(past_mutex_);
    const std::shared_lock lock(mutex_);
    const auto minute = now_s_ / minutes_s;
    if (past_ && past_minute_ == minute) return past_;
    auto made = std::make_shared<PastHour>();
    for (const auto& slot : minutes_.slots()) {
        CellWalk walk(slot.cells);
        while (walk.next()) made->cells[walk.endpoint()].add_encoded(walk.cell());
    }
    const auto begin = std::max({started_s_, now_s_ > hour_s ? now_s_ - hour_s : 0, minutes_.complete_from_s()});
    made->covered_s = minute * minutes_s > begin ? minute * minutes_s - begin : 0;
    past_ = std::move(made);
    past_minute_ = minute;
    return past_;
}

std::vector<SeriesPoint> History::series(const std::function<bool(const EndpointKey&)>& wanted, std::uint64_t step_s,
                                         std::uint64_t span_s) const {
    std::vector<SeriesPoint> out;
    const std::shared_lock lock(mutex_);
    std::vector<bool> picked(known_.size());
    for (std::size_t id = 0; id < known_.size(); ++id) picked[id] = wanted(known_[id].key);
    for_each_slot(step_s, now_s_ > span_s ? now_s_ - span_s : 0, [&](std::uint64_t start_s, std::string_view cells) {
        CellWalk walk(cells);
        while (walk.next()) {
            if (walk.endpoint() >= picked.size() || !picked[walk.endpoint()]) continue;
            if (out.empty() || out.back().start_s != start_s) out.push_back({start_s, {}});
            out.back().cell.add_encoded(walk.cell());
        }
    });
    return out;
}

std::uint64_t History::seconds_after(
    std::uint64_t after_s, const std::function<void(std::uint64_t second, std::string_view cells)>& visit) const {
    const std::shared_lock lock(mutex_);
    const auto& slots = seconds_.slots();
    auto first = slots.end();
    while (first != slots.begin() && std::prev(first)->start_s > after_s) --first;
    for (; first != slots.end(); ++first) visit(after_s = first->start_s, first->cells);
    return after_s;
}

std::vector<EndpointKey> History::endpoint_keys() const {
    const std::shared_lock lock(mutex_);
    std::vector<EndpointKey> keys;
    keys.reserve(known_.size());
    for (const auto& known : known_) keys.push_back(known.key);
    return keys;
}

std::uint64_t History::now_s() const {
    const std::shared_lock lock(mutex_);
    return now_s_;
}

void History::transactions(const std::function<bool(const KeptTransaction&)>& visit) const {
    const std::shared_lock lock(mutex_);
    store_.for_each_newest_first(visit);
}

KeptTransaction History::transaction(std::uint64_t number) const {
    const std::shared_lock lock(mutex_);
    const auto* found = store_.find(number);
    return found != nullptr ? *found : KeptTransaction{};
}

std::int64_t History::unix_time_s(std::uint64_t history_s) const {
    return static_cast<std::int64_t>(history_s) + unix_offset_s_.load(std::memory_order_relaxed);
}

HistoryStats History::stats() const {
    HistoryStats out;
    out.overflowed = feed_.overflowed();
    out.transactions_not_kept = feed_.not_kept();
    out.late_handovers = feed_.late_handovers();
    const std::shared_lock lock(mutex_);
    out.endpoints = known_.size();
    out.bytes = seconds_.bytes() + tens_.bytes() + minutes_.bytes() + open_tens_.cells.capacity() +
                open_minutes_.cells.capacity() + store_.bytes() + known_.size() * (sizeof(Known) + sizeof(Cell));
    out.slots_evicted_1s = seconds_.evicted();
    out.slots_evicted_10s = tens_.evicted();
    out.slots_evicted_60s = minutes_.evicted();
    out.transactions = store_.size();
    for (std::size_t i = 0; i < kept_as_count; ++i)
        out.transactions_evicted[i] = store_.evicted(static_cast<KeptAs>(i));
    return out;
}

}  // namespace sonde
