#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "agent/http/client.hpp"

namespace sonde {

// `sonde tail`, as the command line says it; empty: any.
struct TailOptions {
    ClientOptions agent;
    std::string service, route, method, status, side, outcome;
    std::string min_duration;  // 100ms
    std::uint64_t last = 10;   // transactions of before, shown first
    double interval_s = 0.5;   // between two looks, seconds
    double seconds = 0;        // stop after so long; 0: at Ctrl-C
    bool json = false;         // the lines as they are
    bool logs = true;          // each request's log lines below it
};

// A transaction as a line of a terminal: time (UTC), service, method and path, status, duration, where the time went.
// columns: 0: as long as it is.
std::string tail_line(const boost::json::object& transaction, std::size_t columns, bool colour);

// A log line of a transaction, as a line below it: time (UTC), level, message, by which rule and how surely it belongs
// there. columns: 0: as long as it is.
std::string tail_log_line(const boost::json::object& log, std::size_t columns, bool colour);

}  // namespace sonde
