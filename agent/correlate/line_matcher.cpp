#include "agent/correlate/line_matcher.hpp"

#include <algorithm>
#include <charconv>

namespace sonde {
namespace {

// Entries looked at for one line: where more could matter, nothing is certain anyway.
constexpr int steps_max = 128;
// Seen once or twice, another thread's name on a response may be chance: a packet that leaves while that thread runs.
constexpr std::uint32_t handed_over_min = 3;
// Of one path more are looked at: there is no telling where among the newest to begin.
constexpr int access_steps_max = 1024;
constexpr std::size_t processes_max = 4096;
// A habit that was not seen for so long is forgotten: a lost record may look like one.
constexpr std::uint64_t habit_ns = 60'000'000'000;

// How sure a rule is (docs/correlation.md).
constexpr float certain = 1.0F;
constexpr float late_on_thread = 0.95F;
constexpr float likely = 0.9F;
constexpr float late_in_process = 0.8F;

bool ended_within(const TrackedRequest& request, std::uint64_t time_ns, std::uint64_t before_ns) {
    return request.end_ns != 0 && request.end_ns < time_ns && time_ns - request.end_ns <= before_ns;
}

// "127.0.0.1:51234", "[::1]:51234"; 0: no port.
std::uint16_t port_of(std::string_view client) {
    const auto colon = client.rfind(':');
    if (colon == std::string_view::npos) return 0;
    // an IPv6 address without brackets has more than one
    if (client.find(':') != colon && client[colon - 1] != ']') return 0;
    std::uint16_t port = 0;
    const auto* end = client.data() + client.size();
    return std::from_chars(client.data() + colon + 1, end, port).ptr == end ? port : std::uint16_t{0};
}

std::string_view without_query(std::string_view path) { return path.substr(0, path.find_first_of("?#")); }

}  // namespace

LineMatcher::Habits& LineMatcher::habits_of(std::uint32_t pid) {
    if (processes_.size() >= processes_max && !processes_.contains(pid)) processes_.clear();
    return processes_[pid];
}

// The one that the thread took up next tells: those after it came later still.
void LineMatcher::ended(std::uint32_t number) {
    const auto& request = requests_.at(number);
    auto next = requests_.newer_on_thread(number);
    while (next != RequestTable::npos && requests_.at(next).read_ns <= request.read_ns)  // pipelined: read at once
        next = requests_.newer_on_thread(next);
    if (next == RequestTable::npos) return;
    const auto next_read_ns = requests_.at(next).read_ns;
    if (next_read_ns < request.end_ns && !left_before(request, next_read_ns))
        habits_of(request.pid).interleaved_ns = request.end_ns;
}

void LineMatcher::answered(std::uint32_t number, std::uint32_t tid) {
    const auto& request = requests_.at(number);
    if (tid == 0 || request.tid == 0 || tid == request.tid) return;
    auto& habits = habits_of(request.pid);
    if (request.read_ns > habits.handed_over_ns + habit_ns) habits.handed_over = 0;
    habits.handed_over_ns = request.read_ns;
    ++habits.handed_over;
}

// The thread had begun to answer when it took up its next request, and what followed were bytes that had waited.
bool LineMatcher::left_before(const TrackedRequest& request, std::uint64_t next_read_ns) const {
    return request.response_ns != 0 && request.response_ns < next_read_ns && request.end_ns != 0 &&
           request.end_ns <= next_read_ns + options_.tail_ns;
}

// By the thread, or the goroutine where there are some.
bool LineMatcher::wrote(const LogLine& line, const TrackedRequest& request) const {
    if (request.pid != line.record.source.pid) return false;
    return line.strand != 0 ? request.strand == line.strand : request.tid == line.record.source.tid;
}

void LineMatcher::add_candidate(LineMatch& out, std::uint32_t request) const {
    if (out.candidate_count < out.candidates.size())
        out.candidates[out.candidate_count] = requests_.at(request).span_id;
    ++out.candidate_count;
}

LineMatch LineMatcher::match(const LogLine& line, const RequestTable::Anchor& anchor) const {
    LineMatch out;
    if (by_trace(line, out)) return out;
    const bool writer_known = line.record.source.pid != 0 && line.monotonic_ns != 0;
    if (writer_known && by_thread(line, anchor, out)) return out;
    if (writer_known && by_process(line, anchor, out)) return out;
    LineMatch access;
    if (by_access(line, access)) return access;
    if (out.candidate_count > 0) out.match = LogMatch::candidates;
    return out;
}

bool LineMatcher::by_trace(const LogLine& line, LineMatch& out) const {
    const auto& record = line.record;
    return by_id(By::trace, RequestTable::key_of_text(record.trace_id), line, out) ||
           by_id(By::request_id, RequestTable::key_of_text(record.request_id), line, out);
}

// One trace may pass this machine several times: then the writer decides.
bool LineMatcher::by_id(By by, std::uint64_t key, const LogLine& line, LineMatch& out) const {
    if (key == 0) return false;
    std::uint32_t any = RequestTable::npos, own = RequestTable::npos, writer = RequestTable::npos;
    int all = 0, of_process = 0, of_writer = 0, steps = 0;
    for (auto number = requests_.first(by, key); number != RequestTable::npos && ++steps <= steps_max;
         number = requests_.next(by, number)) {
        const auto& request = requests_.at(number);
        any = number, ++all;
        if (line.record.source.pid != request.pid) continue;
        own = number, ++of_process;
        if (wrote(line, request) && request.open_at(line.monotonic_ns)) writer = number, ++of_writer;
    }
    const auto found = of_process == 1 ? own : of_writer == 1 ? writer : all == 1 ? any : RequestTable::npos;
    if (found == RequestTable::npos) return false;
    out = {LogMatch::trace, certain, found, {}, 0};
    return true;
}

bool LineMatcher::by_thread(const LogLine& line, const RequestTable::Anchor& anchor, LineMatch& out) const {
    const auto& source = line.record.source;
    const bool strands = line.strand != 0;
    const auto habits = processes_.find(source.pid);
    const auto recent = [&](std::uint64_t seen_ns) { return seen_ns != 0 && line.monotonic_ns < seen_ns + habit_ns; };
    const bool known = habits != processes_.end() && !strands;
    if (known && habits->second.handed_over >= handed_over_min && recent(habits->second.handed_over_ns)) return false;
    const bool interleaves = known && recent(habits->second.interleaved_ns);
    const auto by = strands ? By::strand : By::thread;
    const auto key =
        strands ? RequestTable::key_of_strand(source.pid, line.strand) : RequestTable::key_of_thread(source.tid);
    std::uint32_t open = RequestTable::npos, last = RequestTable::npos;
    std::uint64_t next_read_ns = 0;  // of the request that the thread took up after the one at hand
    int open_count = 0, ended_count = 0, steps = 0;
    for (auto number = requests_.first(by, key, anchor.thread); number != RequestTable::npos;
         number = requests_.next(by, number)) {
        const auto& request = requests_.at(number);
        if (++steps > steps_max) return false;
        if (request.pid != source.pid || request.read_ns > line.monotonic_ns) continue;
        const bool left = !interleaves && next_read_ns != 0 && left_before(request, next_read_ns);
        next_read_ns = request.read_ns;
        if (request.open_at(line.monotonic_ns) && !left) {
            open = number, ++open_count;
            continue;
        }
        if (ended_within(request, line.monotonic_ns, interleaves ? options_.quiet_ns : options_.late_ns)) {
            if (last == RequestTable::npos) last = number;  // the newest
            ++ended_count;
        }
        // One at a time: what the thread took up before has ended, too, or has not ended even now. Had it been open
        // beside this one and ended since, its end would have told that requests interleave.
        if (interleaves || request.open_at(line.monotonic_ns)) continue;
        open_count += open_before(by, key, request.read_ns, line);
        break;
    }
    if (open_count == 1 && !interleaves) {
        out = {LogMatch::thread, certain, open, {}, 0};
        return true;
    }
    if (open_count == 1 && ended_count == 0) {
        out = {LogMatch::thread, likely, open, {}, 0};
        return true;
    }
    // a goroutine's address may be another goroutine's by now
    if (open_count == 0 && last != RequestTable::npos && !interleaves && !strands) {
        out = {LogMatch::thread, late_on_thread, last, {}, 0};
        return true;
    }
    return false;
}

// Number of requests of the writer that were read before `read_ns` and have not ended.
int LineMatcher::open_before(By by, std::uint64_t key, std::uint64_t read_ns, const LogLine& line) const {
    int count = 0, steps = 0;
    for (auto number = requests_.first(By::open, key); number != RequestTable::npos && ++steps <= steps_max;
         number = requests_.next(By::open, number)) {
        const auto& request = requests_.at(number);
        const bool same = by == By::strand ? request.strand == line.strand : request.tid == line.record.source.tid;
        if (same && request.pid == line.record.source.pid && request.read_ns < read_ns) ++count;
    }
    return count;
}

bool LineMatcher::by_process(const LogLine& line, const RequestTable::Anchor& anchor, LineMatch& out) const {
    const auto key = RequestTable::key_of_process(line.record.source.pid);
    std::uint32_t open = RequestTable::npos, ended = RequestTable::npos;
    std::array<std::uint32_t, LogLine::candidates_max> late{};
    std::uint32_t open_count = 0, late_count = 0, quiet_count = 0;
    int steps = 0;
    for (auto number = requests_.first(By::process, key, anchor.process);
         number != RequestTable::npos && ++steps <= steps_max; number = requests_.next(By::process, number)) {
        const auto& request = requests_.at(number);
        if (request.read_ns > line.monotonic_ns) continue;
        if (request.open_at(line.monotonic_ns)) {
            open = number, ++open_count;
            add_candidate(out, number);
        } else if (ended_within(request, line.monotonic_ns, options_.late_ns)) {
            ended = number;
            if (late_count < late.size()) late[late_count] = number;
            ++late_count;
            if (line.monotonic_ns - request.end_ns <= options_.quiet_ns) ++quiet_count;
        }
    }
    if (steps > steps_max && open_count + late_count < 2) return false;
    const bool all_seen = steps <= steps_max;
    if (all_seen && open_count == 1 && quiet_count == 0) {
        out = {LogMatch::process, likely, open, {}, 0};
        return true;
    }
    if (all_seen && open_count == 0 && late_count == 1) {
        out = {LogMatch::process, late_in_process, ended, {}, 0};
        return true;
    }
    // of those that have ended the line may be, too, as long as they are not many
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(late_count, late.size()); ++i) add_candidate(out, late[i]);
    return false;
}

