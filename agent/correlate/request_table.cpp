#include "agent/correlate/request_table.hpp"

#include <bit>

#include "agent/base/text_hash.hpp"

namespace sonde {
namespace {

// SplitMix64's finaliser; never 0, which marks what has no key.
std::uint64_t mix(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

}  // namespace

std::uint64_t RequestTable::key_of_thread(std::uint32_t tid) { return mix(tid + (std::uint64_t{1} << 40)); }
std::uint64_t RequestTable::key_of_strand(std::uint32_t pid, std::uint64_t strand) {
    return mix(strand ^ std::uint64_t{pid} << 48);
}
std::uint64_t RequestTable::key_of_peer(std::uint32_t pid, std::uint16_t port) {
    return mix(pid + (std::uint64_t{port} + 3) * (std::uint64_t{1} << 40));
}
std::uint64_t RequestTable::key_of_process(std::uint32_t pid) { return mix(pid + (std::uint64_t{2} << 40)); }

// FNV-1a, finished: texts are short.
std::uint64_t RequestTable::key_of_text(std::string_view text) { return text.empty() ? 0 : text_hash(text); }

RequestTable::RequestTable(std::size_t capacity) : capacity_(capacity) {
    for (auto& heads : heads_) heads.assign(std::bit_ceil(capacity), npos);
}

std::uint32_t& RequestTable::head_of(std::size_t way, std::uint64_t key) {
    return heads_[way][key & (heads_[way].size() - 1)];
}

void RequestTable::link(std::uint32_t number, std::size_t way, std::uint64_t key) {
    auto& link = entries_[number].links[way];
    link = {key, npos, npos};
    if (key == 0) return;
    auto& head = head_of(way, key);
    link.older = head;
    if (head != npos) entries_[head].links[way].newer = number;
    head = number;
}

void RequestTable::unlink(std::uint32_t number, std::size_t way) {
    auto& link = entries_[number].links[way];
    if (link.key == 0) return;
    if (link.newer != npos)
        entries_[link.newer].links[way].older = link.older;
    else
        head_of(way, link.key) = link.older;
    if (link.older != npos) entries_[link.older].links[way].newer = link.newer;
    link = {};
}

std::uint32_t RequestTable::add(const TrackedRequest& request, std::string_view request_id) {
    if (free_ == npos && entries_.size() < capacity_) {
        free_ = static_cast<std::uint32_t>(entries_.size());
        entries_.emplace_back();
    }
    if (free_ == npos) return npos;
    const auto number = free_;
    auto& entry = entries_[number];
    free_ = entry.next_free;
    entry.request = request;
    ++size_;
    const auto set = [&](By by, std::uint64_t key) { link(number, static_cast<std::size_t>(by), key); };
    set(By::span, mix(request.span_id));
    set(By::thread, key_of_thread(request.tid));
    set(By::strand, request.strand != 0 ? key_of_strand(request.pid, request.strand) : 0);
    set(By::open, request.strand != 0 ? key_of_strand(request.pid, request.strand) : key_of_thread(request.tid));
    set(By::process, key_of_process(request.pid));
    set(By::trace, key_of_text(request.trace_id));
    set(By::request_id, key_of_text(request_id));
    set(By::path, request.path_hash);
    set(By::peer, request.client_port != 0 ? key_of_peer(request.pid, request.client_port) : 0);
    return number;
}

void RequestTable::remove(std::uint32_t number) {
    for (std::size_t way = 0; way < ways; ++way) unlink(number, way);
    auto& entry = entries_[number];
    entry.request.logs.reset();
    entry.request.span_id = 0;
    entry.next_free = free_;
    free_ = number;
    --size_;
}

std::uint32_t RequestTable::same_key(std::size_t way, std::uint64_t key, std::uint32_t number) const {
    while (number != npos && entries_[number].links[way].key != key) number = entries_[number].links[way].older;
    return number;
}

std::uint32_t RequestTable::first(By by, std::uint64_t key) const {
    if (by == By::span) key = mix(key);
    const auto way = static_cast<std::size_t>(by);
    return same_key(way, key, heads_[way][key & (heads_[way].size() - 1)]);
}

std::uint32_t RequestTable::first(By by, std::uint64_t key, const Anchor::Entry& from) const {
    const auto way = static_cast<std::size_t>(by);
    const bool there = from.number != npos && entries_[from.number].request.span_id == from.span_id &&
                       entries_[from.number].links[way].key == key;
    return there ? from.number : first(by, key);
}

RequestTable::Anchor RequestTable::anchor(std::uint32_t pid, std::uint32_t tid, std::uint64_t strand) const {
    const auto entry = [this](std::uint32_t number) {
        return number == npos ? Anchor::Entry{} : Anchor::Entry{number, entries_[number].request.span_id};
    };
    return {entry(strand != 0 ? first(By::strand, key_of_strand(pid, strand)) : first(By::thread, key_of_thread(tid))),
            entry(first(By::process, key_of_process(pid)))};
}

std::uint32_t RequestTable::next(By by, std::uint32_t number) const {
    const auto way = static_cast<std::size_t>(by);
    const auto& link = entries_[number].links[way];
    return same_key(way, link.key, link.older);
}

std::uint32_t RequestTable::newer_on_thread(std::uint32_t number) const {
    const auto way = static_cast<std::size_t>(By::thread);
    const auto key = entries_[number].links[way].key;
    do number = entries_[number].links[way].newer;
    while (number != npos && entries_[number].links[way].key != key);
    return number;
}

}  // namespace sonde
