#pragma once

#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scale/record_stream.hpp"

namespace sonde {

// The axes of the simulation.
struct TrafficShape {
    std::uint64_t rate = 1000;         // requests a second, evenly spread
    std::uint64_t seconds = 60;        // of the traffic's own time
    std::uint32_t services = 20;       // programs; every fourth one asks others, the rest serve
    std::uint32_t routes = 200;        // distinct templates that are asked for, at least one of each service
    std::uint32_t connections = 2000;  // open at a time, at least one of each process
    std::uint32_t processes = 100;     // that there are over the whole time
    std::uint32_t alive = 1000;        // of them at a time, at least one of each service
};

// What was done, to be held against what the agent says.
struct TrafficCounts {
    std::uint64_t requests = 0;  // sent
    std::uint64_t answers = 0;
    std::uint64_t lines = 0;        // written to logs
    std::uint64_t connections = 0;  // opened
    std::uint64_t processes = 0;    // started
    std::uint64_t delayed = 0;      // requests that waited for a connection without one
};

// A machine full of programs, as the kernel's records tell of it. One thread serves each connection, requests overlap
// as their latencies make them: 0.25 … 16 ms. A process in ten writes a line for each request. Where there are more
// processes than run at a time, each one's time is over when the next is due, its connections close, and it ends.
//
// The same shape gives the same records.
class Traffic {
public:
    Traffic(const TrafficShape& shape, std::uint64_t start_ns);

    // The processes that run at first.
    void begin(RecordStream& out);
    // What happens up to then, in the order of time.
    void fill(RecordStream& out, std::uint64_t until_ns);
    // All that was asked is answered; nothing new. Connections stay open. Returns the time then.
    std::uint64_t finish(RecordStream& out);

    [[nodiscard]] const TrafficCounts& counts() const { return counts_; }
    [[nodiscard]] std::uint64_t end_ns() const { return end_ns_; }

private:
    struct Worker {
        std::uint32_t pid = 0;
        std::uint32_t in_flight = 0;
        bool ending = false;  // takes nothing new
    };
    struct Connection {
        std::uint64_t cookie = 0;    // 0: not open
        std::uint64_t number = 0;    // of the request that is under way
        std::uint32_t asked = 0;     // sequence numbers of the next request and
        std::uint32_t answered = 0;  // response
        std::uint32_t requests = 0;
        bool busy = false;
    };
    enum class Step : std::uint8_t { read, line, answer };
    struct Due {
        std::uint64_t time_ns;
        std::uint32_t connection;
        Step step;
        bool operator>(const Due& other) const { return time_ns > other.time_ns; }
    };

    [[nodiscard]] std::uint32_t worker_of(std::uint32_t connection) const;
    [[nodiscard]] std::uint32_t service_of(std::uint32_t connection) const;
    [[nodiscard]] bool serves(std::uint32_t connection) const { return service_of(connection) % 4 != 3; }
    [[nodiscard]] sonde_thread_clock thread_of(std::uint32_t connection, std::uint64_t time_ns) const;

    bool ask(RecordStream& out, std::uint64_t time_ns);
    void take(RecordStream& out, const Due& due);
    void answer(RecordStream& out, const Due& due);
    void close(RecordStream& out, Connection& connection, std::uint64_t time_ns);
    void start(RecordStream& out, std::uint32_t worker, std::uint64_t time_ns);
    void end_one(RecordStream& out, std::uint64_t time_ns);
    void replace(RecordStream& out, std::uint32_t worker, std::uint64_t time_ns);
    void write_request(std::uint32_t connection, std::uint64_t number);

    const TrafficShape shape_;
    const std::uint64_t start_ns_, end_ns_;
    TrafficCounts counts_;
    std::vector<Worker> workers_;
    std::vector<Connection> connections_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
    std::uint64_t next_request_ns_, next_end_ns_, end_every_ns_ = 0;
    std::uint64_t next_cookie_ = 1;
    std::uint32_t next_pid_;
    std::uint32_t turn_ = 0;      // the connection that is next to be asked over
    std::uint32_t end_turn_ = 0;  // the worker whose time is over next
    std::uint64_t ends_left_ = 0;
    std::string text_;  // reused
};

}  // namespace sonde
