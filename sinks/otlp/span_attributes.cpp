#include "sinks/otlp/span_attributes.hpp"

#include <algorithm>
#include <utility>

namespace sonde {

bool is_known_method(std::string_view method) {
    constexpr std::array<std::string_view, 9> known{"GET",   "POST",    "PUT",   "DELETE", "HEAD",
                                                    "PATCH", "OPTIONS", "TRACE", "CONNECT"};
    return std::find(known.begin(), known.end(), method) != known.end();
}

void append_span_name(std::string& out, const Transaction& transaction) {
    if (transaction.method.empty() || !is_known_method(transaction.method)) {
        out += "HTTP";
    } else {
        out += transaction.method.view();
    }
    if (transaction.side == Side::client || transaction.route.empty()) return;
    out += ' ';
    out += transaction.route;
}

std::string_view address_text(const Endpoint& endpoint, std::array<char, INET6_ADDRSTRLEN>& buffer) {
    if (endpoint.family != AF_INET && endpoint.family != AF_INET6) return {};
    const auto* text = ::inet_ntop(endpoint.family, endpoint.address.data(), buffer.data(), INET6_ADDRSTRLEN);
    return text != nullptr ? std::string_view(text) : std::string_view();
}

std::string_view owner_attribute(std::string_view kind) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> names{
        {{"Deployment", "k8s.deployment.name"},
         {"StatefulSet", "k8s.statefulset.name"},
         {"DaemonSet", "k8s.daemonset.name"},
         {"ReplicaSet", "k8s.replicaset.name"},
         {"CronJob", "k8s.cronjob.name"},
         {"Job", "k8s.job.name"}}};
    for (const auto& [known, name] : names)
        if (known == kind) return name;
    return {};
}

std::string_view host_without_port(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? host : host.substr(1, end - 1);
    }
    return host.substr(0, host.rfind(':'));
}

}  // namespace sonde
