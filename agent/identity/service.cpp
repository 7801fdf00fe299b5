#include "agent/identity/service.hpp"

namespace sonde {
namespace {

constexpr std::string_view overflow_name = "{overflow}";
constexpr std::size_t short_container_id = 12;

}  // namespace

std::string_view ServiceNames::name(const Process* process, std::uint16_t port) {
    KeyView key{Kind::program, port, "unknown"};
    if (process != nullptr && !process->unit.empty()) {
        key = {Kind::unit, 0, process->unit};
    } else if (process != nullptr && !process->container_id.empty()) {
        const std::string_view name = process->container_name;
        key = {Kind::container, 0,
               name.empty() ? std::string_view(process->container_id).substr(0, short_container_id) : name};
    } else if (process != nullptr && !process->program.empty()) {
        key.text = process->program;
    }
    return intern(key);
}

std::string_view ServiceNames::name(std::string_view given) { return intern({Kind::given, 0, given}); }

std::string_view ServiceNames::intern(KeyView key) {
    if (const auto at = names_.find(key); at != names_.end()) return at->second->name;
    if (names_.size() >= max_names_) return overflow_name;
    std::string text(key.text);
    std::string made = key.kind == Kind::container ? "container:" + text : text;
    if (key.port != 0) made += ":" + std::to_string(key.port);
    auto name = std::make_unique<const Name>(Name{std::move(text), std::move(made)});
    key.text = name->text;
    return names_.emplace(key, std::move(name)).first->second->name;
}

}  // namespace sonde
