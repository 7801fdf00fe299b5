#include "agent/config/sections.hpp"

namespace sonde {
namespace {

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
    s.texts("containers", part(&ProcessMatch::containers), "Ids of containers: `3f2a*`.");
    s.texts("cgroups", part(&ProcessMatch::cgroups), "Paths of cgroups, their first 256 bytes: `*/kubepods*`.");
    s.texts("runtimes", part(&ProcessMatch::runtimes),
            "`python`, `node`, `java`, `go`, …, as the name of the executable tells.");
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
    if (rules) return {};
    return {{{}, rules.error().message()}};
}

}  // namespace sonde
