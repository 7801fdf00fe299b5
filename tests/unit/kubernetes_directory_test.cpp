#include "agent/identity/kubernetes_directory.hpp"

#include <gtest/gtest.h>

#include "agent/identity/kubernetes_owners.hpp"

namespace sonde {
namespace {

KubernetesPod pod(const std::string& name, const std::string& container, const std::string& address) {
    KubernetesPod made;
    made.uid = "uid-" + name;
    made.namespace_name = "store";
    made.name = name;
    made.node = "node-1";
    made.owner = {"ReplicaSet", "shop-1", "apps/v1"};
    made.labels = {{"app", "shop"}, {"secret", "x"}};
    made.addresses = {address};
    made.containers = {{container, "web"}};
    return made;
}

TEST(KubernetesDirectory, ContainersAreKnownByTheirId) {
    KubernetesDirectory directory(
        {.labels = {"app"}, .owner_of = {}, .redact = [](const auto&, const auto& value) { return value + "!"; }});
    KubernetesView view(directory);
    directory.put(pod("shop-1-a", "c1", "10.1.0.5"));
    EXPECT_EQ(view.container("c1"), nullptr);  // not published yet
    directory.publish();
    const auto found = view.container("c1");
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->namespace_name, "store");
    EXPECT_EQ(found->pod, "shop-1-a");
    EXPECT_EQ(found->container, "web");
    EXPECT_EQ(found->node, "node-1");
    EXPECT_EQ(found->owner_kind, "ReplicaSet");
    EXPECT_EQ(found->labels, (std::vector<std::pair<std::string, std::string>>{{"app", "shop!"}}));
    directory.remove(KubernetesKind::pod, "uid-shop-1-a");
    directory.publish();
    EXPECT_EQ(view.container("c1"), nullptr);
    EXPECT_EQ(found->pod, "shop-1-a");  // who holds it keeps it
}

TEST(KubernetesDirectory, NothingIsPublishedWithoutAChange) {
    KubernetesDirectory directory({});
    directory.publish();
    EXPECT_EQ(directory.version(), 0U);
    directory.put(pod("a", "c", "10.1.0.5"));
    directory.publish();
    directory.publish();
    EXPECT_EQ(directory.version(), 1U);
}

TEST(KubernetesDirectory, AListReplacesWhatWasThere) {
    KubernetesDirectory directory({});
    KubernetesView view(directory);
    directory.put(pod("a", "ca", "10.1.0.5"));
    directory.listing(KubernetesKind::pod);
    directory.put(pod("b", "cb", "10.1.0.6"));
    directory.listed(KubernetesKind::pod);
    directory.publish();
    EXPECT_EQ(view.container("ca"), nullptr);
    EXPECT_NE(view.container("cb"), nullptr);
    EXPECT_EQ(directory.pods(), 1U);
}

TEST(KubernetesDirectory, AddressesAreServicesThenPods) {
    KubernetesDirectory directory({});
    KubernetesView view(directory);
    directory.put(KubernetesService{"s", "store", "db", {"10.96.0.9", "fd00:96::9"}});
    directory.put(KubernetesEndpointSlice{"e", "store", "db", {{"10.1.0.9", "db-0"}, {"10.1.0.5", "shop"}}});
    directory.put(pod("shop", "c", "10.1.0.5"));
    directory.put(pod("alone", "d", "10.1.0.7"));
    auto host = pod("host", "e", "192.0.2.1");
    host.host_network = true;
    directory.put(host);
    directory.publish();
    const auto peer = [&](const std::string& address) { return view.peer(address_bytes(address)); };
    ASSERT_NE(peer("10.96.0.9"), nullptr);
    EXPECT_EQ(peer("10.96.0.9")->service, "db");
    EXPECT_EQ(peer("fd00:96::9")->service, "db");
    EXPECT_EQ(peer("10.1.0.9")->pod, "db-0");
    EXPECT_EQ(peer("10.1.0.9")->service, "db");
    EXPECT_EQ(peer("10.1.0.7")->pod, "alone");
    EXPECT_EQ(peer("10.1.0.7")->service, "");
    EXPECT_EQ(peer("192.0.2.1"), nullptr);  // the node's own address is nobody's
    // IPv4 as an IPv6 socket has it
    const std::string mapped = std::string(10, '\0') + "\xff\xff" + address_bytes("10.1.0.9");
    EXPECT_EQ(view.peer(mapped)->pod, "db-0");
    EXPECT_EQ(view.peer("abc"), nullptr);
}

TEST(KubernetesDirectory, IsBounded) {
    KubernetesDirectory directory(
        {.labels = {}, .max_pods = 2, .max_objects = 1, .max_addresses = 1, .owner_of = {}, .redact = {}});
    for (const char* name : {"a", "b", "c"}) directory.put(pod(name, name, "10.1.0.5"));
    EXPECT_EQ(directory.overflows(), 1U);
    directory.put(KubernetesService{"s", "store", "db", {"10.96.0.9", "10.96.0.10"}});
    directory.put(KubernetesService{"t", "store", "db2", {"10.96.0.11"}});
    EXPECT_EQ(directory.overflows(), 2U);
    directory.put(KubernetesEndpointSlice{});  // without a uid it is nothing
    directory.publish();
    EXPECT_EQ(directory.addresses(), 1U);
    EXPECT_GT(directory.overflows(), 2U);
}

TEST(KubernetesOwners, AreAskedForOnce) {
    KubernetesOwners owners;
    const KubernetesOwner set{"ReplicaSet", "shop-7d4b9c", "apps/v1"};
    EXPECT_EQ(owners.above("store", set).kind, "");
    EXPECT_EQ(owners.above("store", set).kind, "");
    KubernetesOwners::Question question;
    ASSERT_TRUE(owners.next_question(question));
    EXPECT_EQ(question.path, "/apis/apps/v1/namespaces/store/replicasets/shop-7d4b9c");
    EXPECT_FALSE(owners.next_question(question));
    EXPECT_TRUE(owners.answer(
        question.key, 200,
        R"({"metadata":{"ownerReferences":[{"kind":"Deployment","name":"shop","apiVersion":"apps/v1","controller":true}]}})"));
    EXPECT_EQ(owners.above("store", set).kind, "Deployment");
    EXPECT_EQ(owners.above("store", set).name, "shop");
    EXPECT_FALSE(owners.next_question(question));
}

TEST(KubernetesOwners, WhatFailedIsAskedAgainButNotWhatIsForbidden) {
    KubernetesOwners owners;
    KubernetesOwners::Question question;
    const KubernetesOwner job{"Job", "nightly-1", "batch/v1"};
    owners.above("store", job);
    ASSERT_TRUE(owners.next_question(question));
    EXPECT_EQ(question.path, "/apis/batch/v1/namespaces/store/jobs/nightly-1");
    EXPECT_FALSE(owners.answer(question.key, 500, ""));
    owners.above("store", job);
    ASSERT_TRUE(owners.next_question(question));
    EXPECT_FALSE(owners.answer(question.key, 403, ""));
    owners.above("store", job);
    EXPECT_FALSE(owners.next_question(question));
}

TEST(KubernetesOwners, OnlyKnownKindsWithPlainNames) {
    KubernetesOwners owners(1);
    KubernetesOwners::Question question;
    owners.above("store", {"StatefulSet", "db", "apps/v1"});
    owners.above("store", {"ReplicaSet", "x/../../secrets", "apps/v1"});
    owners.above("../x", {"ReplicaSet", "x", "apps/v1"});
    owners.above("store", {"ReplicaSet", "x", "evil/v1"});
    EXPECT_FALSE(owners.next_question(question));
    owners.above("store", {"ReplicaSet", "a", "apps/v1"});
    owners.above("store", {"ReplicaSet", "b", "apps/v1"});  // the older one has to go
    ASSERT_TRUE(owners.next_question(question));
    EXPECT_TRUE(question.path.ends_with("/b"));
    EXPECT_FALSE(owners.next_question(question));
}

}  // namespace
}  // namespace sonde
