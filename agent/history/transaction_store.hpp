#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "agent/model/transaction.hpp"

namespace sonde {

// Why a transaction is kept. Each reason has room of its own: a flood of one does not drive out the others.
enum class KeptAs : std::uint8_t { sampled, failed, slow };
constexpr std::size_t kept_as_count = 3;
constexpr std::array<std::string_view, kept_as_count> kept_as_names{"sampled", "failed", "slow"};

struct KeptTransaction {
    std::uint64_t number = 0;  // of all transactions since the start, from 1
    std::uint64_t time_ns = 0;
    std::uint64_t duration_ns = 0;
    std::uint64_t span_id = 0;
    std::string_view service, route;  // live as long as the agent
    InlineString<16> method;
    std::uint32_t pid = 0;  // 0: not observed
    std::uint16_t port = 0;
    std::uint16_t status = 0;
    Side side = Side::server;
    Outcome outcome = Outcome::unobserved;
    KeptAs kept_as = KeptAs::sampled;
    std::string line;  // as in the events file, without the '\n'; redacted
};

// The last interesting transactions in a bounded number of bytes; oldest first. One thread, or a lock around it.
class TransactionStore {
public:
    // max_bytes: of each reason.
    explicit TransactionStore(const std::array<std::size_t, kept_as_count>& max_bytes) : max_bytes_(max_bytes) {}

    void push(KeptTransaction transaction);

    // Newest first, until visit returns false.
    template <typename Visit>
    void for_each_newest_first(Visit visit) const {
        std::array<std::size_t, kept_as_count> left{};
        for (std::size_t i = 0; i < kept_as_count; ++i) left[i] = queues_[i].size();
        for (;;) {
            const KeptTransaction* newest = nullptr;
            for (std::size_t i = 0; i < kept_as_count; ++i)
                if (left[i] > 0 && (newest == nullptr || queues_[i][left[i] - 1].number > newest->number))
                    newest = &queues_[i][left[i] - 1];
            if (newest == nullptr) return;
            --left[static_cast<std::size_t>(newest->kept_as)];
            if (!visit(*newest)) return;
        }
    }
    // Null: not kept, or gone.
    [[nodiscard]] const KeptTransaction* find(std::uint64_t number) const;

    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::size_t bytes() const { return bytes_[0] + bytes_[1] + bytes_[2]; }
    // Number that made room for newer ones.
    [[nodiscard]] std::uint64_t evicted(KeptAs reason) const { return evicted_[static_cast<std::size_t>(reason)]; }

private:
    static std::size_t size_of(const KeptTransaction& t) { return sizeof t + t.line.capacity(); }

    const std::array<std::size_t, kept_as_count> max_bytes_;
    std::array<std::deque<KeptTransaction>, kept_as_count> queues_;
    std::array<std::size_t, kept_as_count> bytes_{};
    std::array<std::uint64_t, kept_as_count> evicted_{};
};

}  // namespace sonde
