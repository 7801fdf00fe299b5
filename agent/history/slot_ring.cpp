#include "agent/history/slot_ring.hpp"

namespace sonde {

bool CellWalk::next() {
    std::uint64_t distance = 0, size = 0;
    if (!take_number(rest_, distance) || !take_number(rest_, size) || size > rest_.size()) return false;
    endpoint_ += static_cast<std::uint32_t>(distance);
    cell_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
}

void CellWriter::append(std::uint32_t endpoint, std::string_view encoded_cell) {
    append_number(out_, endpoint - last_);
    append_number(out_, encoded_cell.size());
    out_ += encoded_cell;
    last_ = endpoint;
}

void merge_cells(std::string_view a, std::string_view b, std::string& out) {
    CellWalk left(a), right(b);
    CellWriter writer(out);
    std::string encoded;
    bool have_left = left.next(), have_right = right.next();
    while (have_left || have_right) {
        const bool both = have_left && have_right && left.endpoint() == right.endpoint();
        if (both) {
            Cell sum;
            sum.add_encoded(left.cell());
            sum.add_encoded(right.cell());
            encoded.clear();
            sum.append_to(encoded);
            writer.append(left.endpoint(), encoded);
            have_left = left.next();
            have_right = right.next();
        } else if (!have_right || (have_left && left.endpoint() < right.endpoint())) {
            writer.append(left.endpoint(), left.cell());
            have_left = left.next();
        } else {
            writer.append(right.endpoint(), right.cell());
            have_right = right.next();
        }
    }
}

void SlotRing::push(std::uint64_t start_s, std::string_view cells) {
    if (cells.empty()) return;
    slots_.push_back({start_s, std::string(cells)});
    bytes_ += size_of(slots_.back());
    while (bytes_ > max_bytes_ && !slots_.empty()) {
        complete_from_s_ = slots_.front().start_s + slot_s_;
        ++evicted_;
        pop_oldest();
    }
}

void SlotRing::expire(std::uint64_t now_s) {
    while (!slots_.empty() && slots_.front().start_s + slot_s_ + span_s_ <= now_s) pop_oldest();
}

void SlotRing::pop_oldest() {
    bytes_ -= size_of(slots_.front());
    slots_.pop_front();
}

}  // namespace sonde
