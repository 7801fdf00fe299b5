#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace sonde {

// What podman or Docker calls a container, read where it can be read: podman's monitor (conmon) is an ancestor of the
// container's processes and has the name on its command line; Docker keeps it in a file of its own. Both know the name
// before anything runs, so each container is looked for once. One thread.
//
//   podman  conmon --api-version 1 -c ID … -n NAME      (CRI-O's conmon likewise)
//   Docker  DATA_ROOT/containers/ID/config.v2.json      {"Name":"/NAME", …}; DATA_ROOT as the container's own mounts
//   say
class ContainerNames {
public:
    explicit ContainerNames(std::string proc_root = "/proc", std::size_t max_names = 1024)
        : proc_root_(std::move(proc_root)), max_names_(max_names) {}

    // pid: a process of the container. Empty: nobody says. A container that is renamed keeps its name here.
    const std::string& find(std::uint32_t pid, const std::string& container_id);

private:
    [[nodiscard]] std::optional<std::string> look(std::uint32_t pid, const std::string& container_id) const;

    const std::string proc_root_;
    const std::size_t max_names_;
    std::unordered_map<std::string, std::string> names_;  // by id; "": looked for in vain
};

// Pure functions over what those places hold. Empty: no name of this container, or none that an engine would take.
std::string container_name_of_monitor(std::string_view command_line, std::string_view container_id);  // '\0' between
std::string container_name_of_docker(std::string_view json);
// Place of Docker's file by /proc/PID/mountinfo: the engine mounts the container's hosts and hostname from beside it.
std::string docker_file_of_mounts(std::string_view mountinfo, std::string_view container_id);

}  // namespace sonde
