#pragma once

#include <memory>
#include <vector>

#include "agent/probe/kernel_features.hpp"
#include "agent/resource/reading.hpp"

namespace sonde {

// The programs of bpf/resource.bpf.c, loaded and attached. What of them the kernel does not allow is missing, and said
// so in features(); the iterator over tasks is what everything rests on.
class ResourceProbe : public ResourceSource {
public:
    // Fails where not even the iterator over tasks can be had (before 5.8).
    // scheduler_offset_fd: see Probe; it stays the caller's.
    static Result<std::unique_ptr<ResourceProbe>> attach(int scheduler_offset_fd);
    [[nodiscard]] virtual const std::vector<Feature>& features() const = 0;
};

}  // namespace sonde
