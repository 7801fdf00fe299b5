#include "agent/identity/kubernetes_owners.hpp"

#include <algorithm>

namespace sonde {
namespace {

// Names of objects are DNS subdomains (RFC 1123): nothing that would have to be escaped in a path.
bool is_plain(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
}

// Where the object is; empty: nothing stands above objects of its kind.
std::string path_of(const std::string& namespace_name, const KubernetesOwner& owner) {
    const bool replica_set = owner.kind == "ReplicaSet" && owner.api_version == "apps/v1";
    const bool job = owner.kind == "Job" && owner.api_version == "batch/v1";
    if ((!replica_set && !job) || !is_plain(namespace_name) || !is_plain(owner.name)) return {};
    return "/apis/" + owner.api_version + "/namespaces/" + namespace_name + (replica_set ? "/replicasets/" : "/jobs/") +
           owner.name;
}

}  // namespace

KubernetesOwner KubernetesOwners::above(const std::string& namespace_name, const KubernetesOwner& owner) {
    auto path = path_of(namespace_name, owner);
    if (path.empty()) return {};
    if (const auto at = by_key_.find(path); at != by_key_.end()) {
        entries_.splice(entries_.begin(), entries_, at->second);
        return at->second->owner;
    }
    if (entries_.size() >= max_owners_) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
    }
    entries_.push_front({path, path, State::wanted, {}});
    by_key_.emplace(std::move(path), entries_.begin());
    return {};
}

bool KubernetesOwners::next_question(Question& out) {
    for (auto& entry : entries_) {
        if (entry.state != State::wanted) continue;
        entry.state = State::asked;
        out = {entry.key, entry.path};
        return true;
    }
    return false;
}

bool KubernetesOwners::answer(const std::string& key, int status, std::string_view json) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return false;
    auto& entry = *at->second;
    if (status == 403 || status == 404) {
        entry.state = State::known;
        return false;
    }
    const auto owner = status == 200 ? parse_kubernetes_owner(json) : Result<KubernetesOwner>(fail("no answer"));
    if (!owner) {
        entries_.erase(at->second);
        by_key_.erase(at);
        return false;
    }
    entry.state = State::known;
    entry.owner = *owner;
    return !owner->kind.empty();
}

}  // namespace sonde
