#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sonde {

// Values in a bounded pool, found by any of `Ways` 64-bit keys. Each index is a hash of doubly linked chains through
// the entries, newest first; key 0: not in that index. No allocation once it has grown to what it holds at a time. Keys
// are spread by the caller (mixed_key). One thread.
template <typename Value, std::size_t Ways>
class ChainedTable {
public:
    static constexpr std::uint32_t npos = UINT32_MAX;
    using Keys = std::array<std::uint64_t, Ways>;

    explicit ChainedTable(std::size_t capacity) : capacity_(capacity) {
        for (auto& heads : heads_) heads.assign(std::bit_ceil(capacity), npos);
    }

    // The number of a new entry, its value as the last owner left it: assign it. npos: the table is full.
    std::uint32_t add(const Keys& keys) {
        if (free_ == npos && entries_.size() < capacity_) {
            free_ = static_cast<std::uint32_t>(entries_.size());
            entries_.emplace_back();
        }
        if (free_ == npos) return npos;
        const auto number = free_;
        free_ = entries_[number].next_free;
        entries_[number].used = true;
        ++size_;
        for (std::size_t way = 0; way < Ways; ++way) link(number, way, keys[way]);
        return number;
    }
    void remove(std::uint32_t number) {
        for (std::size_t way = 0; way < Ways; ++way) unlink(number, way);
        entries_[number].used = false;
        entries_[number].next_free = free_;
        free_ = number;
        --size_;
    }
    // A used entry, another one each time until all had their turn; npos: there is none.
    [[nodiscard]] std::uint32_t any() {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            hand_ = hand_ + 1 < entries_.size() ? hand_ + 1 : 0;
            if (entries_[hand_].used) return hand_;
        }
        return npos;
    }

    Value& at(std::uint32_t number) { return entries_[number].value; }
    [[nodiscard]] const Value& at(std::uint32_t number) const { return entries_[number].value; }
    [[nodiscard]] std::size_t size() const { return size_; }

    // The newest entry with this key, and the next older one; npos: none.
    [[nodiscard]] std::uint32_t first(std::size_t way, std::uint64_t key) const {
        return key == 0 ? npos : same_key(way, key, heads_[way][key & (heads_[way].size() - 1)]);
    }
    [[nodiscard]] std::uint32_t next(std::size_t way, std::uint32_t number) const {
        const auto& link = entries_[number].links[way];
        return same_key(way, link.key, link.older);
    }

private:
    struct Link {
        std::uint64_t key = 0;
        std::uint32_t newer = npos;
        std::uint32_t older = npos;
    };
    struct Entry {
        Value value{};
        std::array<Link, Ways> links{};
        std::uint32_t next_free = npos;
        bool used = false;
    };

    std::uint32_t& head_of(std::size_t way, std::uint64_t key) { return heads_[way][key & (heads_[way].size() - 1)]; }
    void link(std::uint32_t number, std::size_t way, std::uint64_t key) {
        auto& link = entries_[number].links[way];
        link = {key, npos, npos};
        if (key == 0) return;
        auto& head = head_of(way, key);
        link.older = head;
        if (head != npos) entries_[head].links[way].newer = number;
        head = number;
    }
    void unlink(std::uint32_t number, std::size_t way) {
        auto& link = entries_[number].links[way];
        if (link.key == 0) return;
        if (link.newer != npos)
            entries_[link.newer].links[way].older = link.older;
        else
            head_of(way, link.key) = link.older;
        if (link.older != npos) entries_[link.older].links[way].newer = link.newer;
        link = {};
    }
    [[nodiscard]] std::uint32_t same_key(std::size_t way, std::uint64_t key, std::uint32_t number) const {
        while (number != npos && entries_[number].links[way].key != key) number = entries_[number].links[way].older;
        return number;
    }

    const std::size_t capacity_;
    std::vector<Entry> entries_;
    std::array<std::vector<std::uint32_t>, Ways> heads_;  // a power of two each
    std::uint32_t free_ = npos;
    std::uint32_t hand_ = 0;
    std::size_t size_ = 0;
};

// Spreads a key over 64 bits (SplitMix64's finaliser); never 0, which stands for no key.
constexpr std::uint64_t mixed_key(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

}  // namespace sonde
