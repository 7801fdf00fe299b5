#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "agent/model/process.hpp"

namespace sonde {

// Names services: systemd unit, else container, else program with the port it serves. Names live as long as the
// object; their number is bounded. Owned by the pipeline thread.
class ServiceNames {
public:
    explicit ServiceNames(std::size_t max_names = 2000) : max_names_(max_names) {}

    // process: null where it was not observed. port: the server's; 0 for a client, which is named without one.
    std::string_view name(const Process* process, std::uint16_t port);

private:
    struct Key {
        std::uint32_t pid;
        std::uint16_t port;
        const Process* process;  // a new image under the same pid is another object
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return std::hash<const void*>{}(key.process) ^ (std::size_t{key.pid} << 17) ^ key.port;
        }
    };

    std::string_view intern(std::string name);

    const std::size_t max_names_;
    std::unordered_set<std::string> names_;  // nodes do not move
    std::unordered_map<Key, std::string_view, KeyHash> known_;
};

}  // namespace sonde
