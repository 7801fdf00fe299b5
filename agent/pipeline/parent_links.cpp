#include "agent/pipeline/parent_links.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "agent/base/text_hash.hpp"
#include "agent/protocol/trusted_proxies.hpp"

namespace sonde {
namespace {

void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::uint64_t key_of_text(std::string_view text) { return text.empty() ? 0 : text_hash(text); }

std::uint64_t key_of_number(std::uint32_t number, std::uint64_t kind) { return mixed_key(kind << 32 | number); }

bool same(const Endpoint& a, const Endpoint& b) {
    return a.port == b.port && a.family == b.family && a.address == b.address;
}

// 0: not known. A Unix socket has no address that tells it from others.
std::uint64_t key_of_connection(const Endpoint& client, const Endpoint& server) {
    if (client.port == 0 || server.port == 0) return 0;
    std::array<std::uint64_t, 4> words{};
    std::memcpy(words.data(), client.address.data(), 16);
    std::memcpy(words.data() + 2, server.address.data(), 16);
    std::uint64_t key = std::uint64_t{client.port} << 16 | server.port;
    for (const auto word : words) key = mixed_key(key ^ word);
    return key;
}

// A trace that nobody has named is named after the transaction that it begins with.
void name_trace(InlineString<32>& trace_id, std::uint64_t span_id) {
    std::array<char, 32> text;
    text.fill('0');
    const std::array<std::uint64_t, 2> halves{mixed_key(span_id), span_id};
    for (std::size_t i = 0; i < halves.size(); ++i) {
        std::array<char, 16> digits;
        const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), halves[i], 16).ptr;
        const auto n = static_cast<std::size_t>(end - digits.data());
        std::copy_n(digits.data(), n, text.begin() + static_cast<std::ptrdiff_t>(16 * (i + 1) - n));
    }
    trace_id.assign({text.data(), text.size()});
}

// All that can be known of the calls is: how long was any of them under way between the read and the answer? From here
// on start_ns counts from the request's first byte.
void settle(DownstreamCalls& calls, std::uint64_t first_ns, std::uint64_t read_ns, std::uint64_t end_ns) {
    auto covered_ns = read_ns;
    for (std::uint32_t i = 0; i < calls.count; ++i) {
        auto& call = calls.calls[i];
        auto until_ns = end_ns;
        if (call.duration_ns >= 0)
            until_ns = std::min(end_ns, call.start_ns + static_cast<std::uint64_t>(call.duration_ns));
        const auto from_ns = std::max(call.start_ns, covered_ns);
        if (until_ns > from_ns) calls.waited_ns += until_ns - from_ns;
        covered_ns = std::max(covered_ns, until_ns);
        call.start_ns -= std::min(call.start_ns, first_ns);
    }
}

}  // namespace

ParentLinks::ParentLinks(const ParentLinkLimits& limits, Release release)
    : limits_(limits),
      requests_(limits.max_requests),
      calls_(limits.max_calls),
      waiting_(limits.max_waiting),
      due_(limits.max_waiting),
      release_(std::move(release)) {}

// Null: there is no room to know anything of it.
ParentLinks::ProcessThreads* ParentLinks::threads_of(std::uint32_t pid) {
    if (const auto at = processes_.find(pid); at != processes_.end()) return &at->second;
    if (processes_.size() >= limits_.max_processes) return nullptr;
    return &processes_[pid];
}

// The call under way on this connection: the newest that was sent before. npos: none is known, or several may be meant.
std::uint32_t ParentLinks::find_call(const Endpoint& client, const Endpoint& server, std::uint64_t before_ns) const {
    auto found = Calls::npos;
    const auto key = key_of_connection(client, server);
    for (auto at = calls_.first(call_connection, key); at != Calls::npos; at = calls_.next(call_connection, at)) {
        const auto& call = calls_.at(at);
        if (!same(call.client, client) || !same(call.server, server) || call.sent_ns > before_ns) continue;
        if (found != Calls::npos) return Calls::npos;
        found = at;
    }
    return found;
}

