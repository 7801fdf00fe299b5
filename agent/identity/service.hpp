#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/model/process.hpp"

namespace sonde {

// Names services: systemd unit, else container (by its name, else by its id's first 12 digits), else program with the
// port it serves. Names live as long as the
// object; their number is bounded. Owned by the pipeline thread.
class ServiceNames {
public:
    explicit ServiceNames(std::size_t max_names = 2000) : max_names_(max_names) {}

    // process: null where it was not observed. port: the server's; 0 for a client, which is named without one.
    // "{overflow}" for every name beyond the bound.
    std::string_view name(const Process* process, std::uint16_t port);
    // The name that a rule gave.
    std::string_view name(std::string_view given);

private:
    // What the name is made of. Not the process's address: another process may live there tomorrow.
    enum class Kind : std::uint8_t { unit, container, program, given };
    struct KeyView {
        Kind kind;
        std::uint16_t port;
        std::string_view text;
        bool operator==(const KeyView&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const KeyView& key) const {
            return std::hash<std::string_view>{}(key.text) ^ (std::size_t{key.port} << 8) ^
                   static_cast<std::size_t>(key.kind);
        }
    };
    std::string_view intern(KeyView key);
    struct Name {
        std::string text;  // keeps the key's bytes
        std::string name;
    };

    const std::size_t max_names_;
    std::unordered_map<KeyView, std::unique_ptr<const Name>, KeyHash> names_;
};

}  // namespace sonde
