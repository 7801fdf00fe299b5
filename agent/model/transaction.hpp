#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "agent/base/inline_string.hpp"
#include "agent/model/kubernetes.hpp"
#include "agent/model/log_line.hpp"
#include "agent/model/process.hpp"
#include "agent/model/trace.hpp"
#include "agent/model/wait.hpp"

namespace sonde {

enum class Side : std::uint8_t { server, client };
enum class Protocol : std::uint8_t { http1_0, http1_1, http2, websocket };
enum class Outcome : std::uint8_t { ok, error, aborted, unobserved };

constexpr std::string_view to_string(Side side) { return side == Side::server ? "server" : "client"; }
constexpr std::string_view to_string(Protocol protocol) {
    constexpr std::array<std::string_view, 4> names{"http/1.0", "http/1.1", "http/2", "websocket"};
    return names[static_cast<std::size_t>(protocol)];
}
constexpr std::string_view to_string(Outcome outcome) {
    constexpr std::array<std::string_view, 4> names{"ok", "error", "aborted", "unobserved"};
    return names[static_cast<std::size_t>(outcome)];
}

// Where the time of a transaction went. The phases that were observed add up to the duration, or to less: on an event
// loop that served others meanwhile, whose CPU time it was is not observed.
// queue: first request byte to the application's first read. upload: from there to the last request byte, as far as the
// thread was neither on a core nor ready for one. transfer: first to last response byte.
enum class Phase : std::uint8_t { queue, upload, cpu, runqueue, blocked, transfer };
constexpr std::size_t phase_count = 6;
constexpr std::array<std::string_view, phase_count> phase_names{"queue",    "upload",  "cpu",
                                                                "runqueue", "blocked", "transfer"};

// A number of nanoseconds, or not observed.
inline constexpr std::int64_t unobserved_ns = -1;

struct Endpoint {
    std::array<std::uint8_t, 16> address{};  // network order; IPv4 in the first four bytes
    std::uint16_t port = 0;                  // host order
    std::uint8_t family = 0;                 // AF_INET, AF_INET6, AF_UNIX (no address, no port); 0: not known
};

// What a WebSocket carried from its upgrade to its end (RFC 6455). By enum of direction: 0 received, 1 sent, as seen
// from the transaction's side.
struct WebSocketTotals {
    std::array<std::int64_t, 2> messages{-1, -1};  // -1: not observed, since frames could not be followed
    std::array<std::int64_t, 2> bytes{-1, -1};     // payload of messages, as sent (compressed, where they are)
    std::uint16_t close_code = 0;                  // of the first Close; 1005: it has none; 0: none was seen
    bool has_closer = false;                       // closed_by holds
    Side closed_by = Side::server;                 // who sent the first Close; without one, who ended first
};

struct DownstreamCalls;

// One request with its response, on one side of one connection.
// Passive and of fixed size: it is copied into queues without allocation. The string_views point into tables
// that live as long as the agent (route and service names are interned and bounded).
struct Transaction {
    std::uint64_t time_ns = 0;      // CLOCK_REALTIME of the first request byte
    std::uint64_t duration_ns = 0;  // first request byte to last response byte that was seen
    std::array<std::int64_t, phase_count> phase_ns{unobserved_ns, unobserved_ns, unobserved_ns,
                                                   unobserved_ns, unobserved_ns, unobserved_ns};
    WaitSamples waits;                      // none where Phase::cpu was not observed
    std::uint64_t request_bytes = 0;        // on the wire, head and body
    std::uint64_t response_bytes = 0;       // on the wire, head and body
    std::int64_t request_body_bytes = -1;   // -1: not observed
    std::int64_t response_body_bytes = -1;  // as transferred (chunk framing included); -1: not observed
    std::uint64_t cookie = 0;               // socket
    double sample_weight = 1;               // of how many like it this one tells: 1 / probability that it was kept
    Side side = Side::server;
    Protocol protocol = Protocol::http1_1;
    Outcome outcome = Outcome::unobserved;
    bool tls = false;
    bool head_incomplete = false;   // header fields were missed (HTTP/2): what is empty was not observed
    bool grpc = false;              // content-type application/grpc…
    std::int16_t grpc_status = -1;  // grpc-status, 0 … 16; -1: not observed
    std::uint16_t status = 0;       // 0: not observed
    InlineString<16> method;
    InlineString<512> path;  // without the query
    InlineString<128> host;
    InlineString<160> user_agent;
    TraceContext trace;
    std::string_view route;
    std::string_view service;
    std::string_view workload;  // labels of metrics: where in a cluster it runs (WorkloadNames); empty: not known
    Endpoint server;
    Endpoint client;
    Endpoint client_ip;         // who asked, told by trusted proxies where there are some; without a port
    WebSocketTotals websocket;  // Protocol::websocket
    std::uint32_t tid = 0;      // the thread that read the request (server) or sent it (client); 0: not observed
    ProcessPtr process;         // may be null: not observed
    std::shared_ptr<const DownstreamCalls> downstream;  // null: no call is known to have been made while it was served
    std::shared_ptr<const TransactionLogs> logs;        // null: none was written, or none can be seen
    KubernetesContainerPtr kubernetes;                  // where the process runs; null: not known
    KubernetesPeerPtr peer;                             // client side: whom it asked; null: not known
};

}  // namespace sonde