void ParentLinks::request_read(const RequestRead& read) {
    const auto& trace = read.request.trace;
    if (trace.span_id == 0) return;
    const auto process_key = key_of_number(read.pid, request_process);
    auto* threads = threads_of(read.pid);
    if (threads != nullptr && read.tid != 0) {
        const auto beside = requests_.first(request_thread, key_of_number(read.tid, request_thread));
        if (beside != Requests::npos && requests_.at(beside).answered_ns == 0) threads->shared = true;
    }
    OpenRequest request;
    request.span_id = trace.span_id;
    request.pid = read.pid;
    request.tid = read.tid;
    request.read_ns = read.read_ns;
    request.overlaps = requests_.first(request_process, process_key) != Requests::npos;
    request.has_own_trace = !trace.trace_id.empty();
    request.trace_id = trace.trace_id;
    // a socket for both families tells of IPv4 as of IPv6
    const auto call = find_call(unmapped(read.client), unmapped(read.server), read.read_ns);
    if (call != Calls::npos) {
        auto& asked = calls_.at(call);
        if (asked.trace_id.empty()) asked.trace_id = request.trace_id;
        if (asked.trace_id.empty()) name_trace(asked.trace_id, asked.span_id);
        if (request.trace_id.empty()) request.trace_id = asked.trace_id;
        request.parent = {asked.span_id, ParentMatch::connection};
    }
    bump(stats_.requests[static_cast<std::size_t>(request.parent.match)]);
    const Requests::Keys keys{mixed_key(request.span_id), read.tid != 0 ? key_of_number(read.tid, request_thread) : 0,
                              read.pid != 0 ? process_key : 0, key_of_text(trace.trace_id),
                              key_of_text(trace.request_id)};
    auto number = requests_.add(keys);
    if (number == Requests::npos) {
        forget_request(requests_.any());
        bump(stats_.evicted);
        number = requests_.add(keys);
    }
    requests_.at(number) = std::move(request);
}

void ParentLinks::response_began(std::uint64_t span_id, const ThreadClock& by, std::uint64_t time_ns) {
    const auto number = requests_.first(request_span, mixed_key(span_id));
    if (number == Requests::npos) return;
    auto& request = requests_.at(number);
    request.answered_ns = time_ns;
    // bytes that had to wait leave in the context of whoever runs: that says nothing
    if (by.tid == 0 || request.tid == 0 || by.pid != request.pid) return;
    auto* threads = threads_of(request.pid);
    if (threads == nullptr) return;
    if (by.tid != request.tid)
        threads->shared = true;
    else if (request.overlaps)
        ++threads->proofs;
}

// The only request of that process that has this key and is not being answered yet; one that is makes it doubtful.
std::uint32_t ParentLinks::only(RequestWay way, std::uint64_t key, std::uint32_t pid) const {
    auto found = Requests::npos;
    for (auto at = requests_.first(way, key); at != Requests::npos; at = requests_.next(way, at)) {
        if (requests_.at(at).pid != pid) continue;
        if (found != Requests::npos) return Requests::npos;
        found = at;
    }
    return found != Requests::npos && requests_.at(found).answered_ns == 0 ? found : Requests::npos;
}

std::uint32_t ParentLinks::find_parent(const RequestSent& sent, ParentMatch& match) {
    const auto& trace = sent.call.trace;
    if (sent.pid == 0) return Requests::npos;
    match = ParentMatch::trace;
    for (const auto& [way, text] :
         {std::pair{request_trace, trace.trace_id.view()}, std::pair{request_id, trace.request_id.view()}})
        if (const auto at = only(way, key_of_text(text), sent.pid); at != Requests::npos) return at;
    // a call of another trace is not this request's
    const auto agrees = [&](std::uint32_t at) {
        const auto& request = requests_.at(at);
        return trace.trace_id.empty() || !request.has_own_trace || trace.trace_id.view() == request.trace_id.view();
    };
    const auto* threads = threads_of(sent.pid);
    if (threads == nullptr) return Requests::npos;
    if (!threads->shared && threads->proofs >= limits_.proofs) {
        // here a thread without a request does work of its own
        match = ParentMatch::thread;
        const auto at =
            sent.tid != 0 ? only(request_thread, key_of_number(sent.tid, request_thread), sent.pid) : Requests::npos;
        return at != Requests::npos && agrees(at) ? at : Requests::npos;
    }
    if (threads->other_work != 0) return Requests::npos;
    match = ParentMatch::process;
    const auto at = only(request_process, key_of_number(sent.pid, request_process), sent.pid);
    return at != Requests::npos && agrees(at) ? at : Requests::npos;
}

