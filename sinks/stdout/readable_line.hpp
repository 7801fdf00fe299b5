#pragma once

#include <cstdint>
#include <string>

#include "sinks/sink.hpp"

namespace sonde {

// Appends the record as one line for people, '\n' included:
//
//   03:04:05.678  200    2.91 ms  qqccccbbbbbbbbbt  GET /orders/42  shop
//   time (UTC)  status  duration  phases            method, path    service; `->` before it: as the client
//
// The bar has bar_cells cells, shared out by time: q queue, u upload, c cpu, r runqueue, b blocked, t transfer, and '.'
// for time whose phase was not observed. In colours its cells are blocks; red, yellow, green: error, client's fault or
// aborted, good. `-` stands for what was not observed.
// Control characters and invalid UTF-8, which could drive the terminal, stand as '?'. Any thread.
constexpr int bar_cells = 16;
void append_readable_line(std::string& out, const Record& record, bool colour);

// Above the first line: what the columns are.
void append_readable_header(std::string& out, bool colour);

// "850 ns", "21.0 us", "2.91 ms", "1.20 s", "3 min 20 s".
std::string duration_for_people(std::uint64_t duration_ns);

}  // namespace sonde
