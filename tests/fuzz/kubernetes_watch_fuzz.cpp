// Answers of a Kubernetes API: lists and watches of every kind, in parts of any size. The first byte chooses the kind,
// the second the size of the parts; then one answer follows another, separated by NUL.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/identity/kubernetes_directory.hpp"
#include "agent/identity/kubernetes_owners.hpp"

namespace {

void check(bool good) {
    if (!good) std::abort();
}

void answer(sonde::KubernetesWatch& watch, std::string_view body, std::size_t part) {
    check(watch.request().starts_with("/path?"));
    watch.begin();
    while (!body.empty() && watch.take(200, body.substr(0, part))) body.remove_prefix(std::min(part, body.size()));
    watch.end(200, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto kind = static_cast<sonde::KubernetesKind>(data[0] % 3);
    const std::size_t part = data[1] + 1U;
    std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    sonde::KubernetesOwners owners(8);
    sonde::KubernetesDirectory directory(
        {.labels = {"app"},
         .max_pods = 64,
         .max_objects = 64,
         .max_addresses = 64,
         .owner_of = [&](const std::string& space,
                         const sonde::KubernetesOwner& owner) { return owners.above(space, owner); },
         .redact = {}});
    sonde::KubernetesWatch watch(kind, "/path", "", directory,
                                 {.page_objects = 10, .page_bytes = 8192, .event_bytes = 4096}, [] { return 0.0; });
    while (!text.empty()) {
        const auto body = text.substr(0, text.find('\0'));
        text.remove_prefix(std::min(text.size(), body.size() + 1));
        answer(watch, body, part);
        directory.publish();
        sonde::KubernetesOwners::Question question;
        while (owners.next_question(question)) owners.answer(question.key, 200, body);
        const auto names = directory.names();
        check(names->peers.size() <= 64 && directory.pods() <= 64);
        for (const auto& [address, peer] : names->peers) check(address.size() == 4 || address.size() == 16);
    }
    return 0;
}
