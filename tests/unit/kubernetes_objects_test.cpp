#include "agent/identity/kubernetes_objects.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

// As `kubectl get pods -o json` gives it, shortened.
const std::string pod_json =
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"shop-7d4b9c-x2x","namespace":"store",
"uid":"11111111-2222-3333-4444-555555555555","resourceVersion":"815","labels":{"app":"shop","tier":"front"},
"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"shop-7d4b9c","controller":true,"blockOwnerDeletion":true}]},
"spec":{"nodeName":"node-1","containers":[{"name":"web"}]},
"status":{"podIP":"10.1.0.5","podIPs":[{"ip":"10.1.0.5"},{"ip":"fd00::5"}],
"containerStatuses":[{"name":"web","containerID":"containerd://0123456789abcdef"},{"name":"starting"}],
"initContainerStatuses":[{"name":"init","containerID":"cri-o://feed"}]}})";

KubernetesPod pod_in(const KubernetesObject& object) { return std::get<KubernetesPod>(object); }

TEST(KubernetesObjects, APod) {
    const auto event = parse_kubernetes_event(KubernetesKind::pod, R"({"type":"ADDED","object":)" + pod_json + "}");
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, KubernetesEvent::Type::put);
    EXPECT_EQ(event->resource_version, "815");
    const auto pod = pod_in(event->object);
    EXPECT_EQ(pod.uid, "11111111-2222-3333-4444-555555555555");
    EXPECT_EQ(pod.namespace_name, "store");
    EXPECT_EQ(pod.name, "shop-7d4b9c-x2x");
    EXPECT_EQ(pod.node, "node-1");
    EXPECT_FALSE(pod.host_network);
    EXPECT_EQ(pod.owner.kind, "ReplicaSet");
    EXPECT_EQ(pod.owner.name, "shop-7d4b9c");
    EXPECT_EQ(pod.labels.size(), 2U);
    EXPECT_EQ(pod.addresses, (std::vector<std::string>{"10.1.0.5", "fd00::5"}));
    ASSERT_EQ(pod.containers.size(), 2U);  // one has no id yet
    EXPECT_EQ(pod.containers[0].id, "0123456789abcdef");
    EXPECT_EQ(pod.containers[0].name, "web");
    EXPECT_EQ(pod.containers[1].id, "feed");
}

TEST(KubernetesObjects, AnOwnerThatDoesNotControlIsNone) {
    const auto owner = parse_kubernetes_owner(
        R"({"metadata":{"ownerReferences":[{"kind":"Node","name":"n"},{"kind":"Deployment","name":"shop","controller":true}]}})");
    ASSERT_TRUE(owner);
    EXPECT_EQ(owner->kind, "Deployment");
    EXPECT_EQ(parse_kubernetes_owner(R"({"metadata":{"ownerReferences":[{"kind":"Node","name":"n"}]}})")->kind, "");
    EXPECT_FALSE(parse_kubernetes_owner("[]"));
}

TEST(KubernetesObjects, AServiceHasItsAddresses) {
    const auto event =
        parse_kubernetes_event(KubernetesKind::service,
                               R"({"type":"MODIFIED","object":{"metadata":{"uid":"u","name":"db","namespace":"store"},
            "spec":{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9","fd00:96::9"],"externalIPs":["192.0.2.1"]},
            "status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.7"},{"hostname":"lb.example"}]}}}})");
    ASSERT_TRUE(event);
    const auto service = std::get<KubernetesService>(event->object);
    EXPECT_EQ(service.addresses, (std::vector<std::string>{"10.96.0.9", "fd00:96::9", "192.0.2.1", "198.51.100.7"}));
    const auto headless = parse_kubernetes_event(
        KubernetesKind::service,
        R"({"type":"ADDED","object":{"metadata":{"uid":"u"},"spec":{"clusterIP":"None","clusterIPs":["None"]}}})");
    EXPECT_TRUE(std::get<KubernetesService>(headless->object).addresses.empty());
}

TEST(KubernetesObjects, ASliceNamesServiceAndPods) {
    const auto event = parse_kubernetes_event(
        KubernetesKind::endpoint_slice,
        R"({"type":"DELETED","object":{"metadata":{"uid":"s","namespace":"store","labels":{"kubernetes.io/service-name":"db"}},
            "endpoints":[{"addresses":["10.1.0.9"],"targetRef":{"kind":"Pod","name":"db-0"}},
                         {"addresses":["10.9.9.9"]},{"addresses":null}]}})");
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, KubernetesEvent::Type::removed);
    const auto slice = std::get<KubernetesEndpointSlice>(event->object);
    EXPECT_EQ(slice.service, "db");
    ASSERT_EQ(slice.endpoints.size(), 2U);
    EXPECT_EQ(slice.endpoints[0].pod, "db-0");
    EXPECT_EQ(slice.endpoints[1].pod, "");
}

TEST(KubernetesObjects, BookmarksAndErrors) {
    const auto bookmark = parse_kubernetes_event(
        KubernetesKind::pod, R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"12746"}}})");
    ASSERT_TRUE(bookmark);
    EXPECT_EQ(bookmark->type, KubernetesEvent::Type::bookmark);
    EXPECT_EQ(bookmark->resource_version, "12746");
    const auto gone = parse_kubernetes_event(
        KubernetesKind::pod,
        R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old resource version","code":410}})");
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->type, KubernetesEvent::Type::error);
    EXPECT_EQ(gone->error_code, 410);
    EXPECT_EQ(gone->error_message, "too old resource version");
}

TEST(KubernetesObjects, AListInPages) {
    const auto list = parse_kubernetes_list(
        KubernetesKind::pod,
        R"({"kind":"PodList","metadata":{"resourceVersion":"99","continue":"abc=="},"items":[)" + pod_json + "]}");
    ASSERT_TRUE(list);
    EXPECT_EQ(list->resource_version, "99");
    EXPECT_EQ(list->next, "abc==");
    ASSERT_EQ(list->objects.size(), 1U);
    EXPECT_EQ(pod_in(list->objects[0]).name, "shop-7d4b9c-x2x");
    EXPECT_TRUE(parse_kubernetes_list(KubernetesKind::pod, R"({"metadata":{},"items":null})"));
}

TEST(KubernetesObjects, WhatIsNoListOrEventIsAnError) {
    for (const char* text : {"", "{", "[]", "null", R"({"kind":"Status","code":403})", R"({"items":7})"})
        EXPECT_FALSE(parse_kubernetes_list(KubernetesKind::pod, text)) << text;
    for (const char* text : {"", "7", "{}", R"({"type":"ADDED"})", R"({"type":"NEW","object":{}})"})
        EXPECT_FALSE(parse_kubernetes_event(KubernetesKind::pod, text)) << text;
    EXPECT_FALSE(parse_kubernetes_list(KubernetesKind::pod, std::string(1000, '[')));
}

TEST(KubernetesObjects, SizesAreBounded) {
    std::string addresses;
    for (int i = 0; i < 3000; ++i) addresses += std::string(i == 0 ? "" : ",") + R"({"ip":"10.0.0.1"})";
    const auto event = parse_kubernetes_event(
        KubernetesKind::pod, R"({"type":"ADDED","object":{"metadata":{"uid":"u","name":")" + std::string(9000, 'n') +
                                 R"("},"status":{"podIPs":[)" + addresses + "]}}}");
    ASSERT_TRUE(event);
    EXPECT_EQ(pod_in(event->object).name.size(), kubernetes_text_max);
    EXPECT_EQ(pod_in(event->object).addresses.size(), kubernetes_members_max);
}

}  // namespace
}  // namespace sonde
