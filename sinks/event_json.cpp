#include "sinks/event_json.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "agent/model/downstream.hpp"
#include "sinks/json_line.hpp"
#include "sinks/log_json.hpp"

namespace sonde {
namespace {

class AddressText {
public:
    explicit AddressText(const Endpoint& endpoint) {
        if (endpoint.family == AF_INET) {
            format_ipv4(endpoint);
        } else if (endpoint.family == AF_INET6) {
            if (inet_ntop(AF_INET6, endpoint.address.data(), text_.data(), INET6_ADDRSTRLEN) != nullptr)
                size_ = std::strlen(text_.data());
        }
    }
    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

private:
    // By hand: glibc's inet_ntop goes through snprintf, which costs more than the rest of the line.
    void format_ipv4(const Endpoint& endpoint) {
        char* cursor = text_.data();
        char* const end = cursor + text_.size();
        for (std::size_t i = 0; i < 4; ++i) {
            if (i > 0) *cursor++ = '.';
            cursor = std::to_chars(cursor, end, endpoint.address[i]).ptr;
        }
        size_ = static_cast<std::size_t>(cursor - text_.data());
    }
    std::array<char, INET6_ADDRSTRLEN> text_;
    std::size_t size_ = 0;
};

class TransactionLine {
public:
    TransactionLine(LineBuffer& line, const Transaction& transaction) : line_(line), transaction_(transaction) {}

    void append() {
        append_request();
        append_outcome();
        append_phases();
        append_sizes();
        append_peers();
        append_process();
        append_kubernetes();
        append_trace();
        append_downstream();
        if (transaction_.grpc) append_grpc();
        if (transaction_.protocol == Protocol::websocket) append_websocket();
        append_logs();
        line_.literal(",\"sample_weight\":");
        line_.number(transaction_.sample_weight);
        line_.literal(",\"unobserved\":[");
        for (std::size_t i = 0; i < unobserved_count_; ++i) {
            if (i > 0) line_.character(',');
            line_.character('"');
            line_.text(unobserved_[i]);
            line_.character('"');
        }
        line_.literal("]}\n");
    }

private:
    void null(std::string_view name) {
        line_.literal("null");
        unobserved_[unobserved_count_++] = name;
    }
    void text_if(bool observed, std::string_view text, std::string_view name) {
        if (observed) {
            append_quoted(line_, text);
        } else {
            null(name);
        }
    }
    void text_or_null(std::string_view text, std::string_view name) { text_if(!text.empty(), text, name); }
    void number_if(bool observed, std::integral auto value, std::string_view name) {
        if (observed) {
            line_.number(value);
        } else {
            null(name);
        }
    }

