#include <algorithm>

#include "agent/config/sections.hpp"

namespace sonde {
namespace {

std::string wrong_label(const std::string& text) {
    const auto equals = text.find('=');
    if (equals != std::string::npos && equals > 0) return {};
    return "expected a label as KEY=VALUE, found '" + text + "'";
}

// `at` leads from the owner to its ProcessMatch.
template <typename T, typename At>
void describe_match(Section<T>& s, At at) {
    const auto part = [at](auto member) {
        return [=](T & owner) -> auto& { return at(owner).*member; };
    };
    s.texts("executables", part(&ProcessMatch::executables),
            "Paths, as /proc/PID/exe: `/usr/sbin/nginx`, `*/python3*`.");
    s.texts("command_lines", part(&ProcessMatch::command_lines),
            "Arguments joined by spaces, their first 256 bytes, after redaction: `*manage.py runserver*`.");
    s.integers("ports", part(&ProcessMatch::ports), "Ports that are served. What asks as a client has none.")
        .range(1, 65535);
    s.texts("units", part(&ProcessMatch::units), "systemd units, without `.service`.");
    s.texts("containers", part(&ProcessMatch::containers), "Names (podman's, Docker's) or ids: `shop-*`, `3f2a*`.");
    s.texts("cgroups", part(&ProcessMatch::cgroups), "Paths of cgroups, their first 256 bytes: `*/kubepods*`.");
    s.texts("runtimes", part(&ProcessMatch::runtimes),
            "`python`, `node`, `java`, `go`, …, as the name of the executable tells.");
    s.texts("namespaces", part(&ProcessMatch::namespaces), "Kubernetes' namespaces: `store`, `team-*`.");
    s.texts("labels", part(&ProcessMatch::labels),
            "Labels of the pod, their keys among `kubernetes.labels`: `app=shop`, `tier=*`.")
        .check(wrong_label);
}

void describe_process_match(Section<ProcessMatch>& s) {
    describe_match(s, [](ProcessMatch& match) -> ProcessMatch& { return match; });
}

void describe_service(Section<ServiceRule>& s) {
    s.text("name", &ServiceRule::name, "The service's name.")
        .required()
        .check([](const std::string& name) -> std::string {
            constexpr std::size_t longest = 64;
            if (name.empty() || name.size() > longest)
                return "a service's name has 1 to 64 bytes, found '" + name + "'";
            return {};
        });
    describe_match(s, [](ServiceRule& rule) -> ProcessMatch& { return rule.match; });
}

}  // namespace

void describe_discovery(Section<Config>& config) {
    config
        .object("discovery", &Config::discovery,
                "Which processes are watched, and what they are called. Without rules all are, but sonde itself. In a "
                "rule all conditions hold, each by one of its texts; `*` stands for anything.",
                [](Section<DiscoveryConfig>& s) {
                    s.objects("include", &DiscoveryConfig::include, "Only what one of these matches.",
                              describe_process_match)
                        .at_most(max_discovery_rules);
                    s.objects("exclude", &DiscoveryConfig::exclude, "Not what one of these matches.",
                              describe_process_match)
                        .at_most(max_discovery_rules);
                    s.objects("services", &DiscoveryConfig::services, "The first that matches names the service.",
                              describe_service)
                        .at_most(max_discovery_rules);
                })
        .reloadable();
}

std::vector<SectionProblem> check_discovery(const Config& config) {
    const auto rules = DiscoveryRules::build(config.discovery);
    if (!rules) return {{{}, rules.error().message()}};
    const auto& known = config.kubernetes.labels;
    std::vector<SectionProblem> problems;
    for (const auto& label : DiscoveryRules::labels(config.discovery)) {
        const auto key = label.substr(0, label.find('='));
        if (std::find(known.begin(), known.end(), key) == known.end())
            problems.push_back(
                {label, "'" + label + "' matches nothing: kubernetes.labels does not name '" + key + "'"});
    }
    return problems;
}

}  // namespace sonde
