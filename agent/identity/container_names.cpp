#include "agent/identity/container_names.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "agent/base/unique_fd.hpp"
#include "agent/identity/container.hpp"

namespace sonde {
namespace {

// A daemon's workers stand a few levels below the container's first process; no engine allows a thousand.
constexpr int ancestors_max = 64;
constexpr std::size_t small_file_max_bytes = 16 << 10;
constexpr std::size_t mounts_max_bytes = 256 << 10;
constexpr std::size_t docker_file_max_bytes = 1 << 20;  // the container's environment and labels stand in it, too
constexpr std::size_t name_max_bytes = 128;
constexpr std::string_view docker_default_root = "/var/lib/docker";

// Whoever runs in a container may have a hand in what lies at a path that its mounts tell: nothing but a regular file
// is read, and opening never waits.
std::string read_file(const std::string& path, std::size_t max_bytes) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat about {};
    std::string text;
    if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return text;
    std::size_t size = 0;
    while (size < max_bytes) {
        text.resize(std::min(max_bytes, size + small_file_max_bytes));
        const auto n = ::read(file.get(), text.data() + size, text.size() - size);
        if (n <= 0) break;
        size += static_cast<std::size_t>(n);
    }
    text.resize(size);
    return text;
}

// Field 4 of /proc/PID/stat; 0: not known. The name in parentheses may hold anything.
std::uint32_t parent_in(std::string_view stat) {
    const auto at = stat.rfind(')');
    std::uint32_t parent = 0;
    if (at != std::string_view::npos && at + 4 < stat.size())
        std::from_chars(stat.data() + at + 4, stat.data() + stat.size(), parent);
    return parent;
}

// Engines take [a-zA-Z0-9][a-zA-Z0-9_.-]* and nothing else.
std::string checked(std::string_view name) {
    const auto is_letter_or_digit = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    const bool good = !name.empty() && name.size() <= name_max_bytes && is_letter_or_digit(name.front()) &&
                      std::all_of(name.begin(), name.end(),
                                  [&](char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; });
    return good ? std::string(name) : std::string();
}

std::string_view next_field(std::string_view& rest, char separator) {
    const auto field = rest.substr(0, rest.find(separator));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    return field;
}

}  // namespace

std::string container_name_of_monitor(std::string_view command_line, std::string_view container_id) {
    const auto program = next_field(command_line, '\0');
    if (program.substr(program.rfind('/') + 1) != "conmon") return {};
    std::string_view id, name;
    while (!command_line.empty() && (id.empty() || name.empty())) {
        const auto option = next_field(command_line, '\0');
        if (option == "-c" || option == "--cid") id = next_field(command_line, '\0');
        if (option == "-n" || option == "--name") name = next_field(command_line, '\0');
    }
    return id == container_id ? checked(name) : std::string();
}

std::string container_name_of_docker(std::string_view text) {
    boost::json::error_code error;
    const auto value = boost::json::parse(text, error);
    const auto* object = error ? nullptr : value.if_object();
    const auto* name = object == nullptr ? nullptr : object->if_contains("Name");
    if (name == nullptr || !name->is_string()) return {};
    const std::string_view given(name->get_string());
    return given.starts_with('/') ? checked(given.substr(1)) : std::string();
}

std::string docker_file_of_mounts(std::string_view mountinfo, std::string_view container_id) {
    const auto folder = "/containers/" + std::string(container_id) + "/";
    while (!mountinfo.empty()) {
        auto line = next_field(mountinfo, '\n');
        // proc(5): "36 35 98:0 /root /mount/point …"
        for (int field = 1; field < 4; ++field) next_field(line, ' ');
        const auto root = next_field(line, ' ');
        if (const auto at = root.find(folder); at != std::string_view::npos)
            return std::string(root.substr(0, at)) + folder + "config.v2.json";
    }
    return {};
}

// Nothing: the process was gone before it was looked at.
std::optional<std::string> ContainerNames::look(std::uint32_t pid, const std::string& container_id) const {
    const auto of = [&](std::uint32_t process, const char* file) {
        return proc_root_ + "/" + std::to_string(process) + "/" + file;
    };
    const auto mounts = read_file(of(pid, "mountinfo"), mounts_max_bytes);
    auto parent = parent_in(read_file(of(pid, "stat"), small_file_max_bytes));
    if (mounts.empty() || parent == 0) return {};
    for (int i = 0; i < ancestors_max && parent > 1; ++i) {
        // who runs in the container could call itself a monitor
        const auto cgroup = read_file(of(parent, "cgroup"), small_file_max_bytes);
        if (container_id_from_cgroup(cgroup) != container_id) {
            const auto command_line = read_file(of(parent, "cmdline"), small_file_max_bytes);
            if (auto name = container_name_of_monitor(command_line, container_id); !name.empty()) return name;
        }
        parent = parent_in(read_file(of(parent, "stat"), small_file_max_bytes));
    }
    const auto usual = std::string(docker_default_root) + "/containers/" + container_id + "/config.v2.json";
    const auto mounted = docker_file_of_mounts(mounts, container_id);
    // first by the root of the first process: sonde may run in a container of its own
    for (const auto& host : {of(1, "root"), std::string()})
        for (const auto& file : {mounted, usual})
            if (const auto text = read_file(host + file, docker_file_max_bytes); !text.empty())
                return container_name_of_docker(text);
    return std::string();
}

const std::string& ContainerNames::find(std::uint32_t pid, const std::string& container_id) {
    static const std::string unknown;
    if (const auto at = names_.find(container_id); at != names_.end()) return at->second;
    auto name = look(pid, container_id);
    if (!name) return unknown;
    if (names_.size() >= max_names_) names_.clear();  // those that still live are looked for again
    return names_.emplace(container_id, std::move(*name)).first->second;
}

}  // namespace sonde