    void append_request() {
        line_.literal("{\"type\":\"transaction\",\"time\":");
        append_time(line_, transaction_.time_ns);
        line_.literal(",\"side\":\"");
        line_.text(to_string(transaction_.side));
        line_.literal("\",\"service\":");
        text_or_null(transaction_.service, "service");
        line_.literal(",\"method\":");
        text_or_null(transaction_.method, "method");
        line_.literal(",\"route\":");
        text_or_null(transaction_.route, "route");
        line_.literal(",\"path\":");
        text_or_null(transaction_.path, "path");
    }
    void append_outcome() {
        line_.literal(",\"status\":");
        number_if(transaction_.status != 0, transaction_.status, "status");
        line_.literal(",\"outcome\":\"");
        line_.text(to_string(transaction_.outcome));
        line_.literal("\",\"protocol\":\"");
        line_.text(to_string(transaction_.protocol));
        line_.literal("\",\"tls\":");
        line_.text(transaction_.tls ? "true" : "false");
        line_.literal(",\"duration_ns\":");
        line_.number(transaction_.duration_ns);
    }
    void append_phases() {
        line_.literal(",\"phases\":{");
        for (std::size_t i = 0; i < phase_count; ++i) {
            if (i > 0) line_.character(',');
            line_.character('"');
            line_.text(phase_names[i]);
            line_.literal("_ns\":");
            number_if(transaction_.phase_ns[i] >= 0, transaction_.phase_ns[i], phase_names[i]);
        }
        line_.character('}');
        append_waits();
    }
    // Left out where nobody happened to look.
    void append_waits() {
        const auto& waits = transaction_.waits;
        if (waits.empty()) return;
        line_.literal(",\"blocked_in\":{");
        bool is_first = true;
        for (std::size_t i = 0; i < wait_cause_count; ++i) {
            if (waits.count[i] == 0) continue;
            if (!std::exchange(is_first, false)) line_.character(',');
            line_.character('"');
            line_.text(wait_cause_names[i]);
            line_.literal("\":");
            line_.number(waits.count[i]);
        }
        line_.character('}');
    }
    void append_sizes() {
        line_.literal(",\"request_bytes\":");
        line_.number(transaction_.request_bytes);
        line_.literal(",\"response_bytes\":");
        line_.number(transaction_.response_bytes);
        line_.literal(",\"request_body_bytes\":");
        number_if(transaction_.request_body_bytes >= 0, transaction_.request_body_bytes, "request_body_bytes");
        line_.literal(",\"response_body_bytes\":");
        number_if(transaction_.response_body_bytes >= 0, transaction_.response_body_bytes, "response_body_bytes");
    }
    void append_endpoint(std::string_view address, const Endpoint& endpoint, std::string_view name) {
        if (endpoint.family == AF_UNIX) return line_.literal("{\"address\":\"unix\",\"port\":null}");
        if (address.empty()) return null(name);
        line_.literal("{\"address\":\"");
        line_.text(address);
        line_.literal("\",\"port\":");
        line_.number(endpoint.port);
        line_.character('}');
    }
    void append_peers() {
        // HTTP/2: what is empty in a head whose fields were missed was not observed
        const bool head_observed = !transaction_.method.empty();
        const bool all_observed = head_observed && !transaction_.head_incomplete;
        const AddressText server(transaction_.server);
        const AddressText client(transaction_.client);
        const AddressText client_ip(transaction_.client_ip);
        line_.literal(",\"host\":");
        text_if(all_observed || !transaction_.host.empty(), transaction_.host, "host");
        line_.literal(",\"user_agent\":");
        text_if(all_observed || !transaction_.user_agent.empty(), transaction_.user_agent, "user_agent");
        line_.literal(",\"client_ip\":");
        // not unobserved: a Unix socket has none
        if (transaction_.client_ip.family == AF_UNIX)
            line_.literal("null");
        else
            text_or_null(client_ip.view(), "client_ip");
        line_.literal(",\"server\":");
        append_endpoint(server.view(), transaction_.server, "server");
        line_.literal(",\"client\":");
        append_endpoint(client.view(), transaction_.client, "client");
    }
    void append_process() {
        line_.literal(",\"process\":");
        const auto* process = transaction_.process.get();
        if (process == nullptr) return null("process");
        line_.literal("{\"pid\":");
        line_.number(process->pid);
        line_.literal(",\"tid\":");
        number_if(transaction_.tid != 0, transaction_.tid, "tid");
        line_.literal(",\"comm\":");
        text_or_null(process->comm, "comm");
        line_.literal(",\"exe\":");
        text_or_null(process->exe, "exe");
        line_.character('}');
        if (process->container_id.empty()) return;
        line_.literal(",\"container\":{\"id\":");
        append_quoted(line_, process->container_id);
        append_named(",\"name\":", process->container_name);
        line_.character('}');
    }

    // Left out where no cluster is known. What its API did not say is left out, too.
    void append_kubernetes() {
        if (const auto* container = transaction_.kubernetes.get()) {
            line_.literal(",\"k8s\":{\"namespace\":");
            append_quoted(line_, container->namespace_name);
            append_named(",\"pod\":", container->pod);
            append_named(",\"container\":", container->container);
            append_named(",\"node\":", container->node);
            append_named(",\"owner_kind\":", container->owner_kind);
            append_named(",\"owner\":", container->owner);
            append_labels(container->labels);
            line_.character('}');
        }
        if (const auto* peer = transaction_.peer.get()) {
            line_.literal(",\"peer\":{\"namespace\":");
            append_quoted(line_, peer->namespace_name);
            append_named(",\"service\":", peer->service);
            append_named(",\"pod\":", peer->pod);
            line_.character('}');
        }
    }
    template <std::size_t n>
    void append_named(const char (&name)[n], std::string_view value) {
        if (value.empty()) return;
        line_.literal(name);
        append_quoted(line_, value);
    }
    void append_labels(const std::vector<std::pair<std::string, std::string>>& labels) {
        if (labels.empty()) return;
        line_.literal(",\"labels\":{");
        for (std::size_t i = 0; i < labels.size(); ++i) {
            if (i > 0) line_.character(',');
            append_quoted(line_, labels[i].first);
            line_.character(':');
            append_quoted(line_, labels[i].second);
        }
        line_.character('}');
    }

