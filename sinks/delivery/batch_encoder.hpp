#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sinks/sink.hpp"

namespace sonde {

// Turns records into the body of one request. One thread.
class BatchEncoder {
public:
    virtual ~BatchEncoder() = default;
    // False: the protocol has no form for such a record, and nothing was added.
    virtual bool add(const Record& record) = 0;
    // Adds what is due by the clock (a snapshot of metrics, say) and returns the number of records that makes.
    // now_ms: steady clock.
    virtual std::uint32_t tick(std::uint64_t /*now_ms*/) { return 0; }
    // Of the open batch, about what its body will have before compression.
    [[nodiscard]] virtual std::size_t bytes() const = 0;
    // Closes the batch: its body. The next one is empty.
    virtual std::string take() = 0;
};

}  // namespace sonde
