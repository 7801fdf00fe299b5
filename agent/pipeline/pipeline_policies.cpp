#include "agent/pipeline/pipeline.hpp"

namespace sonde {

// Either every sink is given what the common redactor has passed, or, once one sink has redaction of its own, each
// redacts for itself what none has seen.
static std::vector<std::unique_ptr<RecordRedactor>> outlet_redactors(const RedactionPolicySet& set,
                                                                     const std::vector<std::string_view>& sinks) {
    std::vector<std::unique_ptr<RecordRedactor>> redactors(sinks.size());
    bool own = false;
    for (const auto& sink : sinks) own = own || set.for_sink(sink) != nullptr;
    if (!own) return redactors;
    for (std::size_t i = 0; i < sinks.size(); ++i) {
        const auto* entries = set.for_sink(sinks[i]);
        redactors[i] = std::make_unique<RecordRedactor>(entries != nullptr ? *entries : set.common());
    }
    return redactors;
}

PreparedPolicies Pipeline::prepare(const PipelinePolicies& policies) const {
    std::vector<std::string_view> sinks;
    for (const auto& outlet : outlets_) sinks.push_back(outlet.known_as);
    return {policies, std::make_unique<RecordRedactor>(policies.redaction->common()),
            outlet_redactors(*policies.redaction, sinks)};
}

void Pipeline::adopt(PreparedPolicies prepared) {
    // first: what waits for its lines, its calls or the end of its second goes out as it was decided
    logs_.finish();
    links_.finish();
    sampler_.adopt(prepared.policies.sampling);
    options_.policies = std::move(prepared.policies);
    const auto& policies = options_.policies;
    redactor_.adopt(std::move(prepared.redactor));
    own_redactions_ = false;
    for (std::size_t i = 0; i < outlets_.size(); ++i) {
        auto& outlet = outlets_[i];
        outlet.gate->adopt(*policies.sampling, outlet.known_as);
        outlet.redactor = std::move(prepared.outlets[i]);
        own_redactions_ = own_redactions_ || outlet.redactor != nullptr;
    }
    discovery_.adopt(policies.discovery);
    tracker_.set_trusted_proxies(policies.trusted_proxies);
    tracker_.set_trace_headers(policies.trace_headers);
    routes_.set_limits(policies.routes);
    routes_.hide_again();
    processes_.read_again();
}

void Pipeline::add(Delivery& delivery, Carries carries, std::string known_as) {
    if (known_as.empty()) known_as = delivery.name();
    auto gate = std::make_unique<SinkGate>(*options_.policies.sampling, known_as);
    outlets_.push_back({&delivery, nullptr, std::move(gate), carries, {}, std::move(known_as)});
    auto prepared = prepare(options_.policies);
    own_redactions_ = false;
    for (std::size_t i = 0; i < outlets_.size(); ++i) {
        outlets_[i].redactor = std::move(prepared.outlets[i]);
        own_redactions_ = own_redactions_ || outlets_[i].redactor != nullptr;
    }
}

}  // namespace sonde
