#pragma once

#include <cstdint>

#include "agent/model/event.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// A request that the application has begun to read.
struct RequestRead {
    const Transaction& request;  // method, path, host, trace with span_id; endpoints and what comes later are not there
    const Endpoint& client;      // family 0: not known
    const Endpoint& server;      // as above
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::uint64_t strand = 0;   // see SocketRead
    std::uint64_t read_ns = 0;  // CLOCK_MONOTONIC
};

// A request that a process has sent.
struct RequestSent {
    Transaction& call;       // method, path, host, trace with span_id; its parent may be filled in
    const Endpoint& client;  // family 0: not known
    const Endpoint& server;  // as above
    std::uint32_t pid = 0;   // 0: not observed
    std::uint32_t tid = 0;
    std::uint64_t sent_ns = 0;  // CLOCK_MONOTONIC of its first byte
};

// Told, on the pipeline thread, what becomes of requests, whatever their protocol. Each is named by the span id in its
// trace context; its end is its transaction.
class RequestObserver {
public:
    virtual ~RequestObserver() = default;
    virtual void request_read(const RequestRead& read) = 0;
    virtual void request_sent(const RequestSent& sent) = 0;
    // On the server's side. by: the thread that sent the response's first byte; tid 0: not observed. time_ns: of that
    // byte. What is known of the request's waits may be filled in.
    virtual void response_began(Transaction& request, const ThreadClock& by, std::uint64_t time_ns) = 0;
    // No transaction will come of it.
    virtual void request_dropped(std::uint64_t span_id) = 0;
};

}  // namespace sonde