void ParentLinks::note_call(OpenRequest& request, const RequestSent& sent, ParentMatch match) {
    if (!request.calls) {
        request.calls = calls_pool_.take();
        request.calls->count = request.calls->dropped = 0;
        request.calls->waited_ns = 0;
    }
    auto& calls = *request.calls;
    if (calls.count == DownstreamCalls::calls_max) {
        ++calls.dropped;
        return;
    }
    auto& call = calls.calls[calls.count++];
    call = {};
    call.span_id = sent.call.trace.span_id;
    call.start_ns = sent.sent_ns;
    call.match = match;
    call.method = sent.call.method;
    call.protocol = sent.call.protocol;
    call.peer = sent.server;
}

void ParentLinks::request_sent(const RequestSent& sent) {
    auto& trace = sent.call.trace;
    if (trace.span_id == 0) return;
    OpenCall call;
    call.span_id = trace.span_id;
    call.sent_ns = sent.sent_ns;
    call.client = unmapped(sent.client);
    call.server = unmapped(sent.server);
    call.trace_id = trace.trace_id;
    auto match = ParentMatch::none;
    if (const auto at = find_parent(sent, match); at != Requests::npos) {
        auto& request = requests_.at(at);
        if (request.trace_id.empty()) name_trace(request.trace_id, request.span_id);
        if (call.trace_id.empty()) call.trace_id = request.trace_id;
        call.parent = {request.span_id, match};
        note_call(request, sent, match);
    }
    bump(stats_.calls[static_cast<std::size_t>(call.parent.match)]);
    const Calls::Keys keys{mixed_key(call.span_id), key_of_connection(call.client, call.server)};
    auto number = calls_.add(keys);
    if (number == Calls::npos) {
        calls_.remove(calls_.any());
        bump(stats_.evicted);
        number = calls_.add(keys);
    }
    calls_.at(number) = call;
}

void ParentLinks::forget_request(std::uint32_t number) {
    requests_.at(number).calls.reset();
    requests_.remove(number);
}

void ParentLinks::dropped(std::uint64_t span_id) {
    const auto key = mixed_key(span_id);
    if (const auto at = requests_.first(request_span, key); at != Requests::npos) forget_request(at);
    if (const auto at = calls_.first(call_span, key); at != Calls::npos) calls_.remove(at);
}

void ParentLinks::ended(Transaction& transaction, bool may_wait) {
    if (transaction.trace.span_id == 0) return;
    if (transaction.side == Side::server)
        end_request(transaction, may_wait);
    else
        end_call(transaction);
}

void ParentLinks::end_request(Transaction& t, bool may_wait) {
    const auto at = requests_.first(request_span, mixed_key(t.trace.span_id));
    if (at == Requests::npos) return;
    auto& request = requests_.at(at);
    t.trace.parent = request.parent.span_id;
    t.trace.parent_match = request.parent.match;
    if (t.trace.trace_id.empty()) t.trace.trace_id = request.trace_id;
    if (request.parent.span_id != 0)
        if (const auto call = calls_.first(call_span, mixed_key(request.parent.span_id)); call != Calls::npos)
            calls_.at(call).answered_by = t.service;
    if (request.calls) {
        const auto first_ns = t.time_ns - static_cast<std::uint64_t>(realtime_offset_ns_);
        const auto last_ns = first_ns + t.duration_ns;
        const auto end_ns = request.answered_ns != 0 ? request.answered_ns : last_ns;
        t.downstream = request.calls;
        if (!may_wait || !wait(request, first_ns, end_ns, last_ns))
            settle(*request.calls, first_ns, request.read_ns, end_ns);
    }
    forget_request(at);
}

