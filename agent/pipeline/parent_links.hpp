#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/base/chained_table.hpp"
#include "agent/base/shared_pool.hpp"
#include "agent/model/downstream.hpp"
#include "agent/model/request_observer.hpp"

namespace sonde {

struct ParentLinkLimits {
    std::size_t max_requests = 16'384;   // open at once, server's side; one of them leaves for a further one
    std::size_t max_calls = 16'384;      // open at once, client's side
    std::size_t max_processes = 16'384;  // of whose threads something is known
    // Number of requests, open beside others, that were read and answered by one thread before a process's threads are
    // taken to serve one request at a time.
    std::uint32_t proofs = 8;
    // The end of an answer may be told some 100 ms late (docs/decisions/0005): a request that ended before its calls
    // did waits for them this long, of the records' time, and at most so many requests do.
    std::uint64_t wait_ns = 400'000'000;
    std::size_t max_waiting = 1'024;
};

// Number of things over the pipeline's life; readable from any thread.
struct ParentLinkStats {
    std::array<std::atomic<std::uint64_t>, parent_match_count> calls{};     // sent, by how their parent was told
    std::array<std::atomic<std::uint64_t>, parent_match_count> requests{};  // read, by how the call was told
    std::atomic<std::uint64_t> evicted{0};                                  // requests and calls, for want of room
};

// Which call was made while which request was served, and which call asked for which request, on one machine. A link is
// made only where nothing else is possible as far as sonde sees (docs/parent_links.md); otherwise there is none.
// Pipeline thread only. No allocation once it has grown to what is open at a time.
class ParentLinks {
public:
    // Takes a transaction back that hold() took; all its calls have ended, or it waits no longer.
    using Release = std::function<void(Transaction&)>;

    explicit ParentLinks(const ParentLinkLimits& limits = {}, Release release = {});

    // CLOCK_REALTIME − CLOCK_MONOTONIC, as in the transactions that come.
    void set_realtime_offset_ns(std::int64_t offset_ns) { realtime_offset_ns_ = offset_ns; }

    void request_read(const RequestRead& read);
    void request_sent(const RequestSent& sent);
    void response_began(std::uint64_t span_id, const ThreadClock& by, std::uint64_t time_ns);
    void dropped(std::uint64_t span_id);
    // The transaction is complete, service and route filled in: it gets its parent, and the calls made for it.
    // may_wait: some of these may still be under way; hold() is asked before it is passed on.
    void ended(Transaction& transaction, bool may_wait);
    // True: it waits for its calls, and is released when they have ended.
    bool hold(const Transaction& transaction);
    // now_ns: CLOCK_MONOTONIC of the records.
    void advance(std::uint64_t now_ns) {
        while (due_count_ > 0 && due_[due_first_].until_ns <= now_ns) release_oldest();
    }
    // The source ended: nothing is waited for.
    void finish() {
        while (due_count_ > 0) release_oldest();
    }
    // A process serves, or serves no more, what is no request: its calls can no longer be told apart. pid 0: nobody.
    void other_work_began(std::uint32_t pid);
    void other_work_ended(std::uint32_t pid);
    void process_ended(std::uint32_t pid) { processes_.erase(pid); }

    [[nodiscard]] const ParentLinkStats& stats() const { return stats_; }

private:
    // Of one direction of a link.
    struct Parent {
        std::uint64_t span_id = 0;
        ParentMatch match = ParentMatch::none;
    };
    struct OpenRequest {
        std::uint64_t span_id = 0;
        std::uint32_t pid = 0;
        std::uint32_t tid = 0;
        std::uint64_t read_ns = 0;
        std::uint64_t answered_ns = 0;           // first byte of its answer; 0: none yet
        bool overlaps = false;                   // another request of the process was open when it was read
        bool has_own_trace = false;              // trace_id was in its headers
        InlineString<32> trace_id;               // of the trace that it and its calls are in; empty: none yet
        Parent parent;                           // the call that asked for it
        std::shared_ptr<DownstreamCalls> calls;  // start_ns is CLOCK_MONOTONIC as yet
    };
    struct OpenCall {
        std::uint64_t span_id = 0;
        std::uint64_t sent_ns = 0;
        Endpoint client, server;
        InlineString<32> trace_id;
        Parent parent;
        std::string_view answered_by;  // service
    };
    // A request that has ended before its calls.
    struct Waiting {
        std::uint64_t span_id = 0;
        std::uint64_t first_ns = 0, read_ns = 0, end_ns = 0;  // CLOCK_MONOTONIC
        std::shared_ptr<DownstreamCalls> calls;
        std::uint32_t open = 0;
        bool is_held = false;
        Transaction transaction;  // with is_held
    };
    struct Due {
        std::uint64_t span_id = 0;
        std::uint64_t until_ns = 0;
    };
    // What the threads of a process do.
    struct ProcessThreads {
        std::uint32_t proofs = 0;      // that each serves one request at a time
        std::uint32_t other_work = 0;  // number of connections that carry something else
        bool shared = false;           // one has served several at once, or one request was passed between threads
    };
    enum RequestWay : std::uint8_t { request_span, request_thread, request_process, request_trace, request_id };
    enum CallWay : std::uint8_t { call_span, call_connection };
    using Requests = ChainedTable<OpenRequest, 5>;
    using Calls = ChainedTable<OpenCall, 2>;

    ProcessThreads* threads_of(std::uint32_t pid);
    std::uint32_t find_call(const Endpoint& client, const Endpoint& server, std::uint64_t before_ns) const;
    std::uint32_t only(RequestWay way, std::uint64_t key, std::uint32_t pid) const;
    std::uint32_t find_parent(const RequestSent& sent, ParentMatch& match);
    void note_call(OpenRequest& request, const RequestSent& sent, ParentMatch match);
    void end_request(Transaction& transaction, bool may_wait);
    bool wait(const OpenRequest& request, std::uint64_t first_ns, std::uint64_t end_ns, std::uint64_t now_ns);
    void stop_waiting(std::uint32_t number);
    void release_oldest();
    void fill_call(DownstreamCalls& calls, const Transaction& transaction, std::string_view answered_by);
    void end_call(Transaction& transaction);
    void forget_request(std::uint32_t number);

    const ParentLinkLimits limits_;
    std::int64_t realtime_offset_ns_ = 0;
    Requests requests_;
    Calls calls_;
    ChainedTable<Waiting, 1> waiting_;  // by span id
    std::vector<Due> due_;              // a ring: each waits equally long
    std::size_t due_first_ = 0;
    std::size_t due_count_ = 0;
    Release release_;
    std::unordered_map<std::uint32_t, ProcessThreads> processes_;
    SharedPool<DownstreamCalls> calls_pool_{4096};
    ParentLinkStats stats_;
};

}  // namespace sonde
