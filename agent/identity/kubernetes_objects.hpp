#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/result.hpp"

// The parts of Kubernetes' objects that sonde uses, read from the API's JSON (API reference v1: Pod, Service;
// discovery.k8s.io/v1: EndpointSlice). The text comes from outside: sizes and depth are bounded, nothing throws.
namespace sonde {

struct KubernetesOwner {
    std::string kind, name, api_version;
};

struct KubernetesPod {
    std::string uid, namespace_name, name, node;
    bool host_network = false;  // its addresses are the node's, and say nothing
    KubernetesOwner owner;      // the controlling one; empty: none
    std::vector<std::pair<std::string, std::string>> labels;
    std::vector<std::string> addresses;
    struct Container {
        std::string id;  // without "containerd://"
        std::string name;
    };
    std::vector<Container> containers;  // those that run or ran, init and ephemeral ones, too
};

struct KubernetesService {
    std::string uid, namespace_name, name;
    std::vector<std::string> addresses;  // cluster, external and load balancer addresses
};

struct KubernetesEndpointSlice {
    std::string uid, namespace_name, service;
    struct Endpoint {
        std::string address;
        std::string pod;  // empty: leads to something else
    };
    std::vector<Endpoint> endpoints;
};

using KubernetesObject = std::variant<KubernetesPod, KubernetesService, KubernetesEndpointSlice>;
enum class KubernetesKind : std::uint8_t { pod, service, endpoint_slice };

struct KubernetesList {
    std::string resource_version;
    std::string next;  // "continue": there is more
    std::vector<KubernetesObject> objects;
};

// One line of a watch.
struct KubernetesEvent {
    enum class Type : std::uint8_t { put, removed, bookmark, error };
    Type type = Type::bookmark;
    std::string resource_version;  // of the object, or the bookmark
    KubernetesObject object;       // of put and removed
    int error_code = 0;            // of error: Status.code, 410 among them
    std::string error_message;
};

inline constexpr std::size_t kubernetes_text_max = 512;      // bytes of a name or value that are kept
inline constexpr std::size_t kubernetes_members_max = 1000;  // addresses, containers, endpoints, labels of an object

Result<KubernetesList> parse_kubernetes_list(KubernetesKind kind, std::string_view json);
Result<KubernetesEvent> parse_kubernetes_event(KubernetesKind kind, std::string_view json);
// The controlling owner of any one object; empty where it has none.
Result<KubernetesOwner> parse_kubernetes_owner(std::string_view json);

}  // namespace sonde