    // Left out where no header named a trace or a request.
    void append_trace() {
        const auto& trace = transaction_.trace;
        if (trace.trace_id.empty() && trace.request_id.empty()) return;
        line_.literal(",\"trace\":{");
        if (!trace.trace_id.empty()) {
            line_.literal("\"trace_id\":\"");
            line_.text(trace.trace_id);
            line_.literal("\",\"span_id\":\"");
            append_hex(trace.span_id);
            line_.character('"');
            if (!trace.parent_span_id.empty()) {
                line_.literal(",\"parent_span_id\":\"");
                line_.text(trace.parent_span_id);
                line_.character('"');
            }
            if (trace.parent != 0) {
                line_.literal(",\"parent\":{\"span_id\":\"");
                append_hex(trace.parent);
                line_.literal("\",\"match\":\"");
                line_.text(to_string(trace.parent_match));
                line_.literal("\"}");
            }
            if (!trace.request_id.empty()) line_.character(',');
        }
        if (!trace.request_id.empty()) {
            line_.literal("\"request_id\":");
            append_quoted(line_, trace.request_id);
        }
        line_.character('}');
    }
    // Left out where no call is known. What is null in it is not named in "unobserved": that is of the request itself.
    void append_downstream() {
        const auto* calls = transaction_.downstream.get();
        if (calls == nullptr) return;
        line_.literal(",\"downstream_ns\":");
        line_.number(calls->waited_ns);
        line_.literal(",\"downstream\":[");
        for (std::uint32_t i = 0; i < calls->count; ++i) {
            if (i > 0) line_.character(',');
            append_call(calls->calls[i]);
        }
        line_.literal("],\"downstream_dropped\":");
        line_.number(calls->dropped);
    }
    void quoted_or_null(std::string_view text) {
        if (text.empty())
            line_.literal("null");
        else
            append_quoted(line_, text);
    }
    void append_call(const DownstreamCall& call) {
        const AddressText peer(call.peer);
        line_.literal("{\"span_id\":\"");
        append_hex(call.span_id);
        line_.literal("\",\"match\":\"");
        line_.text(to_string(call.match));
        line_.literal("\",\"service\":");
        quoted_or_null(call.service);
        line_.literal(",\"method\":");
        quoted_or_null(call.method);
        line_.literal(",\"route\":");
        quoted_or_null(call.route);
        line_.literal(",\"peer\":");
        if (call.peer.family == 0)
            line_.literal("null");
        else
            append_endpoint(peer.view(), call.peer, "");
        line_.literal(",\"protocol\":\"");
        line_.text(to_string(call.protocol));
        line_.literal("\",\"status\":");
        if (call.status != 0)
            line_.number(call.status);
        else
            line_.literal("null");
        line_.literal(",\"outcome\":\"");
        line_.text(to_string(call.outcome));
        line_.literal("\",\"start_ns\":");
        line_.number(call.start_ns);
        line_.literal(",\"duration_ns\":");
        if (call.duration_ns >= 0)
            line_.number(call.duration_ns);
        else
            line_.literal("null");
        line_.character('}');
    }
    void append_hex(std::uint64_t value) { append_span_id(line_, value); }
    // Left out where no line was seen.
    void append_logs() {
        if (transaction_.logs) append_transaction_logs(line_, *transaction_.logs);
    }

    // "status" is grpc-status, null where neither a trailer nor a head told it.
    void append_grpc() {
        line_.literal(",\"grpc\":{\"status\":");
        number_if(transaction_.grpc_status >= 0, transaction_.grpc_status, "grpc_status");
        line_.character('}');
    }

