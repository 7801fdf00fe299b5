#include "agent/identity/workload.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace sonde {
namespace {

// OpenTelemetry's names for what owns pods: k8s.deployment.name, ….
constexpr std::array<std::string_view, 6> owner_kinds{"Deployment", "StatefulSet", "DaemonSet",
                                                      "ReplicaSet", "CronJob",     "Job"};

std::string owner_label(std::string_view kind) {
    if (std::find(owner_kinds.begin(), owner_kinds.end(), kind) == owner_kinds.end()) return "k8s_owner_name";
    std::string name = "k8s_";
    for (const char c : kind) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name + "_name";
}

// Names of objects are DNS subdomains; what is none must not look like two labels, or like a terminal's command.
void add(std::string& out, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    if (!out.empty()) out += WorkloadNames::separator;
    (out += label) += '=';
    for (const char c : value) out += c > ' ' && c < 0x7f ? c : '_';
}

}  // namespace

WorkloadNames::WorkloadNames(bool with_pod, std::size_t max_names)
    : with_pod_(with_pod), max_names_(max_names), overflow_{"k8s_namespace_name={overflow}", "{overflow}"} {}

const WorkloadNames::Names& WorkloadNames::name(const KubernetesContainerPtr& container) {
    const auto place = reinterpret_cast<std::uintptr_t>(container.get()) / alignof(KubernetesContainer) * 0x9e3779b9U;
    auto& recent = recent_[place >> 8 & (recent_entries - 1)];
    if (recent.container != container) recent = {container, &make(*container)};
    return *recent.names;
}

const WorkloadNames::Names& WorkloadNames::make(const KubernetesContainer& container) {
    std::string labels;
    add(labels, "k8s_namespace_name", container.namespace_name);
    add(labels, owner_label(container.owner_kind), container.owner);
    add(labels, "k8s_container_name", container.container);
    if (with_pod_) add(labels, "k8s_pod_name", container.pod);
    // a pod that nobody owns is a workload by itself; without the pod's label, two of them would be one
    std::string key = labels + separator + (container.owner.empty() ? container.pod : std::string());
    if (const auto at = names_.find(key); at != names_.end()) return *at->second;
    if (names_.size() >= max_names_) return overflow_;
    std::string service;
    add(service, "", container.namespace_name);
    std::string workload;
    add(workload, "", container.owner.empty() ? container.pod : container.owner);
    auto names = std::make_unique<const Names>(Names{
        std::move(labels), service.substr(service.empty() ? 0 : 1) + "/" + workload.substr(workload.empty() ? 0 : 1)});
    return *names_.emplace(std::move(key), std::move(names)).first->second;
}

}  // namespace sonde
