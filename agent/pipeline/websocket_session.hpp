#pragma once

#include <array>
#include <cstdint>

#include "agent/model/event.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// One WebSocket from its upgrade to its end, as seen from one of its sockets (RFC 6455). The kernel counts; here it is
// decided what the counts are worth. Pipeline thread only.
class WebSocketSession {
public:
    // upgrade: the request and its answer, as they are delivered without a WebSocket. first_ns: CLOCK_MONOTONIC of its
    // first byte.
    WebSocketSession(const Transaction& upgrade, std::uint64_t first_ns, std::uint32_t pid)
        : transaction_(upgrade), first_ns_(first_ns), last_ns_(first_ns), pid_(pid) {
        transaction_.protocol = Protocol::websocket;
    }

    // What has passed in its direction since the last such event.
    struct Moved {
        std::uint64_t messages = 0;
        std::uint64_t bytes = 0;
    };
    Moved on(const WebSocketCounts& event);

    // The socket is gone at now_ns; 0: it is not known when. Returns the transaction of the whole connection, time and
    // addresses as at its upgrade.
    Transaction& end(std::uint64_t now_ns);

    [[nodiscard]] const Transaction& upgrade() const { return transaction_; }
    // For names that are known only where it is counted.
    Transaction& upgrade() { return transaction_; }
    [[nodiscard]] std::uint32_t pid() const { return pid_; }
    // Nobody is to hear of it: decided once, when it opens, so that what has been counted is also closed.
    void leave_out() { left_out_ = true; }
    [[nodiscard]] bool left_out() const { return left_out_; }

private:
    struct Direction {
        WebSocketCounts counts;
        bool seen = false;
    };
    [[nodiscard]] Side sender(std::size_t direction) const;
    void set_closer();
    [[nodiscard]] Outcome outcome() const;

    Transaction transaction_;
    std::uint64_t first_ns_;
    std::uint64_t last_ns_;
    std::uint32_t pid_;
    bool left_out_ = false;
    std::array<Direction, 2> directions_;  // received, sent
};

}  // namespace sonde
