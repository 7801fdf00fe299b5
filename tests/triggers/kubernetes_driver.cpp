// Kubernetes' directory alone, for tests with an API of their own: whenever something changes, what is known is written
// to a file as JSON, by rename. SIGTERM ends it.
//   kubernetes_driver FILE key=value...    api node token ca kubelet kubelet_verify labels peers kubelet_interval
#include <signal.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "agent/identity/kubernetes.hpp"

namespace {

namespace json = boost::json;

std::atomic<bool> stop{false};

json::object picture(const sonde::Kubernetes& kubernetes) {
    json::object containers, peers;
    const auto names = kubernetes.directory().names();
    for (const auto& [id, it] : names->containers) {
        json::object labels;
        for (const auto& [key, value] : it->labels) labels[key] = value;
        containers[id] = {{"namespace", it->namespace_name},
                          {"pod", it->pod},
                          {"container", it->container},
                          {"node", it->node},
                          {"kind", it->owner_kind},
                          {"owner", it->owner},
                          {"labels", labels}};
    }
    for (const auto& [address, peer] : names->peers) {
        std::string text;
        for (const char c : address) text += (text.empty() ? "" : ".") + std::to_string(static_cast<unsigned char>(c));
        peers[text] = {{"namespace", peer->namespace_name}, {"service", peer->service}, {"pod", peer->pod}};
    }
    const auto stats = kubernetes.stats();
    return {{"containers", containers},      {"peers", peers},
            {"synced", stats.synced},        {"from_kubelet", stats.from_kubelet},
            {"lists", stats.lists},          {"watches", stats.watches},
            {"events", stats.events},        {"bookmarks", stats.bookmarks},
            {"expired", stats.expired},      {"failures", stats.failures},
            {"last_error", stats.last_error}};
}

sonde::KubernetesOptions options_of(int count, char** arguments) {
    sonde::KubernetesOptions options;
    options.use = sonde::KubernetesUse::always;
    options.token_file.clear();
    options.ca_file.clear();
    for (int i = 0; i < count; ++i) {
        const std::string_view argument(arguments[i]);
        const auto equals = argument.find('=');
        const auto key = argument.substr(0, equals);
        const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
        if (key == "api") options.api = value;
        if (key == "node") options.node = value;
        if (key == "token") options.token_file = value;
        if (key == "ca") options.ca_file = value;
        if (key == "kubelet") options.kubelet = value;
        if (key == "kubelet_verify") options.kubelet_verify_tls = value == "true";
        if (key == "kubelet_interval")
            options.kubelet_interval_s = static_cast<std::uint32_t>(std::atoi(value.c_str()));
        if (key == "label") options.labels.push_back(value);
        if (key == "peers") options.peers = value == "true";
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    ::signal(SIGTERM, [](int) { stop = true; });
    ::signal(SIGPIPE, SIG_IGN);
    auto kubernetes = sonde::Kubernetes::start(options_of(argc - 2, argv + 2));
    if (!kubernetes || !*kubernetes) {
        std::fprintf(stderr, "%s\n", kubernetes ? "not used" : kubernetes.error().message().c_str());
        return 1;
    }
    const std::string file = argv[1], next = file + ".next";
    for (std::string written; !stop; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
        auto text = json::serialize(picture(**kubernetes));
        if (text == written) continue;
        std::ofstream(next) << text;
        std::rename(next.c_str(), file.c_str());
        written = std::move(text);
    }
    return 0;
}
