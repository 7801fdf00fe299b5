#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/base/ring.hpp"
#include "agent/base/shared_pool.hpp"
#include "agent/correlate/line_matcher.hpp"
#include "agent/correlate/request_table.hpp"
#include "agent/correlate/waiting_lines.hpp"
#include "agent/model/log_line.hpp"
#include "agent/model/request_observer.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

struct CorrelatorOptions {
    std::uint32_t settle_ms = 250;  // a line is joined so long after its writing, 50 … 5000: the kernel tells the end
                                    // of a response up to 200 ms late (docs/decisions/0005-progress-waits.md)
    std::uint32_t late_ms = 500;    // a line may come so long after its response, 0 … 10000
    std::uint32_t quiet_ms = 100;   // MatchOptions::quiet_ns
    std::size_t max_lines = 50;     // of one transaction; the rest is counted
    std::size_t max_requests = 16384;                       // open, or ended less than late_ms + settle_ms ago
    std::size_t max_waiting_lines = 32768;                  // not joined yet; beyond, the oldest is joined early
    std::size_t max_waiting_bytes = std::size_t{16} << 20;  // of their text
    bool from_files = true;       // lines come from files, too: one that was captured may come once more
    std::size_t max_held = 4096;  // transactions that wait for their lines; beyond, the oldest goes early
    // Attributes of lines that become attributes of their transaction.
    std::vector<std::string> attributes{"user_id", "user", "tenant", "tenant_id", "upstream_response_time"};
};

// Numbers over the correlator's life but for waiting and held; one writer, readable from any thread.
struct CorrelatorStats {
    std::array<std::atomic<std::uint64_t>, log_match_count> lines{};  // joined lines by LogMatch
    std::atomic<std::uint64_t> duplicates{0};          // lines that came both from a write and from a file
    std::atomic<std::uint64_t> early_lines{0};         // joined before their time: too many waited
    std::atomic<std::uint64_t> early_transactions{0};  // passed on before their time: too many were held
    std::atomic<std::uint64_t> untracked_requests{0};  // the table of requests was full
    std::atomic<std::uint64_t> lines_over{0};          // beyond max_lines of their transaction
    std::atomic<std::uint64_t> waiting_lines{0};       // now
    std::atomic<std::uint64_t> held_transactions{0};   // now
};

// Joins lines with the requests that wrote them.
//
//	request_read ─► open ─► ended (its transaction) ──── late_ms + settle_ms ───► forgotten, transaction passed on
//	line written ─────► waits settle_ms ─► rules ─► on_line, and on its transaction
//
// Lines wait because the ends of responses are told late: which requests were open at a moment is known only a while
// after it. Transactions wait, where their process writes lines at all, so that their lines are on them; metrics have
// seen them before. Pipeline thread only, but for stats().
class Correlator final : public RequestObserver {
public:
    struct Output {
        // A line is joined: redacts it in place, before anything of it is copied into its transaction. False: nothing
        // of it may leave.
        std::function<bool(LogLine&)> redact;
        std::function<void(const std::shared_ptr<LogLine>&)> on_line;  // redacted and joined
        std::function<void(Transaction&)> on_transaction;              // was held; has its lines
    };

    // Makes the line of what a write carried.
    using Parse = std::function<std::shared_ptr<LogLine>(const WrittenRecord&)>;

    // parse: empty where no writes are added.
    Correlator(CorrelatorOptions options, Output output, Parse parse = {});

    void request_read(const RequestRead& read) override;
    void request_sent(const RequestSent&) override {}  // who calls others does not write their lines
    void response_began(Transaction& answered, const ThreadClock& by, std::uint64_t time_ns) override;
    void request_dropped(std::uint64_t span_id) override;
    void process_ended(std::uint32_t pid);

    // A transaction is complete. end_ns: CLOCK_MONOTONIC of its last byte. True: it is held, on_transaction gives it
    // back; false: it is the caller's to pass on.
    bool hold(const Transaction& transaction, std::uint64_t end_ns);

    // The process has begun to write to a log, or goes on: what it answers from now on waits for its lines. 0: a line
    // came whose writer is not known, from a file.
    void writes(std::uint32_t pid, std::uint64_t time_ns);
    // A line, its record parsed and its source set. monotonic_ns 0: not observed.
    // anchor: taken when it was written, if it was seen.
    void add(std::shared_ptr<LogLine> line, const RequestTable::Anchor& anchor = {});
    // What a write carried; parsed when its time has come.
    void add(const WrittenRecord& written);
    // Of a line that is being written now.
    [[nodiscard]] RequestTable::Anchor anchor(const LogWrite& write) const {
        return requests_.anchor(write.pid, write.tid, write.strand);
    }

    // now_ns: CLOCK_MONOTONIC, never less than before.
    void advance(std::uint64_t now_ns);
    // Joins and passes on all that waits.
    void finish();

    // The smallest LogLine::file_number that waits; 0: none does.
    [[nodiscard]] std::uint64_t oldest_file_number() const { return waiting_.oldest_file_number(); }

    [[nodiscard]] const CorrelatorStats& stats() const { return stats_; }

private:
    struct Held {
        Transaction transaction;
        std::uint64_t due_ns = 0;
        std::uint32_t request = RequestTable::npos;
    };
    struct Ended {
        std::uint32_t request = RequestTable::npos;
        std::uint64_t span_id = 0;
        std::uint64_t due_ns = 0;
    };
    [[nodiscard]] std::uint32_t find(std::uint64_t span_id) const {
        return requests_.first(RequestTable::By::span, span_id);
    }
    [[nodiscard]] bool writes_lines(std::uint32_t pid) const;
    void make_room();
    void join_oldest();
    void told_of_waiting();
    void join(const std::shared_ptr<LogLine>& line, const RequestTable::Anchor& anchor);
    void attach(LogLine& line, TrackedRequest& request);
    void release_oldest();
    void forget(std::uint64_t now_ns);

    const CorrelatorOptions options_;
    const Output output_;
    const Parse parse_;
    const std::uint64_t keep_ns_;  // of an ended request
    RequestTable requests_;
    LineMatcher matcher_;
    WaitingLines waiting_;
    SharedPool<TransactionLogs> logs_;
    Ring<Held> held_;
    Ring<Ended> ended_;
    struct Writer {
        std::uint64_t last_ns = 0;  // CLOCK_MONOTONIC of its last line
        std::string_view service;   // of its last request; lives as long as the agent
    };
    std::unordered_map<std::uint32_t, Writer> writers_;  // by process; bounded
    std::uint64_t now_ns_ = 0;
    CorrelatorStats stats_;
};

}  // namespace sonde
