#pragma once

#include <cstdint>

#include "agent/model/event.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// What one direction of a stream has shown so far.
struct Http2Half {
    std::uint64_t first_ns = 0;    // CLOCK_MONOTONIC of its first byte; 0: none yet
    std::uint64_t last_ns = 0;     // and of the last one seen
    std::uint64_t wire_bytes = 0;  // HEADERS, CONTINUATION and DATA, with their frame headers
    std::uint64_t body_bytes = 0;  // of DATA, without padding
    bool has_head = false;         // the header block that opens it (a final one, for a response) was there
    bool ended = false;            // END_STREAM
    bool lossy = false;            // frames are missing: sizes are not known
};

// A request and its response on one stream (RFC 9113 §5.1), while it lasts.
struct Http2Stream {
    std::uint32_t id = 0;
    Transaction transaction;
    Http2Half request;
    Http2Half response;
    std::uint32_t start_seq = 0;  // first byte of its HEADERS
    bool has_read = false;        // the application has read that byte
    std::uint64_t read_ns = 0;
    bool arrival_known = true;  // when it reached the socket was observed
    ThreadClock thread;         // that read it (server), or sent it (client)
};

}  // namespace sonde
