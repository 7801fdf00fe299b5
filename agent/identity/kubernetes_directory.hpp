#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/identity/kubernetes_watch.hpp"
#include "agent/model/kubernetes.hpp"

namespace sonde {

struct KubernetesDirectoryOptions {
    std::vector<std::string> labels{};  // keys of pod labels that are kept
    std::size_t max_pods = 2'000;       // of this node
    std::size_t max_objects = 20'000;   // services and endpoint slices
    std::size_t max_addresses = 50'000;
    // The owner's own owner (a ReplicaSet's Deployment); empty kind: not known (yet).
    std::function<KubernetesOwner(const std::string& namespace_name, const KubernetesOwner& owner)> owner_of{};
    // What a label's value looks like to others: secrets are taken out.
    std::function<std::string(const std::string& key, const std::string& value)> redact{};
};

// The names behind container ids and addresses, as of one moment. Immutable: any thread.
struct KubernetesNames {
    std::unordered_map<std::string, KubernetesContainerPtr> containers;  // by id
    std::unordered_map<std::string, KubernetesPeerPtr> peers;            // by address: 4 or 16 bytes, network order
};
using KubernetesNamesPtr = std::shared_ptr<const KubernetesNames>;

// Holds what the watches tell and publishes it. The store's functions and publish() belong to one thread.
class KubernetesDirectory final : public KubernetesStore {
public:
    explicit KubernetesDirectory(KubernetesDirectoryOptions options)
        : options_(std::move(options)), names_(std::make_shared<const KubernetesNames>()) {}

    void listing(KubernetesKind kind) override;
    void put(KubernetesObject object) override;
    void remove(KubernetesKind kind, const std::string& uid) override;
    void listed(KubernetesKind kind) override;

    // Makes what has changed since the last call visible; costs a walk over all that is held.
    void publish();
    [[nodiscard]] bool changed() const { return changed_; }
    // An owner may be known now that was not.
    void look_at_owners_again() { changed_ = true; }

    // Any thread.
    [[nodiscard]] KubernetesNamesPtr names() const;
    // Rises with each publication; equal: names() would return the same.
    [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
    // Number of objects and addresses that had no place.
    [[nodiscard]] std::uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t pods() const { return pod_count_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t addresses() const { return address_count_.load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t kinds = 3;
    template <typename Object>
    using ByUid = std::map<std::string, Object>;

    template <typename Object>
    void store(ByUid<Object>& all, Object&& object, std::size_t most);
    template <typename Object>
    void keep_seen(ByUid<Object>& all, KubernetesKind kind);
    void add_containers(const KubernetesPod& pod, KubernetesNames& out) const;
    void add_peer(KubernetesNames& out, const std::string& address, const KubernetesPeerPtr& peer);

    const KubernetesDirectoryOptions options_;
    ByUid<KubernetesPod> pods_;
    ByUid<KubernetesService> services_;
    ByUid<KubernetesEndpointSlice> slices_;
    std::array<std::unordered_set<std::string>, kinds> seen_;  // uids, since the kind's list began
    std::array<bool, kinds> listing_{};
    bool changed_ = false;
    mutable std::mutex mutex_;  // of names_
    KubernetesNamesPtr names_;
    std::atomic<std::uint64_t> version_{0};
    std::atomic<std::uint64_t> overflows_{0};
    std::atomic<std::uint64_t> pod_count_{0};
    std::atomic<std::uint64_t> address_count_{0};
};

// One thread's look into a directory: without a lock or an allocation while nothing changes.
class KubernetesView {
public:
    // directory outlives it.
    explicit KubernetesView(const KubernetesDirectory& directory) : directory_(directory), names_(directory.names()) {}

    // Null: not known.
    [[nodiscard]] KubernetesContainerPtr container(const std::string& id);
    // address: 4 or 16 bytes, network order.
    [[nodiscard]] KubernetesPeerPtr peer(std::string_view address);

private:
    void refresh();

    const KubernetesDirectory& directory_;
    KubernetesNamesPtr names_;
    std::uint64_t version_ = 0;
    std::string key_;  // reused
};

// "10.1.2.3", "2001:db8::1" as bytes in network order; empty: it is none. IPv4 in IPv6 becomes IPv4.
std::string address_bytes(const std::string& text);

}  // namespace sonde
