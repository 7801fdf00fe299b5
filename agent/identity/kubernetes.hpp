#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/identity/kubernetes_directory.hpp"

namespace sonde {

enum class KubernetesUse : std::uint8_t { automatic, always, never };

struct KubernetesOptions {
    KubernetesUse use = KubernetesUse::automatic;  // automatic: where a service account's token is mounted
    std::string api = "https://kubernetes.default.svc";
    std::string node;  // this node's name, as the cluster calls it; empty: the host's name
    std::string token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    std::string ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
    std::string kubelet;              // "https://127.0.0.1:10250": asked while the API does not list pods; empty: not
    bool kubelet_verify_tls = true;   // false: a kubelet with a certificate of its own making is believed
    std::vector<std::string> labels;  // of pods, that records carry
    bool peers = true;                // addresses of the cluster are resolved to services and pods
    bool pod_label = false;           // metrics carry the pod's name, too: a series for each pod there ever was
    std::size_t max_addresses = 50'000;
    std::uint32_t kubelet_interval_s = 30;  // between two looks at the kubelet
};

// Numbers over its life, but for those that say now; any thread.
struct KubernetesStats {
    bool synced = false;                    // now: the pods of this node are known
    bool from_kubelet = false;              // now: by the kubelet
    std::uint64_t pods = 0, addresses = 0;  // now
    std::uint64_t lists = 0, watches = 0, events = 0, bookmarks = 0, expired = 0, failures = 0, invalid = 0;
    std::uint64_t overflows = 0;
    std::string last_error;  // empty: the last request went well
};

// Keeps a directory of this node's pods, and of the cluster's addresses, on a thread of its own, "kubernetes".
// Everything works without it; what it does not know is not said.
class Kubernetes {
public:
    // Null: not to be used here. redact: see KubernetesDirectoryOptions.
    static Result<std::unique_ptr<Kubernetes>> start(
        const KubernetesOptions& options,
        std::function<std::string(const std::string& key, const std::string& value)> redact = {});
    ~Kubernetes();
    Kubernetes(const Kubernetes&) = delete;
    Kubernetes& operator=(const Kubernetes&) = delete;

    [[nodiscard]] const KubernetesDirectory& directory() const;
    [[nodiscard]] KubernetesStats stats() const;

private:
    class Worker;
    explicit Kubernetes(std::unique_ptr<Worker> worker);
    std::unique_ptr<Worker> worker_;
    std::jthread thread_;  // last: it uses the worker
};

}  // namespace sonde
