#include "agent/identity/kubernetes_directory.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace sonde {
namespace {

constexpr std::array<char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};

std::size_t index_of(KubernetesKind kind) { return static_cast<std::size_t>(kind); }

template <typename T>
constexpr KubernetesKind kind_of = KubernetesKind::pod;
template <>
constexpr KubernetesKind kind_of<KubernetesService> = KubernetesKind::service;
template <>
constexpr KubernetesKind kind_of<KubernetesEndpointSlice> = KubernetesKind::endpoint_slice;

}  // namespace

std::string address_bytes(const std::string& text) {
    std::array<char, 16> bytes{};
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return {};
    if (std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin())) return {bytes.data() + 12, 4};
    return {bytes.data(), bytes.size()};
}

void KubernetesDirectory::listing(KubernetesKind kind) {
    seen_[index_of(kind)].clear();
    listing_[index_of(kind)] = true;
}

template <typename Object>
void KubernetesDirectory::store(ByUid<Object>& all, Object&& object, std::size_t most) {
    if (object.uid.empty()) return;
    const auto at = all.find(object.uid);
    if (at == all.end() && all.size() >= most) {
        overflows_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    constexpr auto kind = kind_of<Object>;
    if (listing_[index_of(kind)]) seen_[index_of(kind)].insert(object.uid);
    changed_ = true;
    if (at != all.end()) {
        at->second = std::move(object);
    } else {
        auto uid = object.uid;
        all.emplace(std::move(uid), std::move(object));
    }
}

void KubernetesDirectory::put(KubernetesObject object) {
    if (auto* pod = std::get_if<KubernetesPod>(&object)) {
        // what nobody asks for is not kept: an agent's memory is small
        std::erase_if(pod->labels, [this](const auto& label) {
            return std::find(options_.labels.begin(), options_.labels.end(), label.first) == options_.labels.end();
        });
        store(pods_, std::move(*pod), options_.max_pods);
    } else if (auto* service = std::get_if<KubernetesService>(&object)) {
        store(services_, std::move(*service), options_.max_objects);
    } else if (auto* slice = std::get_if<KubernetesEndpointSlice>(&object)) {
        store(slices_, std::move(*slice), options_.max_objects);
    }
}

void KubernetesDirectory::remove(KubernetesKind kind, const std::string& uid) {
    seen_[index_of(kind)].erase(uid);
    switch (kind) {
        // A pod's last requests are still on their way when it goes: it stays until the next publication at least.
        case KubernetesKind::pod:
            changed_ = pods_.erase(uid) > 0 || changed_;
            break;
        case KubernetesKind::service:
            changed_ = services_.erase(uid) > 0 || changed_;
            break;
        case KubernetesKind::endpoint_slice:
            changed_ = slices_.erase(uid) > 0 || changed_;
            break;
    }
}

template <typename Object>
void KubernetesDirectory::keep_seen(ByUid<Object>& all, KubernetesKind kind) {
    auto& seen = seen_[index_of(kind)];
    const auto gone = std::erase_if(all, [&](const auto& each) { return !seen.contains(each.first); });
    changed_ = changed_ || gone > 0;
    seen.clear();
    listing_[index_of(kind)] = false;
}

void KubernetesDirectory::listed(KubernetesKind kind) {
    switch (kind) {
        case KubernetesKind::pod:
            return keep_seen(pods_, kind);
        case KubernetesKind::service:
            return keep_seen(services_, kind);
        case KubernetesKind::endpoint_slice:
            return keep_seen(slices_, kind);
    }
}

void KubernetesDirectory::add_containers(const KubernetesPod& pod, KubernetesNames& out) const {
    KubernetesContainer made;
    made.namespace_name = pod.namespace_name;
    made.pod = pod.name;
    made.pod_uid = pod.uid;
    made.node = pod.node;
    auto owner = pod.owner;
    if (!owner.kind.empty() && options_.owner_of) {
        auto above = options_.owner_of(pod.namespace_name, owner);
        if (!above.kind.empty()) owner = std::move(above);
    }
    made.owner_kind = owner.kind;
    made.owner = owner.name;
    for (const auto& [key, value] : pod.labels)
        made.labels.emplace_back(key, options_.redact ? options_.redact(key, value) : value);
    for (const auto& container : pod.containers) {
        auto named = std::make_shared<KubernetesContainer>(made);
        named->container = container.name;
        out.containers.insert_or_assign(container.id, std::move(named));
    }
}

// The first to name an address keeps it: services come before pods.
void KubernetesDirectory::add_peer(KubernetesNames& out, const std::string& address, const KubernetesPeerPtr& peer) {
    auto bytes = address_bytes(address);
    if (bytes.empty()) return;
    if (out.peers.size() >= options_.max_addresses) {
        overflows_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    out.peers.emplace(std::move(bytes), peer);
}

void KubernetesDirectory::publish() {
    if (!changed_) return;
    changed_ = false;
    auto made = std::make_shared<KubernetesNames>();
    for (const auto& [uid, pod] : pods_) add_containers(pod, *made);
    for (const auto& [uid, service] : services_) {
        const auto peer =
            std::make_shared<const KubernetesPeer>(KubernetesPeer{service.namespace_name, service.name, {}});
        for (const auto& address : service.addresses) add_peer(*made, address, peer);
    }
    for (const auto& [uid, slice] : slices_)
        for (const auto& endpoint : slice.endpoints)
            add_peer(*made, endpoint.address,
                     std::make_shared<const KubernetesPeer>(
                         KubernetesPeer{slice.namespace_name, slice.service, endpoint.pod}));
    for (const auto& [uid, pod] : pods_) {
        if (pod.host_network) continue;
        const auto peer = std::make_shared<const KubernetesPeer>(KubernetesPeer{pod.namespace_name, {}, pod.name});
        for (const auto& address : pod.addresses) add_peer(*made, address, peer);
    }
    pod_count_.store(pods_.size(), std::memory_order_relaxed);
    address_count_.store(made->peers.size(), std::memory_order_relaxed);
    {
        const std::lock_guard lock(mutex_);
        names_ = std::move(made);
    }
    version_.fetch_add(1, std::memory_order_release);
}

KubernetesNamesPtr KubernetesDirectory::names() const {
    const std::lock_guard lock(mutex_);
    return names_;
}

void KubernetesView::refresh() {
    const auto version = directory_.version();
    if (version == version_) return;
    version_ = version;
    names_ = directory_.names();
}

KubernetesContainerPtr KubernetesView::container(const std::string& id) {
    refresh();
    const auto at = names_->containers.find(id);
    return at == names_->containers.end() ? nullptr : at->second;
}

KubernetesPeerPtr KubernetesView::peer(std::string_view address) {
    refresh();
    if (address.size() == 16 && std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin()))
        address.remove_prefix(12);
    key_ = address;
    const auto at = names_->peers.find(key_);
    return at == names_->peers.end() ? nullptr : at->second;
}

}  // namespace sonde
