#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "agent/history/cell.hpp"

namespace sonde {

// The cells of all endpoints in one span of time, endpoints in rising order:
//
//   {distance from the last endpoint  size  encoded cell}…     numbers as in Cell
//
// Walks them. Views hold as long as the bytes.
class CellWalk {
public:
    explicit CellWalk(std::string_view bytes) : rest_(bytes) {}
    // False at the end.
    bool next();
    [[nodiscard]] std::uint32_t endpoint() const { return endpoint_; }
    [[nodiscard]] std::string_view cell() const { return cell_; }

private:
    std::string_view rest_, cell_;
    std::uint32_t endpoint_ = 0;
};

// Writes them; endpoints must rise.
class CellWriter {
public:
    explicit CellWriter(std::string& out) : out_(out) { out_.clear(); }
    void append(std::uint32_t endpoint, std::string_view encoded_cell);

private:
    std::string& out_;
    std::uint32_t last_ = 0;
};

// Both added up, into out.
void merge_cells(std::string_view a, std::string_view b, std::string& out);

// Slots of one length over one span of time, oldest first, in a bounded number of bytes. What does not fit leaves from
// the old end and is counted. One thread, or a lock around it.
class SlotRing {
public:
    struct Slot {
        std::uint64_t start_s = 0;
        std::string cells;
    };
    // slot_s: length of a slot; span_s: how far back slots are kept; max_bytes: of all slots.
    SlotRing(std::uint64_t slot_s, std::uint64_t span_s, std::size_t max_bytes)
        : slot_s_(slot_s), span_s_(span_s), max_bytes_(max_bytes) {}

    // start_s rises from call to call. A slot without cells takes no room.
    void push(std::uint64_t start_s, std::string_view cells);
    // Lets go of what is older than the span.
    void expire(std::uint64_t now_s);

    [[nodiscard]] const std::deque<Slot>& slots() const { return slots_; }
    [[nodiscard]] std::uint64_t slot_s() const { return slot_s_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    // Number of slots that left before their time.
    [[nodiscard]] std::uint64_t evicted() const { return evicted_; }
    // Nothing from here on was evicted; seconds.
    [[nodiscard]] std::uint64_t complete_from_s() const { return complete_from_s_; }

private:
    static std::size_t size_of(const Slot& slot) { return sizeof slot + slot.cells.capacity(); }
    void pop_oldest();

    const std::uint64_t slot_s_, span_s_;
    const std::size_t max_bytes_;
    std::deque<Slot> slots_;
    std::size_t bytes_ = 0;
    std::uint64_t evicted_ = 0;
    std::uint64_t complete_from_s_ = 0;
};

}  // namespace sonde
