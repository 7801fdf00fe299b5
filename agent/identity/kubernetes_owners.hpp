#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/identity/kubernetes_objects.hpp"

namespace sonde {

// Who owns the owner of a pod: the Deployment above a ReplicaSet, the CronJob above a Job. Asked for once each; an
// owner never changes. Bounded: the one that was not looked up longest goes first. One thread.
class KubernetesOwners {
public:
    explicit KubernetesOwners(std::size_t max_owners = 1'000) : max_owners_(max_owners) {}

    // Empty kind: nothing above it, or not known (yet); then its question is in questions().
    KubernetesOwner above(const std::string& namespace_name, const KubernetesOwner& owner);

    struct Question {
        std::string key;   // of answer()
        std::string path;  // of the API
    };
    // The next one that nobody has asked; false: there is none.
    bool next_question(Question& out);
    // status: of the answer. Not to be had (403, 404) is an answer, too: the pod keeps its direct owner. What failed
    // otherwise is asked again when it is looked up again. True: something is known that was not.
    bool answer(const std::string& key, int status, std::string_view json);

private:
    enum class State : std::uint8_t { wanted, asked, known };
    struct Entry {
        std::string key, path;
        State state = State::wanted;
        KubernetesOwner owner;
    };
    const std::size_t max_owners_;
    std::list<Entry> entries_;  // most recently looked up first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace sonde
