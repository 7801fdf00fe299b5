#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/model/log_record.hpp"
#include "agent/model/transaction.hpp"
#include "agent/redact/policy_set.hpp"
#include "agent/redact/redactor.hpp"

namespace sonde {

// Takes secrets out of sonde's own records, each by the policy of its service. One thread (a Redactor per policy, made
// at start); count() and dropped_records() from any.
class RecordRedactor {
public:
    // entries: of a RedactionPolicySet, its first one holds for every service without one.
    explicit RecordRedactor(const std::vector<RedactionPolicySet::Entry>& entries);

    // In place: path, host, user agent. A dropped field is empty. False: the record may not leave; its texts are empty.
    // A text that was cut when it was captured loses its last word: what is left of a secret matches no pattern.
    bool redact(Transaction& transaction);
    // The lines that stand in the transaction, in a copy of them. False: the record may not leave.
    bool redact_logs(Transaction& transaction);
    // In place: message, attributes by their names, exception, path, request id, and the raw text. A dropped attribute
    // is removed. False: the record may not leave; it is empty but for its source.
    bool redact(LogRecord& record, std::string_view service);
    // In place, by the base policy: names and paths of a process become labels and fields.
    void redact(Process& process);
    // Is there something to hide in a segment of a route? Counted under Place::label.
    bool hides(std::string_view segment);

    // From now on by the policies of `prepared`, which any thread may have made. Counts go on, by the rules' names. The
    // redactor's own thread.
    void adopt(std::unique_ptr<RecordRedactor> prepared);
    // Number of values that rules took out, by place, over the redactor's life; zeros are left out. Bounded: beyond
    // max_retired rules and places of former policies, in the entry "{retired}". Any thread.
    struct RuleCount {
        std::string rule;
        Place place = Place::field;
        std::uint64_t count = 0;
    };
    [[nodiscard]] std::vector<RuleCount> counts() const;
    static constexpr std::size_t max_retired = 1024;

    // This policy's; any thread, while nobody adopts another.
    [[nodiscard]] const RedactionPolicy& base_policy() const { return redactors_.front().redactor->policy(); }
    // Number of values that a rule found at a place, by all policies. Rules are numbered alike in each.
    [[nodiscard]] std::uint64_t count(std::size_t rule, Place place) const;
    // Number of records that a rule kept back.
    [[nodiscard]] std::uint64_t dropped_records() const { return dropped_records_.load(std::memory_order_relaxed); }

private:
    struct ServiceRedactor {
        std::string service;
        std::unique_ptr<Redactor> redactor;
    };
    Redactor& redactor_of(std::string_view service);

    using Counts = std::map<std::pair<std::string, Place>, std::uint64_t>;
    void add_current(Counts& counts) const;

    std::vector<ServiceRedactor> redactors_;
    Counts retired_;               // of former policies
    mutable std::mutex adopting_;  // of the above, but for the own thread's reading
    std::atomic<std::uint64_t> dropped_records_{0};
};

}  // namespace sonde
