#include "agent/identity/discovery.hpp"

#include <algorithm>
#include <functional>

namespace sonde {
namespace {

bool has_condition(const ProcessMatch& match) {
    return !match.executables.empty() || !match.command_lines.empty() || !match.ports.empty() || !match.units.empty() ||
           !match.containers.empty() || !match.cgroups.empty() || !match.runtimes.empty();
}

bool fits(const std::vector<std::string>& patterns, std::string_view text) {
    // what a process does not have, or what was not observed, no pattern matches, "*" neither
    return patterns.empty() ||
           (!text.empty() && std::any_of(patterns.begin(), patterns.end(),
                                         [&](const auto& pattern) { return matches_glob(pattern, text); }));
}

bool fits(const ProcessMatch& match, const Process* process, std::uint16_t port) {
    if (!match.ports.empty() &&
        (port == 0 || std::find(match.ports.begin(), match.ports.end(), port) == match.ports.end()))
        return false;
    static const Process unknown{};
    const auto& p = process != nullptr ? *process : unknown;
    return fits(match.executables, p.exe) && fits(match.command_lines, p.command_line) && fits(match.units, p.unit) &&
           fits(match.containers, p.container_id) && fits(match.cgroups, p.cgroup) && fits(match.runtimes, p.runtime);
}

Status check(const std::string& kind, std::size_t count, const std::function<const ProcessMatch&(std::size_t)>& at) {
    if (count > max_discovery_rules)
        return fail(kind + ": there may be " + std::to_string(max_discovery_rules) + " of them", {}, ErrorKind::usage);
    for (std::size_t i = 0; i < count; ++i)
        if (!has_condition(at(i)))
            return fail(kind + "[" + std::to_string(i) + "] has no condition: it would match every process", {},
                        ErrorKind::usage);
    return done();
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, behind = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            behind = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;  // the last '*' takes one byte more
            t = ++behind;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

DiscoveryRules::DiscoveryRules(DiscoveryConfig config)
    : config_(std::move(config)),
      any_(!config_.include.empty() || !config_.exclude.empty() || !config_.services.empty()) {}

Result<std::shared_ptr<const DiscoveryRules>> DiscoveryRules::build(const DiscoveryConfig& config) {
    const auto in = [](const auto& list) { return [&list](std::size_t i) -> const ProcessMatch& { return list[i]; }; };
    if (auto good = check("include", config.include.size(), in(config.include)); !good) return good.error();
    if (auto good = check("exclude", config.exclude.size(), in(config.exclude)); !good) return good.error();
    const auto service = [&](std::size_t i) -> const ProcessMatch& { return config.services[i].match; };
    if (auto good = check("services", config.services.size(), service); !good) return good.error();
    return std::shared_ptr<const DiscoveryRules>(new DiscoveryRules(config));
}

std::shared_ptr<const DiscoveryRules> DiscoveryRules::defaults() {
    static const auto rules = *build({});
    return rules;
}

DiscoveryRules::Decision DiscoveryRules::decide(const Process* process, std::uint16_t port) const {
    const auto holds = [&](const ProcessMatch& match) { return fits(match, process, port); };
    const bool included = config_.include.empty() || std::any_of(config_.include.begin(), config_.include.end(), holds);
    if (!included || std::any_of(config_.exclude.begin(), config_.exclude.end(), holds)) return {false, {}};
    for (const auto& rule : config_.services)
        if (holds(rule.match)) return {true, rule.name};
    return {};
}

DiscoveryRules::Decision Discovery::decide(const ProcessPtr& process, std::uint16_t port) {
    if (!rules_->any()) return {};
    if (process == nullptr) return rules_->decide(nullptr, port);
    if (cache_.empty()) cache_.resize(entries);
    const auto hash = std::hash<const void*>{}(process.get()) >> 4U;
    auto& entry = cache_[(hash ^ port * 31U) & (entries - 1)];
    if (entry.process != process || entry.port != port) entry = {process, port, rules_->decide(process.get(), port)};
    return entry.decision;
}

void Discovery::adopt(std::shared_ptr<const DiscoveryRules> rules) {
    rules_ = std::move(rules);
    cache_.clear();
}

}  // namespace sonde
