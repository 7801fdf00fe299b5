#include "agent/identity/workload.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

KubernetesContainerPtr container(const std::string& pod, const std::string& kind, const std::string& owner) {
    auto made = std::make_shared<KubernetesContainer>();
    made->namespace_name = "store";
    made->pod = pod;
    made->container = "web";
    made->owner_kind = kind;
    made->owner = owner;
    return made;
}

std::string readable(std::string labels) {
    for (auto& c : labels)
        if (c == WorkloadNames::separator) c = ' ';
    return labels;
}

TEST(WorkloadNames, PodsOfOneDeploymentAreOneWorkload) {
    WorkloadNames names;
    const auto& first = names.name(container("shop-1-a", "Deployment", "shop"));
    EXPECT_EQ(readable(first.labels), "k8s_namespace_name=store k8s_deployment_name=shop k8s_container_name=web");
    EXPECT_EQ(first.service, "store/shop");
    EXPECT_EQ(&names.name(container("shop-1-b", "Deployment", "shop")), &first);
}

TEST(WorkloadNames, OnDemandEachPodIsOneByItself) {
    WorkloadNames names(true);
    const auto& first = names.name(container("shop-1-a", "Deployment", "shop"));
    EXPECT_TRUE(readable(first.labels).ends_with(" k8s_pod_name=shop-1-a"));
    EXPECT_NE(&names.name(container("shop-1-b", "Deployment", "shop")), &first);
    EXPECT_EQ(first.service, "store/shop");
}

TEST(WorkloadNames, OwnersByTheirKind) {
    WorkloadNames names;
    EXPECT_NE(names.name(container("a", "StatefulSet", "db")).labels.find("k8s_statefulset_name=db"),
              std::string::npos);
    EXPECT_NE(names.name(container("b", "CronJob", "night")).labels.find("k8s_cronjob_name=night"), std::string::npos);
    EXPECT_NE(names.name(container("c", "Rollout", "blue")).labels.find("k8s_owner_name=blue"), std::string::npos);
}

TEST(WorkloadNames, APodThatNobodyOwns) {
    WorkloadNames names;
    const auto& one = names.name(container("alone", "", ""));
    EXPECT_EQ(one.service, "store/alone");
    EXPECT_EQ(names.name(container("other", "", "")).service, "store/other");
    EXPECT_EQ(one.service, "store/alone");
}

TEST(WorkloadNames, AreBounded) {
    WorkloadNames names(false, 2);
    names.name(container("a", "Deployment", "one"));
    names.name(container("b", "Deployment", "two"));
    EXPECT_EQ(names.name(container("c", "Deployment", "three")).service, "{overflow}");
    EXPECT_EQ(names.name(container("d", "Deployment", "two")).service, "store/two");
}

TEST(WorkloadNames, ANameIsNeverTwoLabels) {
    WorkloadNames names;
    const auto& odd = names.name(container("a", "Deployment", "x\x1fk8s_pod_name=evil\n"));
    EXPECT_EQ(readable(odd.labels),
              "k8s_namespace_name=store k8s_deployment_name=x_k8s_pod_name=evil_ k8s_container_name=web");
}

TEST(WorkloadNames, ADirectoryThatIsNewDoesNotMixThem) {
    WorkloadNames names;
    for (int i = 0; i < 2000; ++i) {
        const auto name = "d" + std::to_string(i % 7);
        EXPECT_EQ(names.name(container("p", "Deployment", name)).service, "store/" + name);
    }
}

}  // namespace
}  // namespace sonde
