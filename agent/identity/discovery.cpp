#include "agent/identity/discovery.hpp"

#include <algorithm>
#include <functional>

namespace sonde {
namespace {

bool has_condition(const ProcessMatch& match) {
    return !match.executables.empty() || !match.command_lines.empty() || !match.ports.empty() || !match.units.empty() ||
           !match.containers.empty() || !match.cgroups.empty() || !match.runtimes.empty() ||
           !match.namespaces.empty() || !match.labels.empty();
}

bool fits(const std::vector<std::string>& patterns, std::string_view text) {
    // what a process does not have, or what was not observed, no pattern matches, "*" neither
    return patterns.empty() ||
           (!text.empty() && std::any_of(patterns.begin(), patterns.end(),
                                         [&](const auto& pattern) { return matches_glob(pattern, text); }));
}

// "key=value", the value with '*'.
bool fits_label(std::string_view pattern, const KubernetesContainer& container) {
    const auto equals = pattern.find('=');
    if (equals == std::string_view::npos) return false;
    return std::any_of(container.labels.begin(), container.labels.end(), [&](const auto& label) {
        return label.first == pattern.substr(0, equals) && matches_glob(pattern.substr(equals + 1), label.second);
    });
}

bool fits(const ProcessMatch& match, const KubernetesContainer* container) {
    if (match.namespaces.empty() && match.labels.empty()) return true;
    if (container == nullptr || !fits(match.namespaces, container->namespace_name)) return false;
    return match.labels.empty() || std::any_of(match.labels.begin(), match.labels.end(),
                                               [&](const auto& pattern) { return fits_label(pattern, *container); });
}

bool fits_container(const std::vector<std::string>& patterns, const Process& process) {
    return fits(patterns, process.container_id) || fits(patterns, process.container_name);
}

bool fits(const ProcessMatch& match, const Process* process, std::uint16_t port, const KubernetesContainer* container) {
    if (!match.ports.empty() &&
        (port == 0 || std::find(match.ports.begin(), match.ports.end(), port) == match.ports.end()))
        return false;
    static const Process unknown{};
    const auto& p = process != nullptr ? *process : unknown;
    return fits(match.executables, p.exe) && fits(match.command_lines, p.command_line) && fits(match.units, p.unit) &&
           fits_container(match.containers, p) && fits(match.cgroups, p.cgroup) && fits(match.runtimes, p.runtime) &&
           fits(match, container);
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

DiscoveryRules::Decision DiscoveryRules::decide(const Process* process, std::uint16_t port,
                                                const KubernetesContainer* container) const {
    const auto holds = [&](const ProcessMatch& match) { return fits(match, process, port, container); };
    const bool included = config_.include.empty() || std::any_of(config_.include.begin(), config_.include.end(), holds);
    if (!included || std::any_of(config_.exclude.begin(), config_.exclude.end(), holds)) return {false, {}};
    for (const auto& rule : config_.services)
        if (holds(rule.match)) return {true, rule.name};
    return {};
}

std::vector<std::string> DiscoveryRules::labels(const DiscoveryConfig& config) {
    std::vector<std::string> labels;
    const auto add = [&](const ProcessMatch& match) {
        labels.insert(labels.end(), match.labels.begin(), match.labels.end());
    };
    for (const auto& match : config.include) add(match);
    for (const auto& match : config.exclude) add(match);
    for (const auto& service : config.services) add(service.match);
    return labels;
}

DiscoveryRules::Decision Discovery::decide(const ProcessPtr& process, std::uint16_t port,
                                           const KubernetesContainerPtr& container) {
    if (!rules_->any()) return {};
    if (process == nullptr) return rules_->decide(nullptr, port);
    if (cache_.empty()) cache_.resize(entries);
    const auto hash = std::hash<const void*>{}(process.get()) >> 4U;
    auto& entry = cache_[(hash ^ port * 31U) & (entries - 1)];
    if (entry.process != process || entry.port != port || entry.container != container)
        entry = {process, container, port, rules_->decide(process.get(), port, container.get())};
    return entry.decision;
}

void Discovery::adopt(std::shared_ptr<const DiscoveryRules> rules) {
    rules_ = std::move(rules);
    cache_.clear();
}

}  // namespace sonde
