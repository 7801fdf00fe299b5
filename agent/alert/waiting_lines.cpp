// Who waited for whom, out of transactions' times.
#include <algorithm>
#include <map>

#include "agent/alert/alert_evidence.hpp"

namespace sonde {
namespace {

// Below it a culprit is none.
constexpr double share_min = 0.2;

std::uint64_t overlap(std::uint64_t a_begin, std::uint64_t a_end, std::uint64_t b_begin, std::uint64_t b_end) {
    const auto begin = std::max(a_begin, b_begin), end = std::min(a_end, b_end);
    return end > begin ? end - begin : 0;
}

bool same_thread(const WaitingLine& a, const WaitingLine& b) {
    return a.pid != 0 && a.pid == b.pid && (a.tid == 0 || b.tid == 0 || a.tid == b.tid);
}

WaitingCulprit worst_of(const std::map<std::string, std::uint64_t>& times, std::uint64_t all) {
    WaitingCulprit worst;
    if (all == 0) return worst;
    for (const auto& [name, time] : times) {
        const auto share = std::min(1.0, static_cast<double>(time) / static_cast<double>(all));
        if (share > worst.share && share >= share_min) worst = {name, share};
    }
    return worst;
}

}  // namespace

//   waiting   |begin ------ queue ------ read|---- served ---- end|
//   other            |read --- served --- end|                        ← held the thread for the part that overlaps
WaitingCulprit find_thread_holder(const std::vector<WaitingLine>& waiting, const std::vector<WaitingLine>& others) {
    std::map<std::string, std::uint64_t> times;
    std::uint64_t all = 0;
    for (const auto& one : waiting) {
        all += one.read_ns - one.begin_ns;
        for (const auto& other : others) {
            if (!other.server || !same_thread(one, other)) continue;
            if (other.begin_ns == one.begin_ns && other.end_ns == one.end_ns) continue;  // itself
            const auto time = overlap(one.begin_ns, one.read_ns, other.read_ns, other.end_ns);
            if (time > 0) times[std::string(other.route)] += time;
        }
    }
    return worst_of(times, all);
}

WaitingCulprit find_blocking_call(const std::vector<WaitingLine>& waiting, const std::vector<WaitingLine>& others) {
    std::map<std::string, std::uint64_t> times;
    std::uint64_t all = 0;
    for (const auto& one : waiting) {
        all += one.end_ns - one.read_ns;
        for (const auto& other : others) {
            // a call that began before the request was read is none of its calls
            if (other.server || other.pid == 0 || other.pid != one.pid || other.begin_ns < one.read_ns) continue;
            const auto time = overlap(one.read_ns, one.end_ns, other.begin_ns, other.end_ns);
            if (time > 0) times[std::string(other.route)] += time;
        }
    }
    return worst_of(times, all);
}

}  // namespace sonde
