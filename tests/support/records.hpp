#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "sinks/sink.hpp"

namespace sonde {

// A server's transaction with every field that a sink may look at; the path tells them apart.
inline Transaction sample_transaction(std::uint64_t number, std::string_view service = "shop") {
    Transaction transaction;
    transaction.time_ns = 1'700'000'000'000'000'000ULL + number * 1'000'000;
    transaction.duration_ns = 2'500'000;
    transaction.method.assign("GET");
    transaction.route = "/orders/{id}";
    transaction.path.assign("/orders/" + std::to_string(number));
    transaction.host.assign("shop.local");
    transaction.user_agent.assign("curl/7.88.1");
    transaction.status = 200;
    transaction.outcome = Outcome::ok;
    transaction.service = service;
    transaction.request_bytes = 312;
    transaction.response_bytes = 1840;
    transaction.request_body_bytes = 0;
    transaction.response_body_bytes = 1500;
    transaction.trace.trace_id.assign("4bf92f3577b34da6a3ce929d0e0e4736");
    transaction.trace.parent_span_id.assign("00f067aa0ba902b7");
    transaction.trace.span_id = 0x1122334455667788 + number;
    transaction.server = {.address = {10, 0, 0, 5}, .port = 8080, .family = 2};
    transaction.client = {.address = {10, 0, 0, 7}, .port = 51234, .family = 2};
    transaction.client_ip = {.address = {203, 0, 113, 9}, .port = 0, .family = 2};
    return transaction;
}

template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

// written + recovered = delivered + diverted + skipped + pending + spooled + Σ dropped
inline bool adds_up(const ExportStats& stats) {
    return stats.written + stats.recovered ==
           stats.delivered + stats.diverted + stats.skipped + stats.pending + stats.spooled + stats.dropped_total();
}

}  // namespace sonde
