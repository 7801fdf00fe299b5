#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/base/inline_string.hpp"
#include "agent/model/log_line.hpp"

namespace sonde {

// A request on the server's side, from the application's first read until its lines can no longer come. Times are
// CLOCK_MONOTONIC.
struct TrackedRequest {
    std::uint64_t span_id = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;  // that read it
    std::uint64_t strand = 0;
    std::uint64_t read_ns = 0;
    std::uint64_t end_ns = 0;       // of the last response byte; 0: open
    std::uint64_t response_ns = 0;  // of the first response byte; 0: not observed
    std::uint64_t path_hash = 0;
    std::uint16_t status = 0;       // 0: not observed yet
    std::uint16_t client_port = 0;  // 0: not known
    std::string_view service;       // once it has ended; lives as long as the agent
    InlineString<16> method;
    InlineString<32> trace_id;
    std::shared_ptr<TransactionLogs> logs;  // null: none yet

    // Between the read and the end of the response?
    [[nodiscard]] bool open_at(std::uint64_t time_ns) const {
        return read_ns <= time_ns && (end_ns == 0 || time_ns <= end_ns);
    }
};

// Requests that are open or ended a short while ago, found by what lines know of them. Bounded; no allocation once it
// has grown to what is open at a time. Each index is a hash of doubly linked chains through the entries, newest request
// first. Pipeline thread only.
class RequestTable {
public:
    // open: the requests of a thread, or of a strand where there is one, whose end has not been told yet.
    enum class By : std::uint8_t { span, thread, strand, process, trace, request_id, path, peer, open };
    static constexpr std::uint32_t npos = UINT32_MAX;

    // The newest entry of a thread and of a process at one moment: where to begin to look, later, for what was open
    // then.
    struct Anchor {
        struct Entry {
            std::uint32_t number = npos;
            std::uint64_t span_id = 0;  // the entry may be another request's by then
        };
        Entry thread;
        Entry process;
    };
    // strand 0: the thread counts.
    [[nodiscard]] Anchor anchor(std::uint32_t pid, std::uint32_t tid, std::uint64_t strand) const;

    explicit RequestTable(std::size_t capacity);

    // request_id: its own, empty: none. npos: the table is full.
    std::uint32_t add(const TrackedRequest& request, std::string_view request_id);
    // Its end is known: no longer found as open.
    void close(std::uint32_t number) { unlink(number, static_cast<std::size_t>(By::open)); }
    void remove(std::uint32_t number);
    TrackedRequest& at(std::uint32_t number) { return entries_[number].request; }
    [[nodiscard]] const TrackedRequest& at(std::uint32_t number) const { return entries_[number].request; }
    [[nodiscard]] std::size_t size() const { return size_; }

    // The newest entry with this key, and the next older one; npos: none. Keys are those of key_of….
    [[nodiscard]] std::uint32_t first(By by, std::uint64_t key) const;
    // As first(), from the anchor's entry on if it is still there.
    [[nodiscard]] std::uint32_t first(By by, std::uint64_t key, const Anchor::Entry& from) const;
    [[nodiscard]] std::uint32_t next(By by, std::uint32_t number) const;
    // The next newer one of the same thread.
    [[nodiscard]] std::uint32_t newer_on_thread(std::uint32_t number) const;

    static std::uint64_t key_of_thread(std::uint32_t tid);
    static std::uint64_t key_of_strand(std::uint32_t pid, std::uint64_t strand);
    static std::uint64_t key_of_process(std::uint32_t pid);
    static std::uint64_t key_of_peer(std::uint32_t pid, std::uint16_t port);
    static std::uint64_t key_of_text(std::string_view text);  // trace and request ids, paths; 0: empty

private:
    static constexpr std::size_t ways = 9;
    struct Link {
        std::uint64_t key = 0;  // 0: not in this index
        std::uint32_t newer = npos;
        std::uint32_t older = npos;
    };
    struct Entry {
        TrackedRequest request;
        std::array<Link, ways> links;
        std::uint32_t next_free = npos;
    };
    std::uint32_t& head_of(std::size_t way, std::uint64_t key);
    void link(std::uint32_t number, std::size_t way, std::uint64_t key);
    void unlink(std::uint32_t number, std::size_t way);
    [[nodiscard]] std::uint32_t same_key(std::size_t way, std::uint64_t key, std::uint32_t number) const;

    const std::size_t capacity_;
    std::vector<Entry> entries_;
    std::array<std::vector<std::uint32_t>, ways> heads_;  // a power of two each
    std::uint32_t free_ = npos;
    std::size_t size_ = 0;
};

}  // namespace sonde
