#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/redact/policy.hpp"

namespace sonde {

// What differs from the base policy for one service. It may be stricter or looser: who runs a service knows its data.
struct ServiceRedaction {
    std::string service{};
    std::vector<RuleAction> actions{};
};

// What differs for one sink. It may be stricter; looser only if it is trusted.
struct SinkRedaction {
    std::string sink{};
    bool trusted = false;
    std::vector<RuleAction> actions{};
};

struct RedactionSetup {
    RedactionConfig base{};
    std::vector<ServiceRedaction> services{};  // bounded: max_services
    std::vector<SinkRedaction> sinks{};        // bounded: max_sinks
};

// The policy of each service for each sink, checked. Immutable, shared by threads.
class RedactionPolicySet {
public:
    static constexpr std::size_t max_services = 64;
    static constexpr std::size_t max_sinks = 16;

    struct Entry {
        std::string service;  // empty: every other one
        std::shared_ptr<const RedactionPolicy> policy;
    };

    // The error names service or sink, the rule, and says why.
    static Result<std::shared_ptr<const RedactionPolicySet>> build(const RedactionSetup& setup);
    static std::shared_ptr<const RedactionPolicySet> defaults();

    // Policies for what every sink without an entry of its own gets, and metrics, recordings, the console.
    [[nodiscard]] const std::vector<Entry>& common() const { return common_; }
    // For the sink of this name; null: the common ones.
    [[nodiscard]] const std::vector<Entry>* for_sink(std::string_view sink) const;

private:
    struct SinkEntries {
        std::string sink;
        std::vector<Entry> entries;
    };
    RedactionPolicySet() = default;
    Status add_service(const RedactionConfig& base, const ServiceRedaction& service);
    Status add_sink(const RedactionConfig& base, const SinkRedaction& sink);

    std::vector<Entry> common_;
    std::vector<SinkEntries> sinks_;
};

}  // namespace sonde
