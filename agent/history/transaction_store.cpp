#include "agent/history/transaction_store.hpp"

#include <algorithm>
#include <utility>

namespace sonde {

void TransactionStore::push(KeptTransaction transaction) {
    const auto reason = static_cast<std::size_t>(transaction.kept_as);
    auto& queue = queues_[reason];
    transaction.line.shrink_to_fit();
    bytes_[reason] += size_of(transaction);
    queue.push_back(std::move(transaction));
    while (bytes_[reason] > max_bytes_[reason]) {
        bytes_[reason] -= size_of(queue.front());
        queue.pop_front();
        ++evicted_[reason];
    }
}

const KeptTransaction* TransactionStore::find(std::uint64_t number) const {
    for (const auto& queue : queues_) {
        const auto at = std::lower_bound(queue.begin(), queue.end(), number,
                                         [](const KeptTransaction& t, std::uint64_t n) { return t.number < n; });
        if (at != queue.end() && at->number == number) return &*at;
    }
    return nullptr;
}

std::size_t TransactionStore::size() const {
    std::size_t sum = 0;
    for (const auto& queue : queues_) sum += queue.size();
    return sum;
}

}  // namespace sonde
