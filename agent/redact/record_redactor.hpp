#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

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
    // In place, by the base policy: names and paths of a process become labels and fields.
    void redact(Process& process);
    // Is there something to hide in a segment of a route? Counted under Place::label.
    bool hides(std::string_view segment);

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

    std::vector<ServiceRedactor> redactors_;
    std::atomic<std::uint64_t> dropped_records_{0};
};

}  // namespace sonde
