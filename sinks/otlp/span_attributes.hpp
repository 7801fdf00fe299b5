#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/model/log_line.hpp"
#include "agent/model/transaction.hpp"
#include "sinks/otlp/used_keys.hpp"

namespace sonde {

// SpanKind and StatusCode of opentelemetry/proto/trace/v1/trace.proto.
enum class SpanKind : std::uint8_t { server = 2, client = 3 };
enum class SpanStatus : std::uint8_t { unset = 0, error = 2 };

inline SpanKind kind_of(const Transaction& transaction) {
    return transaction.side == Side::server ? SpanKind::server : SpanKind::client;
}

// 4xx is the caller's error, not the server's (HTTP spans, "Status").
inline SpanStatus status_of(const Transaction& transaction) {
    const std::uint16_t first_error = transaction.side == Side::server ? 500 : 400;
    const bool error = transaction.outcome == Outcome::error || transaction.status >= first_error;
    return error ? SpanStatus::error : SpanStatus::unset;
}

// One of the methods that semantic conventions know; others are _OTHER there.
bool is_known_method(std::string_view method);

// "{method} {route}", "{method}", or "HTTP" where no head was seen.
void append_span_name(std::string& out, const Transaction& transaction);

// Address as text; empty: it has none.
std::string_view address_text(const Endpoint& endpoint, std::array<char, INET6_ADDRSTRLEN>& buffer);

// "shop.local:8080" → "shop.local", "[::1]:80" → "::1".
std::string_view host_without_port(std::string_view host);

// Calls text(key, value) and integer(key, value) and number(key, value) for each attribute that was observed, by the
// semantic conventions for HTTP spans (1.27) and, where they have no name, as sonde.*; then for the chosen fields of
// its log lines, by their own names.
template <typename Visitor>
void visit_span_attributes(const Transaction& transaction, Visitor&& visitor) {
    constexpr std::size_t own_keys = 32 + phase_count;
    UsedKeys<own_keys + TransactionLogs::attributes_max> used;
    const auto text = [&](std::string_view key, std::string_view value) {
        if (!value.empty() && used.take(key)) visitor.text(key, value);
    };
    const auto integer = [&](std::string_view key, std::int64_t value) {
        if (value >= 0 && used.take(key)) visitor.integer(key, value);
    };
    const bool server = transaction.side == Side::server;
    if (is_known_method(transaction.method)) {
        text("http.request.method", transaction.method);
    } else if (!transaction.method.empty()) {
        text("http.request.method", "_OTHER");
        text("http.request.method_original", transaction.method);
    }
    integer("http.response.status_code", transaction.status != 0 ? transaction.status : -1);
    if (server) text("http.route", transaction.route);
    text("url.path", transaction.path);
    text("url.scheme", transaction.tls ? "https" : "http");
    text("network.protocol.name", "http");
    text("network.protocol.version", to_string(transaction.protocol).substr(std::string_view("http/").size()));
    text("user_agent.original", transaction.user_agent);
    text("server.address", host_without_port(transaction.host));
    integer("server.port", transaction.server.port != 0 ? transaction.server.port : -1);
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (server) text("client.address", address_text(transaction.client_ip, buffer));
    const auto& peer = server ? transaction.client : transaction.server;
    text("network.peer.address", address_text(peer, buffer));
    integer("network.peer.port", peer.port != 0 ? peer.port : -1);
    text("network.transport", peer.family == AF_UNIX ? "unix" : peer.family != 0 ? "tcp" : "");
    integer("http.request.body.size", transaction.request_body_bytes);
    integer("http.response.body.size", transaction.response_body_bytes);
    integer("http.request.size", static_cast<std::int64_t>(transaction.request_bytes));
    integer("http.response.size", static_cast<std::int64_t>(transaction.response_bytes));
    integer("thread.id", transaction.tid != 0 ? static_cast<std::int64_t>(transaction.tid) : -1);
    if (status_of(transaction) == SpanStatus::error) {
        std::array<char, 8> digits{};
        const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), transaction.status).ptr;
        const std::string_view code(digits.data(), static_cast<std::size_t>(end - digits.data()));
        text("error.type", transaction.status >= 400 ? code : to_string(transaction.outcome));
    }
    text("sonde.outcome", to_string(transaction.outcome));
    constexpr std::array<std::string_view, phase_count> phases{"sonde.phase.queue_ns",   "sonde.phase.upload_ns",
                                                               "sonde.phase.cpu_ns",     "sonde.phase.runqueue_ns",
                                                               "sonde.phase.blocked_ns", "sonde.phase.transfer_ns"};
    for (std::size_t i = 0; i < phase_count; ++i) integer(phases[i], transaction.phase_ns[i]);
    text("sonde.request_id", transaction.trace.request_id);
    if (transaction.peer) text("peer.service", transaction.peer->service);
    if (transaction.sample_weight != 1 && used.take("sonde.sample_weight"))
        visitor.number("sonde.sample_weight", transaction.sample_weight);
    if (transaction.logs)
        for (const auto& [key, value] : transaction.logs->attributes) text(key, value);
}

// The same for a log line as an event of its span.
template <typename Visitor>
void visit_event_attributes(const TransactionLog& line, Visitor&& visitor) {
    visitor.text("log.severity", to_string(line.severity));
    visitor.text("log.message", line.message);
    visitor.text("sonde.match", to_string(line.match));
    visitor.number("sonde.confidence", readable_confidence(line.confidence));
    if (line.cut) visitor.boolean("sonde.log.cut", true);
}

// k8s.deployment.name and the like; empty: the conventions have no name for it.
std::string_view owner_attribute(std::string_view kind);

template <typename Visitor>
void visit_kubernetes_attributes(const KubernetesContainer& container, Visitor&& visitor) {
    const auto text = [&](std::string_view key, std::string_view value) {
        if (!key.empty() && !value.empty()) visitor.text(key, value);
    };
    text("k8s.namespace.name", container.namespace_name);
    text("k8s.pod.name", container.pod);
    text("k8s.pod.uid", container.pod_uid);
    text("k8s.container.name", container.container);
    text("k8s.node.name", container.node);
    text(owner_attribute(container.owner_kind), container.owner);
    for (const auto& [key, value] : container.labels) visitor.text("k8s.pod.label." + key, value);
}

// The same for the resource: which program it was that served or asked.
template <typename Visitor>
void visit_resource_attributes(const Transaction& transaction, Visitor&& visitor) {
    // service.name must be there; this is what the specification says when nobody knows it
    visitor.text("service.name", transaction.service.empty() ? "unknown_service" : transaction.service);
    if (const auto* pod = transaction.kubernetes.get()) visit_kubernetes_attributes(*pod, visitor);
    const auto* process = transaction.process.get();
    if (process == nullptr) return;
    visitor.integer("process.pid", process->pid);
    if (!process->exe.empty()) visitor.text("process.executable.path", process->exe);
    if (!process->comm.empty()) visitor.text("process.executable.name", process->comm);
    if (!process->container_id.empty()) visitor.text("container.id", process->container_id);
    if (!process->container_name.empty()) visitor.text("container.name", process->container_name);
}

}  // namespace sonde
