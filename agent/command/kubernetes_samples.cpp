#include "agent/command/kubernetes_samples.hpp"

#include "agent/command/agent_samples.hpp"

namespace sonde {

void add_kubernetes(std::vector<Sample>& out, const Kubernetes& kubernetes) {
    const auto stats = kubernetes.stats();
    out.push_back(gauge_sample("sonde_kubernetes_synced", "1 when this node's pods are known.", stats.synced ? 1 : 0));
    out.push_back(gauge_sample("sonde_kubernetes_from_kubelet", "1 while the kubelet is asked because the API fails.",
                               stats.from_kubelet ? 1 : 0));
    out.push_back(gauge_sample("sonde_kubernetes_pods", "Pods of this node that are known.", stats.pods));
    out.push_back(
        gauge_sample("sonde_kubernetes_addresses", "Addresses of the cluster that are known.", stats.addresses));
    const auto count = [&out](const char* what, std::uint64_t value) {
        out.push_back(counter_sample("sonde_kubernetes_requests_total", "Number of lists and watches that were begun.",
                                     value, {{"kind", what}}));
    };
    count("list", stats.lists);
    count("watch", stats.watches);
    out.push_back(
        counter_sample("sonde_kubernetes_events_total", "Number of changes that watches told.", stats.events));
    out.push_back(counter_sample("sonde_kubernetes_expired_total",
                                 "Number of times that changes were missed and all had to be listed again (410 Gone).",
                                 stats.expired));
    out.push_back(counter_sample("sonde_kubernetes_failures_total",
                                 "Number of requests that failed, by network or status.", stats.failures));
    out.push_back(
        counter_sample("sonde_kubernetes_invalid_total", "Number of answers that could not be read.", stats.invalid));
    out.push_back(counter_sample("sonde_kubernetes_overflows_total",
                                 "Number of objects and addresses for which there was no room.", stats.overflows));
    for (const auto& [id, it] : kubernetes.directory().names()->containers)
        out.push_back({"sonde_k8s_container_info",
                       "1 for each container of this node's pods; joins container_id with Kubernetes' names.",
                       SampleType::gauge,
                       {{"container_id", id},
                        {"k8s_namespace_name", it->namespace_name},
                        {"k8s_pod_name", it->pod},
                        {"k8s_container_name", it->container},
                        {"k8s_owner_kind", it->owner_kind},
                        {"k8s_owner_name", it->owner}},
                       1.0});
}

}  // namespace sonde
