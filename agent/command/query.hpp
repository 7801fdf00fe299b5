#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/query/filter.hpp"

namespace sonde {

// `sonde query`, as the command line says it.
struct QueryOptions {
    std::vector<std::string> paths;  // files and directories of events
    LineFilterOptions filter;
    std::string group_by;       // route,status, …; empty: the lines themselves
    std::string sort;           // of groups: count, errors, p50, p95, p99, max, name
    std::uint64_t slowest = 0;  // the N longest; 0: all, in the order of the files
    std::uint64_t limit = 0;    // lines or groups shown; 0: all
    bool logs = false;          // of each request, below it in the table
    bool json = false;          // one JSON object per line instead of a table
};

}  // namespace sonde
