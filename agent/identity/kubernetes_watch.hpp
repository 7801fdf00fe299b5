#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "agent/identity/kubernetes_objects.hpp"

namespace sonde {

// What a watch tells. One thread.
class KubernetesStore {
public:
    virtual ~KubernetesStore() = default;
    // A list begins.
    virtual void listing(KubernetesKind kind) = 0;
    virtual void put(KubernetesObject object) = 0;
    virtual void remove(KubernetesKind kind, const std::string& uid) = 0;
    // It is complete: whatever of the kind was not put since it began is gone.
    virtual void listed(KubernetesKind kind) = 0;
};

struct KubernetesWatchLimits {
    std::size_t page_objects = 100;      // of a list: "limit"
    std::size_t page_bytes = 32 << 20;   // a longer answer is refused
    std::size_t event_bytes = 4 << 20;   // etcd's own limit is 1.5 MiB
    std::uint32_t watch_s = 290;         // the server ends a watch then; it would by itself within an hour
    std::uint32_t backoff_min_ms = 500;  // doubled with each failure, with jitter between a half and all of it
    std::uint32_t backoff_max_ms = 60'000;
};

// Counters over its life; one thread.
struct KubernetesWatchStats {
    std::uint64_t lists = 0, watches = 0, events = 0, bookmarks = 0;
    std::uint64_t expired = 0;   // 410 Gone: what was missed can only be listed again
    std::uint64_t failures = 0;  // requests that failed, by network or status
    std::uint64_t invalid = 0;   // answers that could not be read
};

// Follows all objects of one kind by the API's concepts of list and watch
// (kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes"). It says what to ask and is
// told what came; who asks is another's business, so that a test needs no network:
//
//             ┌── 410, invalid ◄──────────────┐
//             ▼                               │
//   list page ─► … ─► last page ─► watch from its resourceVersion ─► end, failure: watch from the last version seen
//
// One thread.
class KubernetesWatch {
public:
    using Clock = std::chrono::steady_clock;

    // path: "/api/v1/pods"; selector: "" or "fieldSelector=spec.nodeName%3Dnode-1". random: 0 … 1, for the jitter.
    KubernetesWatch(KubernetesKind kind, std::string path, std::string selector, KubernetesStore& store,
                    KubernetesWatchLimits limits = {}, std::function<double()> random = {});

    // When the next request is due; it may be in the past.
    [[nodiscard]] Clock::time_point due() const { return due_; }
    // Path and query of the next request.
    [[nodiscard]] std::string request() const;
    // Longest that the request may take, seconds.
    [[nodiscard]] std::uint32_t request_max_s() const;
    void begin();
    // A part of the answer's body. False: it cannot be of use any more, end the request.
    bool take(int status, std::string_view bytes);
    // status 0: no answer came.
    void end(int status, Clock::time_point now);

    [[nodiscard]] bool synced() const { return synced_; }  // a list has been complete
    [[nodiscard]] unsigned failures_in_a_row() const { return failures_in_a_row_; }
    // A list has begun, and is not all here.
    [[nodiscard]] bool between_pages() const { return !next_page_.empty(); }
    [[nodiscard]] const KubernetesWatchStats& stats() const { return stats_; }
    [[nodiscard]] KubernetesKind kind() const { return kind_; }

private:
    bool take_line(std::string_view line);
    void finish_page(Clock::time_point now);
    void list_again();
    void failed(Clock::time_point now);

    const KubernetesKind kind_;
    const std::string path_;
    const std::string selector_;
    KubernetesStore& store_;
    const KubernetesWatchLimits limits_;
    const std::function<double()> random_;
    std::string resource_version_;  // empty: a list is next
    std::string next_page_;
    std::string body_;             // of a page, or what is there of an event's line
    bool broken_ = false;          // this answer is of no use
    bool told_something_ = false;  // this watch brought an event
    bool synced_ = false;
    unsigned failures_in_a_row_ = 0;
    Clock::time_point due_{};
    Clock::time_point begun_{};
    KubernetesWatchStats stats_;
};

}  // namespace sonde