bool LineMatcher::by_access(const LogLine& line, LineMatch& out) const {
    const auto& access = line.record.access;
    if (access.method.empty() || access.path.empty() || line.monotonic_ns == 0) return false;
    const auto port = port_of(access.client);
    const bool by_peer = port != 0 && line.record.source.pid != 0;
    const auto by = by_peer ? By::peer : By::path;
    const auto path = RequestTable::key_of_text(without_query(access.path));
    const auto key = by_peer ? RequestTable::key_of_peer(line.record.source.pid, port) : path;
    std::uint32_t found = RequestTable::npos;
    int count = 0, steps = 0;
    for (auto number = requests_.first(by, key); number != RequestTable::npos; number = requests_.next(by, number)) {
        if (++steps > access_steps_max) return false;
        const auto& request = requests_.at(number);
        if (line.record.source.pid != 0 && request.pid != line.record.source.pid) continue;
        if (request.path_hash != path || request.method.view() != access.method) continue;
        if (access.status != 0 && request.status != 0 && request.status != access.status) continue;
        if (port != 0 && request.client_port != 0 && port != request.client_port) continue;
        if (!request.open_at(line.monotonic_ns) && !ended_within(request, line.monotonic_ns, options_.late_ns))
            continue;
        // on a connection that is used again, the line is of the newest request that it can be
        if (port != 0 && count == 1 && requests_.at(found).client_port == port) continue;
        found = number, ++count;
    }
    if (count != 1) return false;
    const bool exact = port != 0 && requests_.at(found).client_port == port;
    out = {LogMatch::access, exact ? certain : likely, found, {}, 0};
    return true;
}

}  // namespace sonde
