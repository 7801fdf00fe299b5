#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/http/client.hpp"

namespace sonde {

// `sonde top`, as the command line says it.
struct TopOptions {
    ClientOptions agent;
    double interval_s = 1;        // between two looks, seconds
    std::uint64_t window_s = 10;  // that the numbers are of, seconds; 5 … 3600
    std::string sort = "rate";    // as /api/v1/endpoints knows it
    std::string filter;           // part of a route or service
    bool once = false;            // one picture, then the end; always so when stdout is no terminal
};

// One endpoint as top shows it; -1: not observed.
struct TopEndpoint {
    std::string service, endpoint;  // method and route
    bool server = true;
    double rate_per_s = 0, error_percent = 0;
    std::uint64_t p50_ns = 0, p95_ns = 0, p99_ns = 0;
    double slower = -1;  // p95 over that of the past hour
    double queue_percent = -1, cpu_percent = -1, runqueue_percent = -1, blocked_percent = -1;
    std::vector<double> sparkline;
};

struct TopProcess {
    std::string pid, name, service;
    double cpu_percent = -1;  // of one core, since the last look
    double resident_bytes = 0, threads = 0, descriptors = 0;
    double received_per_s = -1, sent_per_s = -1, disk_per_s = -1;  // bytes
};

enum class TopView : std::uint8_t { endpoints, processes, help };

// All that a picture is made of.
struct TopState {
    TopView view = TopView::endpoints;
    std::string sort = "rate", filter, side = "any";
    std::uint64_t window_s = 10;
    bool paused = false;
    bool typing = false;    // the filter is being typed
    std::size_t first = 0;  // rows scrolled away
    std::uint64_t transactions = 0, lost = 0, total = 0;
    std::string health;   // "ok", "degraded", …
    std::string message;  // why there is nothing new; empty: there is
    std::vector<TopEndpoint> endpoints;
    std::vector<TopProcess> processes;
};

// Exactly `lines` lines of at most `columns` columns (80 at least), without the last '\n'. From 120 columns on there
// are more columns, and a sparkline from 150 on.
std::string top_picture(const TopState& state, int columns, int lines, bool colour);

}  // namespace sonde
