#include "agent/identity/kubernetes_objects.hpp"

#include <boost/json.hpp>

namespace sonde {
namespace {

namespace json = boost::json;

constexpr std::size_t depth_max = 64;

std::string text_of(const json::value* value) {
    if (value == nullptr || !value->is_string()) return {};
    return std::string(std::string_view(value->get_string()).substr(0, kubernetes_text_max));
}

const json::object* object_in(const json::object& outer, std::string_view key) {
    const auto* value = outer.if_contains(key);
    return value == nullptr ? nullptr : value->if_object();
}

std::string text_in(const json::object* object, std::string_view key) {
    return object == nullptr ? std::string() : text_of(object->if_contains(key));
}

// Each object of the list under the key; not more than are kept.
template <typename Visit>
void for_each_object(const json::object* outer, std::string_view key, Visit visit) {
    const auto* value = outer == nullptr ? nullptr : outer->if_contains(key);
    const auto* list = value == nullptr ? nullptr : value->if_array();
    if (list == nullptr) return;
    std::size_t left = kubernetes_members_max;
    for (const auto& element : *list) {
        if (left-- == 0) return;
        if (const auto* object = element.if_object()) visit(*object);
    }
}

void add_text(std::vector<std::string>& out, const json::value* value) {
    auto text = text_of(value);
    // "None" is the cluster address of a headless service
    if (!text.empty() && text != "None" && out.size() < kubernetes_members_max) out.push_back(std::move(text));
}

void add_texts(std::vector<std::string>& out, const json::object* outer, std::string_view key) {
    const auto* value = outer == nullptr ? nullptr : outer->if_contains(key);
    const auto* list = value == nullptr ? nullptr : value->if_array();
    if (list == nullptr) return;
    for (const auto& element : *list) add_text(out, &element);
}

KubernetesOwner owner_of(const json::object* metadata) {
    KubernetesOwner owner;
    for_each_object(metadata, "ownerReferences", [&](const json::object& reference) {
        const auto* controls = reference.if_contains("controller");
        if (controls == nullptr || !controls->is_bool() || !controls->get_bool()) return;
        owner = {text_in(&reference, "kind"), text_in(&reference, "name"), text_in(&reference, "apiVersion")};
    });
    return owner;
}

// "containerd://0123…": the engine's name is no part of the id.
std::string id_of(std::string text) {
    const auto at = text.find("://");
    return at == std::string::npos ? text : text.substr(at + 3);
}

template <typename Object>
void read_names(const json::object* metadata, Object& out) {
    out.uid = text_in(metadata, "uid");
    out.namespace_name = text_in(metadata, "namespace");
}

KubernetesPod pod_of(const json::object& object) {
    KubernetesPod pod;
    const auto* metadata = object_in(object, "metadata");
    read_names(metadata, pod);
    pod.name = text_in(metadata, "name");
    pod.owner = owner_of(metadata);
    if (const auto* labels = metadata == nullptr ? nullptr : object_in(*metadata, "labels"))
        for (const auto& [key, value] : *labels)
            if (pod.labels.size() < kubernetes_members_max)
                pod.labels.emplace_back(std::string_view(key).substr(0, kubernetes_text_max), text_of(&value));
    if (const auto* spec = object_in(object, "spec")) {
        pod.node = text_in(spec, "nodeName");
        const auto* host_network = spec->if_contains("hostNetwork");
        pod.host_network = host_network != nullptr && host_network->is_bool() && host_network->get_bool();
    }
    const auto* status = object_in(object, "status");
    for_each_object(status, "podIPs",
                    [&](const json::object& each) { add_text(pod.addresses, each.if_contains("ip")); });
    if (pod.addresses.empty() && status != nullptr) add_text(pod.addresses, status->if_contains("podIP"));
    for (const auto* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
        for_each_object(status, list, [&](const json::object& each) {
            auto id = id_of(text_in(&each, "containerID"));
            if (!id.empty()) pod.containers.push_back({std::move(id), text_in(&each, "name")});
        });
    return pod;
}

KubernetesService service_of(const json::object& object) {
    KubernetesService service;
    const auto* metadata = object_in(object, "metadata");
    read_names(metadata, service);
    service.name = text_in(metadata, "name");
    const auto* spec = object_in(object, "spec");
    add_texts(service.addresses, spec, "clusterIPs");
    if (service.addresses.empty() && spec != nullptr) add_text(service.addresses, spec->if_contains("clusterIP"));
    add_texts(service.addresses, spec, "externalIPs");
    const auto* status = object_in(object, "status");
    const auto* balancer = status == nullptr ? nullptr : object_in(*status, "loadBalancer");
    for_each_object(balancer, "ingress",
                    [&](const json::object& each) { add_text(service.addresses, each.if_contains("ip")); });
    return service;
}

KubernetesEndpointSlice slice_of(const json::object& object) {
    KubernetesEndpointSlice slice;
    const auto* metadata = object_in(object, "metadata");
    read_names(metadata, slice);
    const auto* labels = metadata == nullptr ? nullptr : object_in(*metadata, "labels");
    slice.service = text_in(labels, "kubernetes.io/service-name");
    for_each_object(&object, "endpoints", [&](const json::object& endpoint) {
        const auto* target = object_in(endpoint, "targetRef");
        const auto pod = text_in(target, "kind") == "Pod" ? text_in(target, "name") : std::string();
        std::vector<std::string> addresses;
        add_texts(addresses, &endpoint, "addresses");
        for (auto& address : addresses)
            if (slice.endpoints.size() < kubernetes_members_max) slice.endpoints.push_back({std::move(address), pod});
    });
    return slice;
}

KubernetesObject object_of(KubernetesKind kind, const json::object& object) {
    switch (kind) {
        case KubernetesKind::pod:
            return pod_of(object);
        case KubernetesKind::service:
            return service_of(object);
        case KubernetesKind::endpoint_slice:
            return slice_of(object);
    }
    return {};
}

// The root of a document as an object; storage outlives it. Null: it is none.
const json::object* parse_object(std::string_view text, json::monotonic_resource& storage, json::value& out) {
    json::error_code error;
    json::parse_options options;
    options.max_depth = depth_max;
    out = json::parse({text.data(), text.size()}, error, &storage, options);
    return error ? nullptr : out.if_object();
}

KubernetesEvent error_event(const json::object* status) {
    KubernetesEvent event;
    event.type = KubernetesEvent::Type::error;
    event.error_message = text_in(status, "message");
    const auto* code = status == nullptr ? nullptr : status->if_contains("code");
    if (code != nullptr && code->is_int64() && code->get_int64() >= 0 && code->get_int64() <= 999)
        event.error_code = static_cast<int>(code->get_int64());
    return event;
}

}  // namespace

Result<KubernetesList> parse_kubernetes_list(KubernetesKind kind, std::string_view text) {
    json::monotonic_resource storage;
    json::value root(&storage);
    const auto* object = parse_object(text, storage, root);
    if (object == nullptr) return fail("the answer is no JSON object");
    const auto* value = object->if_contains("items");
    // an empty list is null in what old servers send
    if (value == nullptr || (!value->is_array() && !value->is_null())) return fail("the answer is no list");
    const auto* metadata = object_in(*object, "metadata");
    KubernetesList list{text_in(metadata, "resourceVersion"), {}, {}};
    // not cut: a part of it would mean something else
    if (const auto* next = metadata == nullptr ? nullptr : metadata->if_contains("continue"); next && next->is_string())
        list.next = std::string_view(next->get_string());
    if (value->is_array())
        for (const auto& item : value->get_array())
            if (const auto* each = item.if_object()) list.objects.push_back(object_of(kind, *each));
    return list;
}

Result<KubernetesEvent> parse_kubernetes_event(KubernetesKind kind, std::string_view text) {
    json::monotonic_resource storage;
    json::value root(&storage);
    const auto* event = parse_object(text, storage, root);
    if (event == nullptr) return fail("an event is no JSON object");
    const auto type = text_in(event, "type");
    const auto* object = object_in(*event, "object");
    if (type == "ERROR") return error_event(object);
    if (object == nullptr) return fail("an event has no object");
    KubernetesEvent out;
    out.resource_version = text_in(object_in(*object, "metadata"), "resourceVersion");
    if (type == "BOOKMARK") return out;
    if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") return fail("an event of a type that is not known");
    out.type = type == "DELETED" ? KubernetesEvent::Type::removed : KubernetesEvent::Type::put;
    out.object = object_of(kind, *object);
    return out;
}

Result<KubernetesOwner> parse_kubernetes_owner(std::string_view text) {
    json::monotonic_resource storage;
    json::value root(&storage);
    const auto* object = parse_object(text, storage, root);
    if (object == nullptr) return fail("the answer is no JSON object");
    return owner_of(object_in(*object, "metadata"));
}

}  // namespace sonde
