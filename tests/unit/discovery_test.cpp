#include "agent/identity/discovery.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

ProcessPtr process(Process p) { return std::make_shared<const Process>(std::move(p)); }

ProcessPtr nginx() {
    Process p;
    p.pid = 7;
    p.exe = "/usr/sbin/nginx";
    p.command_line = "nginx: worker process";
    p.unit = "nginx";
    p.cgroup = "/system.slice/nginx.service";
    p.runtime = "nginx";
    return process(p);
}
ProcessPtr django() {
    Process p;
    p.pid = 8;
    p.exe = "/usr/bin/python3.11";
    p.command_line = "python3 /srv/shop/manage.py runserver 8000";
    p.container_id = std::string(64, 'a');
    p.container_name = "shop-web-1";
    p.cgroup = "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + std::string(64, 'a') + ".scope";
    p.runtime = "python";
    return process(p);
}

TEST(Discovery, Globs) {
    EXPECT_TRUE(matches_glob("", ""));
    EXPECT_TRUE(matches_glob("*", ""));
    EXPECT_TRUE(matches_glob("*/python3*", "/usr/bin/python3.11"));
    EXPECT_TRUE(matches_glob("a*b*c", "a-b-b-c"));
    EXPECT_TRUE(matches_glob("**x", "x"));
    EXPECT_FALSE(matches_glob("a*b", "abc"));
    EXPECT_FALSE(matches_glob("nginx", "nginx2"));
    EXPECT_FALSE(matches_glob("", "a"));
    EXPECT_FALSE(matches_glob("a*a", "a"));
    EXPECT_FALSE(matches_glob(std::string(40, '*') + "b", std::string(100'000, 'a')));
}

DiscoveryRules::Decision decide(const DiscoveryConfig& config, const ProcessPtr& p, std::uint16_t port = 80) {
    const auto rules = DiscoveryRules::build(config);
    EXPECT_TRUE(rules) << (rules ? "" : rules.error().message());
    static std::vector<std::shared_ptr<const DiscoveryRules>> kept;  // decisions are views into them
    kept.push_back(*rules);
    return (*rules)->decide(p.get(), port);
}

TEST(Discovery, EverythingIsWatchedWithoutRules) {
    EXPECT_TRUE(decide({}, nginx()).watched);
    EXPECT_TRUE(decide({}, nullptr, 0).watched);
    EXPECT_FALSE(DiscoveryRules::defaults()->any());
}

TEST(Discovery, EachCondition) {
    const std::vector<ProcessMatch> for_django{{.executables = {"*/node", "*/python3*"}},
                                               {.command_lines = {"*manage.py*"}},
                                               {.ports = {8000, 80}},
                                               {.containers = {"aaaa*"}},
                                               {.containers = {"shop-web*"}},
                                               {.cgroups = {"/kubepods*"}},
                                               {.runtimes = {"python"}},
                                               {.ports = {80}, .runtimes = {"node", "python"}}};
    for (std::size_t i = 0; i < for_django.size(); ++i) {
        EXPECT_TRUE(decide({.include = {for_django[i]}}, django()).watched) << i;
        EXPECT_FALSE(decide({.exclude = {for_django[i]}}, django()).watched) << i;
    }
    const ProcessMatch both{.units = {"nginx"}, .runtimes = {"python"}};
    EXPECT_FALSE(decide({.include = {both}}, nginx()).watched);  // all conditions
    EXPECT_FALSE(decide({.include = {both}}, django()).watched);
}

TEST(Discovery, ExcludeIsStrongerAndTheFirstServiceNames) {
    const DiscoveryConfig config{.include = {{.runtimes = {"nginx", "python"}}},
                                 .exclude = {{.ports = {9000}}},
                                 .services = {{"edge", {.units = {"nginx"}}}, {"all", {.executables = {"*"}}}}};
    EXPECT_EQ(decide(config, nginx()).service, "edge");
    EXPECT_EQ(decide(config, django()).service, "all");
    EXPECT_FALSE(decide(config, nginx(), 9000).watched);
}

TEST(Discovery, WhatWasNotObservedMatchesByPortOnly) {
    EXPECT_TRUE(decide({.include = {{.ports = {80}}}}, nullptr).watched);
    EXPECT_FALSE(decide({.include = {{.ports = {80}}}}, nullptr, 0).watched);
    EXPECT_FALSE(decide({.include = {{.units = {"nginx"}}}}, nullptr).watched);
}

TEST(Discovery, RulesWithoutConditionAreRefused) {
    const auto refused = DiscoveryRules::build({.exclude = {{.ports = {1}}, {}}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "exclude[1] has no condition: it would match every process");
    EXPECT_FALSE(DiscoveryRules::build({.include = std::vector<ProcessMatch>(65, {.ports = {1}})}));
}

TEST(Discovery, DecisionsAreRememberedUntilOtherRulesCome) {
    Discovery discovery(DiscoveryRules::defaults());
    const auto p = nginx();
    EXPECT_TRUE(discovery.decide(p, 80).watched);
    discovery.adopt(*DiscoveryRules::build({.exclude = {{.units = {"nginx"}}}}));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(discovery.decide(p, 80).watched);
    EXPECT_TRUE(discovery.decide(django(), 80).watched);
    discovery.adopt(DiscoveryRules::defaults());
    EXPECT_TRUE(discovery.decide(p, 80).watched);
}

KubernetesContainerPtr pod(std::string app) {
    KubernetesContainer container;
    container.namespace_name = "store";
    container.labels = {{"app", std::move(app)}, {"tier", "front"}};
    return std::make_shared<const KubernetesContainer>(std::move(container));
}

TEST(Discovery, WhatTheClusterSaysOfThePod) {
    const ProcessMatch matching[] = {{.namespaces = {"st*"}},
                                     {.labels = {"app=shop"}},
                                     {.labels = {"app=other", "tier=*"}},
                                     {.ports = {80}, .namespaces = {"store"}, .labels = {"app=sh*"}}};
    const ProcessMatch others[] = {{.namespaces = {"stor"}},
                                   {.labels = {"app=shop2"}},
                                   {.labels = {"ap=*"}},
                                   {.labels = {"missing=*"}},
                                   {.namespaces = {"elsewhere"}, .labels = {"app=shop"}}};
    const auto watched = [](const ProcessMatch& match, const KubernetesContainerPtr& container) {
        return (*DiscoveryRules::build({.include = {match}}))->decide(django().get(), 80, container.get()).watched;
    };
    for (const auto& match : matching) {
        EXPECT_TRUE(watched(match, pod("shop")));
        EXPECT_FALSE(watched(match, nullptr));  // not named (yet)
    }
    for (const auto& match : others) EXPECT_FALSE(watched(match, pod("shop")));
}

TEST(Discovery, APodThatIsNamedLaterIsDecidedAnew) {
    Discovery discovery(*DiscoveryRules::build({.services = {{"front", {.labels = {"app=shop"}}}}}));
    const auto process = django();
    EXPECT_EQ(discovery.decide(process, 80).service, "");
    const auto first = pod("shop");
    EXPECT_EQ(discovery.decide(process, 80, first).service, "front");
    EXPECT_EQ(discovery.decide(process, 80, pod("till")).service, "");  // its label was changed
    EXPECT_EQ(discovery.decide(process, 80, first).service, "front");
}

}  // namespace
}  // namespace sonde