    void append_websocket() {
        const auto& w = transaction_.websocket;
        line_.literal(",\"websocket\":{\"messages_received\":");
        number_if(w.messages[0] >= 0, w.messages[0], "messages_received");
        line_.literal(",\"messages_sent\":");
        number_if(w.messages[1] >= 0, w.messages[1], "messages_sent");
        line_.literal(",\"bytes_received\":");
        number_if(w.bytes[0] >= 0, w.bytes[0], "bytes_received");
        line_.literal(",\"bytes_sent\":");
        number_if(w.bytes[1] >= 0, w.bytes[1], "bytes_sent");
        line_.literal(",\"close_code\":");
        number_if(w.close_code != 0, w.close_code, "close_code");
        line_.literal(",\"closed_by\":");
        text_if(w.has_closer, to_string(w.closed_by), "closed_by");
        line_.character('}');
    }

    LineBuffer& line_;
    const Transaction& transaction_;
    std::array<std::string_view, 32> unobserved_;  // more than there are names
    std::size_t unobserved_count_ = 0;
};

void append_loss(LineBuffer& line, const LossRecord& loss) {
    std::uint64_t seen = 0;
    std::uint64_t delivered = 0;
    bool first = true;
    line.literal("{\"type\":\"loss\",\"time\":");
    append_time(line, loss.time_ns);
    line.literal(",\"lost\":[");
    for (std::size_t type = 0; type < loss.since_last.rows.size(); ++type) {
        const auto& row = loss.since_last.rows[type];
        seen += row.seen;
        delivered += row.delivered;
        for (std::size_t reason = 0; reason < row.lost.size(); ++reason) {
            if (row.lost[reason] == 0) continue;
            if (!first) line.character(',');
            first = false;
            line.literal("{\"record\":\"");
            line.text(record_type_names[type]);
            line.literal("\",\"reason\":\"");
            line.text(loss_reason_names[reason]);
            line.literal("\",\"count\":");
            line.number(row.lost[reason]);
            line.character('}');
        }
    }
    line.literal("],\"seen\":");
    line.number(seen);
    line.literal(",\"delivered\":");
    line.number(delivered);
    line.literal(",\"in_flight\":");
    line.number(loss.in_flight);
    line.literal("}\n");
}

void append_alert(LineBuffer& line, const AlertRecord& alert) {
    if (!alert.notice) return;
    if (!alert.notice->line.empty()) {
        line.text(alert.notice->line);
    } else {  // a notice that could not be told, in a fallback's file
        line.literal("{\"type\":\"alert\",\"time\":");
        append_time(line, alert.time_ns);
        line.literal(",\"alerts\":[");
        for (std::size_t i = 0; i < alert.notice->alerts.size(); ++i) {
            const auto& info = alert.notice->alerts[i];
            line.text(i == 0 ? "{\"rule\":" : ",{\"rule\":");
            append_quoted(line, info.rule);
            line.literal(",\"state\":\"");
            line.text(to_string(info.state));
            line.literal("\",\"severity\":\"");
            line.text(to_string(info.severity));
            line.literal("\",\"summary\":");
            append_quoted(line, info.summary);
            line.character('}');
        }
        line.literal("]}");
    }
    line.character('\n');
}

}  // namespace

void append_event_json(std::string& out, const Record& record) {
    LineBuffer line(out);
    if (const auto* transaction = std::get_if<Transaction>(&record)) {
        TransactionLine(line, *transaction).append();
    } else if (const auto* loss = std::get_if<LossRecord>(&record)) {
        append_loss(line, *loss);
    } else if (const auto* log = std::get_if<LogLinePtr>(&record)) {
        append_log_line(line, **log);
    } else if (const auto* alert = std::get_if<AlertRecord>(&record)) {
        append_alert(line, *alert);
    }
}

void append_log_json(std::string& out, const LogLine& log) {
    LineBuffer line(out);
    append_log_line(line, log);
}

void append_json_string(std::string& out, std::string_view text) {
    LineBuffer line(out);
    append_quoted(line, text);
}

}  // namespace sonde
