#include "agent/config/sections.hpp"

namespace sonde {
namespace {

std::string wrong_address_of_api(const std::string& text) {
    if (text.starts_with("https://") || text.starts_with("http://")) return {};
    return "expected an address that begins with https:// or http://, found '" + text + "'";
}

std::string wrong_kubelet(const std::string& text) { return text.empty() ? text : wrong_address_of_api(text); }

}  // namespace

void describe_kubernetes(Section<Config>& config) {
    config.object(
        "kubernetes", &Config::kubernetes,
        "Names of pods, and of the cluster's services (kubernetes.md). Asks for this node's pods only.",
        [](Section<KubernetesOptions>& s) {
            s.choice("use", &KubernetesOptions::use,
                     Choices<KubernetesUse>{{"automatic", KubernetesUse::automatic},
                                            {"always", KubernetesUse::always},
                                            {"never", KubernetesUse::never}},
                     "automatic: where the file of the token exists.");
            s.text("api", &KubernetesOptions::api, "Address of the API server.").check(wrong_address_of_api);
            s.text("node", &KubernetesOptions::node, "This node's name in the cluster. Empty: the host's.");
            s.text("token_path", &KubernetesOptions::token_file, "File with the token, read for each request.");
            s.text("ca", &KubernetesOptions::ca_file, "PEM file of authorities. Empty: the system's.");
            s.text("kubelet", &KubernetesOptions::kubelet,
                   "Address of this node's kubelet, which is asked while the API does not answer. Empty: it is not.")
                .check(wrong_kubelet);
            s.boolean("kubelet_verify_tls", &KubernetesOptions::kubelet_verify_tls,
                      "Without it a kubelet whose certificate nobody signed is believed.");
            s.duration("kubelet_interval", &KubernetesOptions::kubelet_interval_s, std::chrono::seconds(1),
                       "Between two looks at it.")
                .range("1s", "1h");
            s.texts("labels", &KubernetesOptions::labels, "Keys of pod labels that records carry.").at_most(32);
            s.boolean("peers", &KubernetesOptions::peers,
                      "Watch the cluster's services and endpoint slices, so that requests say whom they went to.");
            s.integer("max_addresses", &KubernetesOptions::max_addresses, "Addresses that are remembered.")
                .range(0, 1'000'000);
            s.boolean("pod_label", &KubernetesOptions::pod_label,
                      "Metrics carry the pod's name, too: new series with each new pod.");
        });
}

}  // namespace sonde
