#include "agent/pipeline/pipeline.hpp"

#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <cstring>

#include "agent/pipeline/decoder.hpp"
#include "agent/pipeline/trace_halves.hpp"
#include "agent/resource/runtime.hpp"

namespace sonde {
namespace {

std::uint16_t record_type(std::span<const std::byte> record) {
    std::uint16_t type = SONDE_REC_NONE;
    if (record.size() >= sizeof type) std::memcpy(&type, record.data(), sizeof type);
    return type < SONDE_REC_TYPES ? type : std::uint16_t{SONDE_REC_NONE};
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;  // clang 14 does not deduce it for an aggregate

// Names of the request headers that were seen, by bits: host, user agent.
const std::array<std::vector<std::string>, 4> seen_headers{{{}, {"host"}, {"user-agent"}, {"host", "user-agent"}}};

Record loss_since(const LossMatrix& before, const LossMatrix& now) {
    LossRecord loss;
    loss.time_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        auto& row = loss.since_last.rows[type];
        loss.in_flight += now.rows[type].seen - now.rows[type].delivered;
        row.seen = now.rows[type].seen - before.rows[type].seen;
        row.delivered = now.rows[type].delivered - before.rows[type].delivered;
        for (std::size_t reason = 0; reason < SONDE_LOSS_REASONS; ++reason) {
            row.lost[reason] = now.rows[type].lost[reason] - before.rows[type].lost[reason];
            loss.in_flight -= now.rows[type].lost[reason];
        }
    }
    return loss;
}

}  // namespace

Pipeline::Pipeline(const PipelineOptions& options, HttpMetrics& metrics)
    : options_(options),
      metrics_(metrics),
      redactor_(options.policies.redaction->common()),
      sampler_(options.policies.sampling, [this](const Transaction& t, bool must) { deliver(t, must); }),
      processes_({.read_proc = options.read_proc,
                  .max_processes = options.max_processes,
                  .redact =
                      [this](Process& process) {
                          process.runtime = runtime_from_executable(process.exe).name;
                          redactor_.redact(process);
                      }}),
      discovery_(options.policies.discovery),
      routes_(options.policies.routes, [this](std::string_view segment) { return redactor_.hides(segment); }),
      links_({}, [this](Transaction& t) { settled(t); }),
      logs_(options.logs, {.redact = [this](LogLine& line) { return redact(line); },
                           .on_line = [this](const std::shared_ptr<LogLine>& line) { deliver(line); },
                           .on_transaction = [this](Transaction& t) { hand_on(t); }}),
      tracker_(
          options.tracker, [this](Transaction& t, std::uint32_t pid) { complete(t, pid); }, this) {
    tracker_.set_trusted_proxies(options_.policies.trusted_proxies);
    tracker_.set_trace_headers(options_.policies.trace_headers);
    tracker_.set_observer(this);
}

void Pipeline::on_record(std::span<const std::byte> record) {
    const auto event = decode(record);
    if (!event) {
        bump(stats_.invalid_records);
        bump(invalid_[record_type(record)]);
        return;
    }
    std::visit(Overloaded{
                   [&](const ProcExec& e) {
                       processes_.on_exec(e.pid, e.parent_pid, e.comm, e.filename);
                       tracker_.process_ended(e.pid);
                       links_.process_ended(e.pid);  // what its threads did before says nothing of the new program
                       for (auto* watch : watches_) watch->process_began(e.pid);
                   },
                   [&](const ProcExit& e) {
                       processes_.on_exit(e.pid);
                       tracker_.process_ended(e.pid);
                       links_.process_ended(e.pid);
                       for (auto* watch : watches_) watch->process_ended(e.pid);
                       logs_.process_ended(e.pid);
                   },
                   [&](const TlsHello& e) { tls_->on(e); },
                   [&](const LogWrite& e) {
                       last_record_ns_ = e.time_ns;
                       logs_.on(e);
                   },
                   [&](const Head& e) {
                       last_record_ns_ = e.time_ns;
                       if (e.tls) tls_->on_plaintext(e.cookie);
                       tracker_.on(e);
                   },
                   [&](const Http2Frames& e) {
                       last_record_ns_ = e.time_ns;
                       if (e.tls) tls_->on_plaintext(e.cookie);
                       tracker_.on(e);
                   },
                   [&](const ConnClose& e) {
                       last_record_ns_ = e.time_ns;
                       tls_->on(e);
                       tracker_.on(e);
                   },
                   [&](const ProcInfo& e) {
                       auto process = std::make_shared<Process>();
                       process->pid = e.pid;
                       process->start_time_ns = e.start_time_ns;
                       process->comm = e.comm;
                       process->exe = e.exe;
                       process->program = e.program;
                       process->unit = e.unit;
                       process->container_id = e.container_id;
                       redactor_.redact(*process);
                       processes_.put(std::move(process));
                   },
                   [&](const SocketRead& e) {
                       last_record_ns_ = e.time_ns;
                       if (e.handshake)
                           for (auto* watch : watches_) watch->process_speaks_tls(e.thread.pid);
                       tracker_.on(e);
                   },
                   [&](const auto& e) {
                       last_record_ns_ = e.time_ns;
                       tracker_.on(e);
                   },
               },
               *event);
    logs_.advance(last_record_ns_);
    links_.advance(last_record_ns_);
}

void Pipeline::request_read(const RequestRead& read) {
    links_.request_read(read);
    if (read.pid == options_.self_pid || !is_watched(read)) return;
    for (auto* watch : watches_) watch->process_serves(read.pid);
    if (waits_) waits_->request_read(read);
    if (auto* joined = logs_.observer()) joined->request_read(read);
}

// What nobody watches has its log writes left alone, too.
bool Pipeline::is_watched(const RequestRead& read) {
    if (!discovery_.any()) return true;
    const auto process = processes_.find(read.pid);
    KubernetesContainerPtr container;
    if (kubernetes_ && process && !process->container_id.empty())
        container = kubernetes_->container(process->container_id);
    return discovery_.decide(process, read.server.port, container).watched;
}

void Pipeline::response_began(Transaction& request, const ThreadClock& by, std::uint64_t time_ns) {
    links_.response_began(request.trace.span_id, by, time_ns);
    if (waits_) request.waits = waits_->take(request.trace.span_id, by.tid, time_ns);
    if (auto* joined = logs_.observer()) joined->response_began(request, by, time_ns);
}

void Pipeline::request_dropped(std::uint64_t span_id) {
    links_.dropped(span_id);
    forget_for_logs(span_id);
}

void Pipeline::forget_for_logs(std::uint64_t span_id) {
    if (auto* joined = logs_.observer()) joined->request_dropped(span_id);
}

bool Pipeline::identify(Transaction& transaction, std::uint32_t pid) {
    if (pid != 0 && pid == options_.self_pid) {
        bump(stats_.own_transactions);
        return false;
    }
    if (pid != 0) transaction.process = processes_.find(pid);
    const bool server = transaction.side == Side::server;
    const std::uint16_t port = server ? transaction.server.port : std::uint16_t{0};
    if (kubernetes_) place_in_cluster(transaction);
    const auto decision = discovery_.decide(transaction.process, port, transaction.kubernetes);
    if (!decision.watched) {
        bump(stats_.unwatched_transactions);
        return false;
    }
    transaction.service =
        decision.service.empty() ? services_.name(transaction.process.get(), port) : services_.name(decision.service);
    if (decision.service.empty() && transaction.kubernetes)
        transaction.service = services_.name(workloads_->name(transaction.kubernetes).service);
    if (!transaction.path.empty() || !transaction.head_incomplete)  // otherwise the route was not observed, either
        transaction.route = transaction.grpc ? routes_.literal_route(transaction.service, transaction.path.view())
                                             : routes_.route(transaction.service, transaction.path.view());
    return true;
}

void Pipeline::complete(Transaction& transaction, std::uint32_t pid) {
    // what its thread waited in shows nothing where the thread did other work meanwhile, or another one answered
    if (waits_ && transaction.phase_ns[static_cast<std::size_t>(Phase::cpu)] < 0) {
        transaction.waits = {};
        waits_->forget(transaction.trace.span_id, transaction.tid);
    }
    const bool counts = identify(transaction, pid);
    links_.ended(transaction, counts);
    if (!counts) return forget_for_logs(transaction.trace.span_id);
    bump(stats_.transactions);
    metrics_.observe(transaction);
    wait_metrics_->observe(transaction);
    if (!logs_.hold(transaction)) hand_on(transaction);
}

// Its log lines have come; its calls may still be on their way.
void Pipeline::hand_on(Transaction& transaction) {
    if (!links_.hold(transaction)) settled(transaction);
}

void Pipeline::settled(Transaction& transaction) {
    downstream_->observe(transaction);
    if (!observers_.empty() || !outlets_.empty()) pass_on(transaction);
}

// The upgrade is a request like any other to the HTTP metrics; hours of a connection would be no request's duration.
void Pipeline::opened(WebSocketSession& session) {
    auto& upgrade = session.upgrade();
    const bool counts = identify(upgrade, session.pid());
    links_.ended(upgrade, false);
    // its lines would be those of hours, and of whoever shares its thread
    forget_for_logs(upgrade.trace.span_id);
    if (upgrade.side == Side::server) links_.other_work_began(session.pid());
    if (!counts) return session.leave_out();
    bump(stats_.transactions);
    metrics_.observe(upgrade);
    websockets_->opened(upgrade);
    if (observers_.empty()) return;
    auto shown = upgrade;  // the session's own is redacted when it ends
    redactor_.redact(shown);
    for (auto* observer : observers_) observer->websocket_opened(shown);
}

void Pipeline::moved(const WebSocketSession& session, bool outgoing, const WebSocketSession::Moved& moved) {
    if (!session.left_out()) websockets_->moved(session.upgrade(), outgoing, moved.messages, moved.bytes);
}

void Pipeline::closed(const WebSocketSession& session, Transaction& transaction) {
    if (transaction.side == Side::server) links_.other_work_ended(session.pid());
    if (session.left_out()) return;
    websockets_->closed(transaction);
    if (!observers_.empty() || !outlets_.empty()) pass_on(transaction);
}

void Pipeline::set_kubernetes(const KubernetesDirectory& directory, bool pod_label) {
    kubernetes_ = std::make_unique<KubernetesView>(directory);
    workloads_ = std::make_unique<WorkloadNames>(pod_label);
}

void Pipeline::place_in_cluster(Transaction& transaction) {
    if (transaction.process && !transaction.process->container_id.empty())
        transaction.kubernetes = kubernetes_->container(transaction.process->container_id);
    if (transaction.kubernetes) transaction.workload = workloads_->name(transaction.kubernetes).labels;
    if (transaction.side != Side::client) return;
    const auto& server = transaction.server;
    const std::size_t size = server.family == AF_INET ? 4 : server.family == AF_INET6 ? 16 : 0;
    if (size > 0) transaction.peer = kubernetes_->peer({reinterpret_cast<const char*>(server.address.data()), size});
}

// Metrics have seen it: what goes on from here has passed a redactor, and to sinks goes a sample.
void Pipeline::pass_on(Transaction& transaction) {
    if (own_redactions_) unredacted_ = transaction;
    const bool leaves = redactor_.redact(transaction);
    for (auto* observer : observers_) observer->observe(transaction);
    if (outlets_.empty() || (!leaves && !own_redactions_)) return;
    auto& candidate = own_redactions_ ? unredacted_ : transaction;
    const auto headers = (candidate.host.empty() ? 0U : 1U) + (candidate.user_agent.empty() ? 0U : 2U);
    const auto [high, low] = trace_halves(candidate.trace.trace_id);
    const SampleInput input{.transaction = candidate,
                            .trace_high = high,
                            .trace_low = low,
                            .error_log = candidate.logs && candidate.logs->has_error,
                            .headers = &seen_headers[headers]};
    sampler_.offer(candidate, input, last_record_ns_);
    unredacted_.process.reset();
    unredacted_.logs.reset();
    unredacted_.downstream.reset();
}

// A delivery's refusal is counted there.
void Pipeline::deliver(const Transaction& transaction, bool must) {
    for (auto& [delivery, redactor, gate, carries, reported, known_as] : outlets_) {
        if (carries == Carries::logs) continue;
        const auto weight = gate->weight(transaction, must, last_record_ns_, [target = delivery] {
            const auto stats = target->stats();
            return SinkLoad{stats.queued, stats.capacity, stats.sink.records, stats.sink.bytes};
        });
        if (weight == 0) continue;
        auto& copy = outgoing_.emplace<Transaction>(transaction);
        copy.sample_weight = weight;
        if (!redactor || (redactor->redact(copy) && redactor->redact_logs(copy))) delivery->offer(outgoing_);
    }
}

std::uint64_t Pipeline::held_back(const Delivery& delivery) const {
    for (const auto& outlet : outlets_)
        if (outlet.delivery == &delivery) return outlet.gate->dropped();
    return 0;
}

LossMatrix Pipeline::losses(const EventSource& source) const {
    auto matrix = source.losses();
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        const auto invalid = invalid_[type].load(std::memory_order_relaxed);
        matrix.rows[type].lost[SONDE_LOSS_DECODE_INVALID] += invalid;
        matrix.rows[type].delivered -= std::min(invalid, matrix.rows[type].delivered);
    }
    return matrix;
}

// A line that a sink's full queue refuses is told again, as part of the next.
void Pipeline::report_losses(const EventSource& source) {
    if (outlets_.empty()) return;
    const auto now = losses(source);
    for (auto& outlet : outlets_)
        if (now.lost_total() != outlet.reported.lost_total() &&
            outlet.delivery->offer(loss_since(outlet.reported, now)))
            outlet.reported = now;
}

void Pipeline::tick(const EventSource& source) {
    tracker_.set_realtime_offset_ns(source.realtime_offset_ns());
    links_.set_realtime_offset_ns(source.realtime_offset_ns());
    logs_.set_realtime_offset_ns(source.realtime_offset_ns());
    tracker_.tick(last_record_ns_);
    // a quiet second lets go of what waits, too
    if (last_record_ns_ == last_tick_ns_) sampler_.finish();
    last_tick_ns_ = last_record_ns_;
    report_losses(source);
}

void Pipeline::finish(const EventSource& source) {
    tracker_.finish();
    logs_.finish();
    links_.finish();
    sampler_.finish();
    report_losses(source);
}

}  // namespace sonde
