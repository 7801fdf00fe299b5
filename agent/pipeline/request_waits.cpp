#include "agent/pipeline/request_waits.hpp"

#include <algorithm>
#include <utility>

namespace sonde {
namespace {

// After a pause of the pipeline one look does not stand for more than this.
constexpr std::uint64_t round_max_ns = 1'000'000'000;

}  // namespace

RequestWaits::RequestWaits(std::shared_ptr<WaitQueues> queues, std::function<void()> wake)
    : queues_(std::move(queues)), wake_(std::move(wake)) {}

RequestWaits::Slot* RequestWaits::find(std::uint64_t span_id, std::uint32_t tid) {
    for (std::size_t i = 0; i < reach; ++i)
        if (auto& slot = slots_[(tid + i) % slot_count]; slot.tid == tid && slot.span_id == span_id) return &slot;
    return nullptr;
}

RequestWaits::Slot* RequestWaits::place_for(std::uint32_t tid) {
    Slot* free = nullptr;
    for (std::size_t i = 0; i < reach; ++i) {
        auto& slot = slots_[(tid + i) % slot_count];
        if (slot.tid == tid) return &slot;
        if (slot.span_id == 0 && free == nullptr) free = &slot;
    }
    return free;
}

void RequestWaits::request_read(const RequestRead& read) {
    if (auto* slot = place_for(read.tid)) *slot = {read.request.trace.span_id, read.tid, {}, 0, {}};
}

void RequestWaits::forget(std::uint64_t span_id, std::uint32_t tid) {
    if (auto* slot = find(span_id, tid)) slot->span_id = 0;
}

WaitSamples RequestWaits::take(std::uint64_t span_id, std::uint32_t tid, std::uint64_t answered_ns) {
    take_answers();
    auto* slot = find(span_id, tid);
    if (slot == nullptr) return {};
    slot->span_id = 0;
    if (slot->counted_ns > answered_ns) return {};
    if (slot->last.waited && slot->last.time_ns <= answered_ns)
        slot->samples.add(*slot->last.waited, slot->last.order.stands_for_s);
    return slot->samples;
}

void RequestWaits::take_answers() {
    while (const auto* answer = queues_->answers.front()) {
        if (auto* slot = find(answer->order.span_id, answer->order.tid)) {
            if (slot->last.waited) {
                slot->samples.add(*slot->last.waited, slot->last.order.stands_for_s);
                slot->counted_ns = slot->last.time_ns;
            }
            slot->last = *answer;
        }
        queues_->answers.pop();
        --under_way_;
    }
}

// xorshift64 (Marsaglia 2003)
std::uint64_t RequestWaits::random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
}

void RequestWaits::advance(std::uint64_t now_ns) {
    if (last_round_ns_ == 0) last_round_ns_ = now_ns;
    if (now_ns < last_round_ns_ + interval_ns) return;
    take_answers();
    if (under_way_ > 0) return;  // the sampler did not get a core: the next round stands for this one, too
    const auto passed_ns = std::min(now_ns - last_round_ns_, round_max_ns);
    last_round_ns_ = now_ns;
    std::uint64_t open = 0;
    for (const auto& slot : slots_) {
        if (slot.span_id == 0) continue;
        // each is kept with the same probability (reservoir sampling, Vitter's algorithm R)
        const auto place = open < drawn_.size() ? open : random() % (open + 1);
        if (place < drawn_.size()) drawn_[place] = &slot;
        ++open;
    }
    const auto count = std::min<std::uint64_t>(open, drawn_.size());
    if (count == 0) return;
    const auto stands_for_s = static_cast<float>(static_cast<double>(passed_ns) / 1e9 * static_cast<double>(open) /
                                                 static_cast<double>(count));
    for (std::size_t i = 0; i < count; ++i) {
        auto* order = queues_->orders.prepare();
        *order = {drawn_[i]->span_id, drawn_[i]->tid, stands_for_s};
        queues_->orders.commit();
        ++under_way_;
    }
    wake_();
}

}  // namespace sonde
