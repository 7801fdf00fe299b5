#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

// What a container runtime wrote around the application's line.
struct ContainerLine {
    std::string_view content;  // the application's bytes, without \n
    std::uint64_t time_ns = 0;
    LogStream stream = LogStream::none;
    bool partial = false;  // the line goes on in the next entry of the same stream
};

// Kubernetes' CRI logging format (containerd, CRI-O): TIME stdout|stderr TAGS CONTENT; the tag P or F comes first of
// TAGS, which are divided by ':'. (kubernetes/design-proposals, kubelet-cri-logging.md.) content is a view into line.
// false: it is not that.
bool parse_cri(std::string_view line, ContainerLine& out);

// Docker's json-file: {"log":"…\n","stream":"stdout","time":"…"}; Docker cuts lines at 16 KiB, and the cut ones lack
// the \n. content lives until the next call. One thread at a time.
class DockerFormat {
public:
    DockerFormat();
    ~DockerFormat();
    bool parse(std::string_view line, ContainerLine& out);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The container's id that a log file's path tells: Docker's /var/lib/docker/containers/<id>/…, or the target name of
// kubelet's links (…-<id>.log); empty: none.
std::string_view container_id_of_path(std::string_view path);

}  // namespace sonde
