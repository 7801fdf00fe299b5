#include "agent/redact/policy_set.hpp"

#include <algorithm>

namespace sonde {
namespace {

Error within(const std::string& owner, const Error& error) {
    return fail(owner + ": " + error.message(), {}, ErrorKind::usage);
}

// base with further actions: of two for one rule the later one counts.
Result<std::shared_ptr<const RedactionPolicy>> overlay(RedactionConfig config, const std::vector<RuleAction>& actions) {
    config.actions.insert(config.actions.end(), actions.begin(), actions.end());
    return RedactionPolicy::build(config);
}

// The rule whose action is looser in `policy` than in `base`; none: rule_count().
std::size_t looser_rule(const RedactionPolicy& policy, const RedactionPolicy& base) {
    std::size_t rule = 0;
    while (rule < policy.rule_count() && policy.action(rule) >= base.action(rule)) ++rule;
    return rule;
}

// Every action of `policy`, so that it can be laid over another one.
std::vector<RuleAction> actions_of(const RedactionPolicy& policy) {
    std::vector<RuleAction> actions;
    for (std::size_t rule = 0; rule < policy.rule_count(); ++rule)
        actions.push_back({std::string(policy.rule_name(rule)), policy.action(rule)});
    return actions;
}

// What differs for a sink, on top of a service's policy: nothing of it is looser unless the sink is trusted.
std::vector<RuleAction> combined(const RedactionPolicy& service, const SinkRedaction& sink) {
    auto actions = actions_of(service);
    for (const auto& wanted : sink.actions)
        for (auto& action : actions)
            if (action.rule == wanted.rule)
                action.action = sink.trusted ? wanted.action : std::max(action.action, wanted.action);
    return actions;
}

template <typename List, typename Name>
bool named_twice(const List& list, Name name) {
    return std::count_if(list.begin(), list.end(),
                         [&](const auto& entry) { return name(entry) == name(list.back()); }) > 1;
}

}  // namespace

Status RedactionPolicySet::add_service(const RedactionConfig& base, const ServiceRedaction& service) {
    const auto owner = "service '" + service.service + "'";
    if (common_.size() > max_services)
        return fail(owner + ": there may be " + std::to_string(max_services) + " services with redaction of their own",
                    {}, ErrorKind::usage);
    auto policy = overlay(base, service.actions);
    if (!policy) return within(owner, policy.error());
    common_.push_back({service.service, *policy});
    if (service.service.empty() || named_twice(common_, [](const Entry& entry) { return entry.service; }))
        return fail(owner + ": a service has one redaction, and a name", {}, ErrorKind::usage);
    return done();
}

Status RedactionPolicySet::add_sink(const RedactionConfig& base, const SinkRedaction& sink) {
    const auto owner = "sink '" + sink.sink + "'";
    if (sinks_.size() >= max_sinks)
        return fail(owner + ": there may be " + std::to_string(max_sinks) + " sinks with redaction of their own", {},
                    ErrorKind::usage);
    auto policy = overlay(base, sink.actions);
    if (!policy) return within(owner, policy.error());
    if (const auto rule = looser_rule(**policy, *common_.front().policy);
        !sink.trusted && rule < (*policy)->rule_count())
        return fail(owner + ": redaction rule '" + std::string((*policy)->rule_name(rule)) + "': '" +
                        std::string(to_string((*policy)->action(rule))) + "' is looser than '" +
                        std::string(to_string(common_.front().policy->action(rule))) + "' of the base policy",
                    "declare the sink trusted, or make the rule stricter", ErrorKind::usage);
    SinkEntries entries{sink.sink, {}};
    for (const auto& service : common_) {
        auto both = overlay(base, combined(*service.policy, sink));
        if (!both) return within(owner, both.error());
        entries.entries.push_back({service.service, *both});
    }
    sinks_.push_back(std::move(entries));
    if (sink.sink.empty() || named_twice(sinks_, [](const SinkEntries& entry) { return entry.sink; }))
        return fail(owner + ": a sink has one redaction, and a name", {}, ErrorKind::usage);
    return done();
}

Result<std::shared_ptr<const RedactionPolicySet>> RedactionPolicySet::build(const RedactionSetup& setup) {
    const std::shared_ptr<RedactionPolicySet> set(new RedactionPolicySet);
    auto base = RedactionPolicy::build(setup.base);
    if (!base) return base.error();
    set->common_.push_back({"", *base});
    for (const auto& service : setup.services)
        if (auto good = set->add_service(setup.base, service); !good) return good.error();
    for (const auto& sink : setup.sinks)
        if (auto good = set->add_sink(setup.base, sink); !good) return good.error();
    return std::shared_ptr<const RedactionPolicySet>(set);
}

std::shared_ptr<const RedactionPolicySet> RedactionPolicySet::defaults() {
    static const auto set = *build({});
    return set;
}

const std::vector<RedactionPolicySet::Entry>* RedactionPolicySet::for_sink(std::string_view sink) const {
    const auto found =
        std::find_if(sinks_.begin(), sinks_.end(), [&](const SinkEntries& entry) { return entry.sink == sink; });
    return found == sinks_.end() ? nullptr : &found->entries;
}

}  // namespace sonde
