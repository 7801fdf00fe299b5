#include "agent/identity/container.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t container_id_digits = 64;
constexpr std::string_view service_suffix = ".service";

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

int hex_value(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// "hierarchy:controllers:/path" per line; visits each component of each path, outermost first.
template <typename Visit>
void for_each_component(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const auto slash = line.find('/');
        if (slash == std::string_view::npos) continue;
        auto path = line.substr(slash + 1);
        while (!path.empty()) {
            const auto component = path.substr(0, path.find('/'));
            path.remove_prefix(std::min(path.size(), component.size() + 1));
            visit(component);
        }
    }
}

// Exactly 64 hex digits, with nothing hexadecimal before or behind: "cri-containerd-<id>.scope", "<id>".
std::string_view id_in(std::string_view component) {
    std::size_t start = 0;
    for (std::size_t i = 0; i <= component.size(); ++i) {
        if (i < component.size() && is_hex(component[i])) continue;
        if (i - start == container_id_digits) return component.substr(start, container_id_digits);
        start = i + 1;
    }
    return {};
}

// systemd.unit(5): "\x2d" stands for the byte 0x2d.
std::string unescape(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool escape =
            name[i] == '\\' && i + 3 < name.size() && name[i + 1] == 'x' && is_hex(name[i + 2]) && is_hex(name[i + 3]);
        const int code = escape ? hex_value(name[i + 2]) * 16 + hex_value(name[i + 3]) : 0;
        if (code > 0x20 && code < 0x7f) {  // what would not print stays escaped
            out += static_cast<char>(code);
            i += 3;
        } else {
            out += name[i];
        }
    }
    return out;
}

}  // namespace

std::string container_id_from_cgroup(std::string_view text) {
    std::string found;
    for_each_component(text, [&](std::string_view component) {
        // "libpod-conmon-<id>.scope" holds the container's monitor, not the container
        if (component.starts_with("libpod-conmon-") || component.starts_with("crio-conmon-")) return;
        if (const auto id = id_in(component); !id.empty()) found = id;
    });
    return found;
}

std::string systemd_unit_from_cgroup(std::string_view text) {
    std::string found;
    for_each_component(text, [&](std::string_view component) {
        // What manages a container is not what runs in it ("/containerd.service/kubepods…/<id>"). Only podman puts
        // a container below the unit that it is: quadlets, --cgroups=split.
        if (!id_in(component).empty() && !component.starts_with("libpod-")) found.clear();
        if (!component.ends_with(service_suffix) || component.starts_with("user@")) return;
        component.remove_suffix(service_suffix.size());
        if (!component.empty()) found = unescape(component);
    });
    return found;
}

std::string cgroup_path(std::string_view text) {
    const auto unified = text.starts_with("0::") ? 0 : text.find("\n0::");
    auto line = unified == std::string_view::npos ? text : text.substr(unified == 0 ? 0 : unified + 1);
    line = line.substr(0, line.find('\n'));
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    return second == std::string_view::npos ? std::string() : std::string(line.substr(second + 1));
}

}  // namespace sonde
