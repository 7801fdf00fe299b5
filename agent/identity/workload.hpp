#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/model/kubernetes.hpp"

namespace sonde {

// Where in a cluster a process runs, as labels of metrics: "k8s_namespace_name=store", "k8s_deployment_name=shop",
// "k8s_container_name=web", and on demand "k8s_pod_name=…", joined by `separator`. Texts live as long as the object;
// their number is bounded. Owned by the pipeline thread.
class WorkloadNames {
public:
    static constexpr char separator = '\x1f';

    explicit WorkloadNames(bool with_pod = false, std::size_t max_names = 2'000);

    struct Names {
        std::string labels;
        std::string service;  // "store/shop": a service's name where no rule gives one
    };
    // Beyond the bound, one that says "{overflow}". No allocation for a container that was named a moment ago.
    const Names& name(const KubernetesContainerPtr& container);

private:
    struct Recent {
        KubernetesContainerPtr container;  // held: its address is not another's meanwhile
        const Names* names = nullptr;
    };
    static constexpr std::size_t recent_entries = 256;  // a power of two

    const Names& make(const KubernetesContainer& container);

    const bool with_pod_;
    const std::size_t max_names_;
    const Names overflow_;
    std::unordered_map<std::string, std::unique_ptr<const Names>> names_;  // by labels
    std::array<Recent, recent_entries> recent_;
};

}  // namespace sonde
