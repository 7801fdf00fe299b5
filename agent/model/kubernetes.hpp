#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sonde {

// What a cluster's API says of the container that a process runs in. Immutable once made: shared between threads
// without a lock. What the API did not say is empty.
struct KubernetesContainer {
    std::string namespace_name;
    std::string pod;
    std::string pod_uid;
    std::string container;  // its name in the pod
    std::string node;
    std::string owner_kind;  // "Deployment", "StatefulSet", "DaemonSet", "CronJob", …; "ReplicaSet" where its own owner
    std::string owner;       // could not be asked for
    std::vector<std::pair<std::string, std::string>> labels;  // of the pod, those that the configuration names
};
using KubernetesContainerPtr = std::shared_ptr<const KubernetesContainer>;

// Who answers at an address of the cluster.
struct KubernetesPeer {
    std::string namespace_name;
    std::string service;  // empty: the address is of a pod that no service is known to lead to
    std::string pod;      // empty: the address is the service's own
};
using KubernetesPeerPtr = std::shared_ptr<const KubernetesPeer>;

}  // namespace sonde
