#pragma once

#include <vector>

#include "agent/identity/kubernetes.hpp"
#include "agent/metric/self_metrics.hpp"

namespace sonde {

// sonde_kubernetes_*, and sonde_k8s_container_info for joins with container_*. Any thread.
void add_kubernetes(std::vector<Sample>& out, const Kubernetes& kubernetes);

}  // namespace sonde
