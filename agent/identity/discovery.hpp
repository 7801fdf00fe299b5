#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/kubernetes.hpp"
#include "agent/model/process.hpp"

namespace sonde {

// Which processes: every condition that is set holds, and one text or number of it. Texts match whole; '*' stands for
// any bytes, '/' among them.
struct ProcessMatch {
    std::vector<std::string> executables{};  // /proc/PID/exe: "/usr/sbin/nginx", "*/python3*"
    std::vector<std::string>
        command_lines{};                    // arguments joined by spaces, as much as is kept: "*manage.py runserver*"
    std::vector<std::uint16_t> ports{};     // that it serves; what it asks as a client has none
    std::vector<std::string> units{};       // systemd, without ".service"
    std::vector<std::string> containers{};  // names or ids: "shop-*", "3f2a*"
    std::vector<std::string> cgroups{};     // paths: "*/kubepods*"
    std::vector<std::string> runtimes{};    // "python", "node", "java", "go", …, by the executable's name
    std::vector<std::string> namespaces{};  // of Kubernetes: "store", "team-*"
    std::vector<std::string> labels{};      // of the pod: "app=shop", "tier=*"; those that kubernetes.labels names
};

// What matches gets this name.
struct ServiceRule {
    std::string name{};
    ProcessMatch match{};
};

// The default watches everything (but sonde itself, which no rule can change).
struct DiscoveryConfig {
    std::vector<ProcessMatch> include{};  // empty: all
    std::vector<ProcessMatch> exclude{};  // stronger than include
    std::vector<ServiceRule> services{};  // the first that matches names; none: unit, container, program
};

inline constexpr std::size_t max_discovery_rules = 64;  // of each kind

// Checked rules. Immutable: any thread.
class DiscoveryRules {
public:
    // Error: too many rules, or one without a condition (which says "all" where somebody forgot something), by its
    // place ("include[0]").
    static Result<std::shared_ptr<const DiscoveryRules>> build(const DiscoveryConfig& config);
    static std::shared_ptr<const DiscoveryRules> defaults();

    struct Decision {
        bool watched = true;
        std::string_view service{};  // empty: no rule names it. Holds as long as the rules
    };
    // process: null where it was not observed: then only ports can match. port: 0 for a client. container: null where
    // the cluster's API has not named it (yet): then namespaces and labels do not match.
    [[nodiscard]] Decision decide(const Process* process, std::uint16_t port,
                                  const KubernetesContainer* container = nullptr) const;
    // Of all conditions: "app=shop".
    static std::vector<std::string> labels(const DiscoveryConfig& config);
    [[nodiscard]] bool any() const { return any_; }

private:
    explicit DiscoveryRules(DiscoveryConfig config);
    const DiscoveryConfig config_;
    const bool any_;
};

// Remembers decisions: rules are asked once per process, port and what is known of its pod. One thread.
class Discovery {
public:
    explicit Discovery(std::shared_ptr<const DiscoveryRules> rules) : rules_(std::move(rules)) {}

    // The service is a view into the rules: it holds until adopt().
    DiscoveryRules::Decision decide(const ProcessPtr& process, std::uint16_t port,
                                    const KubernetesContainerPtr& container = nullptr);
    void adopt(std::shared_ptr<const DiscoveryRules> rules);
    // There are rules: not everything is watched, or some of it is named.
    [[nodiscard]] bool any() const { return rules_->any(); }

private:
    static constexpr std::size_t entries = 1024;  // a power of two
    struct Entry {
        ProcessPtr process;                // held: its address is not another process's meanwhile
        KubernetesContainerPtr container;  // likewise; null until the API names it, and another when its labels change
        std::uint16_t port = 0;
        DiscoveryRules::Decision decision;
    };
    std::shared_ptr<const DiscoveryRules> rules_;
    std::vector<Entry> cache_;  // empty without rules
};

// Does the text match the pattern as a whole, '*' standing for any bytes? Linear in both but for a factor of the
// number of '*'.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace sonde
