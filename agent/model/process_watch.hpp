#pragma once

#include <cstdint>

namespace sonde {

// Told, on the pipeline thread, what the records say about processes. Must not wait.
class ProcessWatch {
public:
    virtual ~ProcessWatch() = default;
    virtual void process_began(std::uint32_t pid) = 0;
    virtual void process_ended(std::uint32_t pid) = 0;
    // It has taken bytes of a TLS connection.
    virtual void process_speaks_tls(std::uint32_t pid) = 0;
    // It has taken bytes of a request. Called for each request.
    virtual void process_serves(std::uint32_t) {}
};

}  // namespace sonde
