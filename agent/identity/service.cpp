#include "agent/identity/service.hpp"

namespace sonde {
namespace {

constexpr std::string_view overflow_name = "{overflow}";
// The cache forgets everything at this size: processes come and go, names stay.
constexpr std::size_t cache_max = 16384;
constexpr std::size_t short_container_id = 12;

}  // namespace

std::string_view ServiceNames::name(const Process* process, std::uint16_t port) {
    const Key key{process != nullptr ? process->pid : 0, port, process};
    if (const auto at = known_.find(key); at != known_.end()) return at->second;
    std::string made;
    if (process != nullptr && !process->unit.empty()) {
        made = process->unit;
    } else if (process != nullptr && !process->container_id.empty()) {
        made = "container:" + process->container_id.substr(0, short_container_id);
    } else {
        made = process != nullptr && !process->program.empty() ? process->program : "unknown";
        if (port != 0) made += ":" + std::to_string(port);
    }
    if (known_.size() >= cache_max) known_.clear();
    return known_[key] = intern(std::move(made));
}

std::string_view ServiceNames::intern(std::string name) {
    if (const auto at = names_.find(name); at != names_.end()) return *at;
    if (names_.size() >= max_names_) return overflow_name;
    return *names_.insert(std::move(name)).first;
}

}  // namespace sonde
