#pragma once

#include <memory>
#include <vector>

#include "agent/identity/discovery.hpp"
#include "agent/protocol/trace_context.hpp"
#include "agent/protocol/trusted_proxies.hpp"
#include "agent/redact/record_redactor.hpp"
#include "agent/route/route_table.hpp"
#include "agent/sample/policy.hpp"

namespace sonde {

// What a running pipeline can take over as a whole: checked, immutable.
struct PipelinePolicies {
    std::shared_ptr<const RedactionPolicySet> redaction = RedactionPolicySet::defaults();
    std::shared_ptr<const SamplingPolicy> sampling = SamplingPolicy::defaults();
    std::shared_ptr<const DiscoveryRules> discovery = DiscoveryRules::defaults();
    TrustedProxies trusted_proxies = TrustedProxies::local();
    TraceHeaderNames trace_headers{};
    RouteLimits routes{};
};

// Policies with the automata that they need, which take milliseconds to build: made by any thread, so that the
// pipeline only has to swap them in.
struct PreparedPolicies {
    PipelinePolicies policies;
    std::unique_ptr<RecordRedactor> redactor;
    std::vector<std::unique_ptr<RecordRedactor>> outlets;  // in the order of Pipeline::add(); null: what all get
};

}  // namespace sonde