// False: all of its calls have ended, or no more can wait.
bool ParentLinks::wait(const OpenRequest& request, std::uint64_t first_ns, std::uint64_t end_ns, std::uint64_t now_ns) {
    const auto& calls = *request.calls;
    const auto open =
        std::count_if(calls.begin(), calls.end(), [](const DownstreamCall& call) { return call.duration_ns < 0; });
    if (open == 0 || due_count_ == due_.size()) return false;
    const auto number = waiting_.add({mixed_key(request.span_id)});
    if (number == decltype(waiting_)::npos) return false;
    auto& one = waiting_.at(number);
    one.span_id = request.span_id;
    one.first_ns = first_ns;
    one.read_ns = request.read_ns;
    one.end_ns = end_ns;
    one.calls = request.calls;
    one.open = static_cast<std::uint32_t>(open);
    one.is_held = false;
    due_[(due_first_ + due_count_++) % due_.size()] = {request.span_id, now_ns + limits_.wait_ns};
    return true;
}

bool ParentLinks::hold(const Transaction& transaction) {
    if (waiting_.size() == 0 || !transaction.downstream) return false;
    const auto at = waiting_.first(0, mixed_key(transaction.trace.span_id));
    if (at == decltype(waiting_)::npos) return false;
    auto& one = waiting_.at(at);
    one.transaction = transaction;
    one.is_held = true;
    return true;
}

void ParentLinks::stop_waiting(std::uint32_t number) {
    auto& one = waiting_.at(number);
    settle(*one.calls, one.first_ns, one.read_ns, one.end_ns);
    one.calls.reset();
    const bool was_held = std::exchange(one.is_held, false);
    waiting_.remove(number);
    if (!was_held) return;
    if (release_) release_(one.transaction);  // nothing can have taken its place meanwhile
    one.transaction.downstream.reset();
    one.transaction.process.reset();
    one.transaction.logs.reset();
}

void ParentLinks::release_oldest() {
    const auto due = due_[due_first_];
    due_first_ = (due_first_ + 1) % due_.size();
    --due_count_;
    const auto at = waiting_.first(0, mixed_key(due.span_id));
    if (at != decltype(waiting_)::npos) stop_waiting(at);
}

void ParentLinks::fill_call(DownstreamCalls& calls, const Transaction& t, std::string_view answered_by) {
    for (std::uint32_t i = 0; i < calls.count; ++i) {
        auto& entry = calls.calls[i];
        if (entry.span_id != t.trace.span_id) continue;
        entry.duration_ns = static_cast<std::int64_t>(t.duration_ns);
        entry.status = t.status;
        entry.outcome = t.outcome;
        entry.protocol = t.protocol;
        entry.route = t.route;
        entry.service = answered_by;
        return;
    }
}

void ParentLinks::end_call(Transaction& t) {
    const auto at = calls_.first(call_span, mixed_key(t.trace.span_id));
    if (at == Calls::npos) return;
    const auto& call = calls_.at(at);
    t.trace.parent = call.parent.span_id;
    t.trace.parent_match = call.parent.match;
    if (t.trace.trace_id.empty()) t.trace.trace_id = call.trace_id;
    const auto answered_by = call.answered_by;
    const auto key = call.parent.span_id != 0 ? mixed_key(call.parent.span_id) : 0;
    calls_.remove(at);
    if (const auto parent = requests_.first(request_span, key); parent != Requests::npos) {
        if (auto& calls = requests_.at(parent).calls) fill_call(*calls, t, answered_by);
    } else if (const auto late = waiting_.first(0, key); late != decltype(waiting_)::npos) {
        auto& one = waiting_.at(late);
        fill_call(*one.calls, t, answered_by);
        if (--one.open == 0) stop_waiting(late);
    }
}

void ParentLinks::other_work_began(std::uint32_t pid) {
    if (pid == 0) return;
    if (auto* threads = threads_of(pid)) ++threads->other_work;
}

void ParentLinks::other_work_ended(std::uint32_t pid) {
    const auto at = processes_.find(pid);
    if (at != processes_.end() && at->second.other_work > 0) --at->second.other_work;
}

}  // namespace sonde
