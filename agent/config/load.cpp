#include "agent/config/load.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "agent/config/overrides.hpp"
#include "agent/config/profile.hpp"
#include "agent/config/sections.hpp"

namespace sonde {
namespace {

constexpr std::string_view environment_prefix = "SONDE_";

// "SAMPLING__HEAD_RATE" → "sampling.head_rate"
std::string key_of_variable(std::string_view name) {
    std::string key;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name.substr(i, 2) == "__") {
            key += '.';
            ++i;
        } else {
            key += name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] | 0x20) : name[i];
        }
    }
    return key;
}

const ConfigProfile* chosen_profile(const ConfigNode& tree, const std::string& otherwise) {
    const auto* member = tree.find("profile");
    const auto& name =
        member != nullptr && member->value.kind == ConfigNode::Kind::text ? member->value.text : otherwise;
    for (const auto& profile : config_profiles())
        if (profile.name == name) return &profile;
    return nullptr;  // read_fields() says so
}

// The first key or text below the node that is this text.
const SourcePlace* find_text(const ConfigNode& node, std::string_view text) {
    if (node.kind == ConfigNode::Kind::text && node.text == text) return &node.place;
    for (const auto& item : node.items)
        if (const auto* place = find_text(item, text)) return place;
    for (const auto& member : node.members) {
        if (member.key == text) return &member.place;
        if (const auto* place = find_text(member.value, text)) return place;
    }
    return nullptr;
}

ConfigFinding locate(const ConfigNode& tree, const std::string& section_key, const SectionProblem& problem,
                     const ConfigRequest& request) {
    ConfigFinding finding{{request.file.empty() ? "configuration" : request.file}, section_key, problem.message};
    const auto* section = tree.find(section_key);
    if (section == nullptr) return finding;
    finding.place = section->place;
    const auto* place = problem.place_of.empty() ? nullptr : find_text(section->value, problem.place_of);
    if (place != nullptr) finding.place = *place;
    return finding;
}

bool in_section(const ConfigFinding& finding, const std::string& section) {
    return finding.key.empty() || finding.key == section || finding.key.starts_with(section + ".");
}

// Findings of the file in the order of its lines, behind them those of the environment and the options.
void sort_findings(std::vector<ConfigFinding>& findings, const std::string& file) {
    std::stable_sort(findings.begin(), findings.end(), [&](const ConfigFinding& a, const ConfigFinding& b) {
        const bool a_elsewhere = a.place.source != file, b_elsewhere = b.place.source != file;
        if (a_elsewhere != b_elsewhere) return b_elsewhere;
        if (a_elsewhere) return false;
        return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
    });
}

}  // namespace

LoadedConfig load_config(const ConfigRequest& request) {
    LoadedConfig loaded;
    const auto& schema = config_schema();
    auto& findings = loaded.findings;
    ConfigNode tree;
    if (!request.file.empty()) tree = read_document(request.file, findings);
    for (const auto& [name, value] : request.environment)
        overlay_override(tree, {key_of_variable(std::string_view(name).substr(environment_prefix.size())), value, name},
                         schema.fields, findings);
    for (const auto& setting : request.overrides) overlay_override(tree, setting, schema.fields, findings);
    if (const auto* profile = chosen_profile(tree, loaded.config.profile)) {
        auto below = parse_document(profile->yaml, "profile " + profile->name, findings);
        overlay(below, std::move(tree));
        tree = std::move(below);
    }
    read_fields(tree, schema.fields, &loaded.config, findings, loaded.origins);
    for (const auto& [section, check] : schema.checks) {
        if (std::any_of(findings.begin(), findings.end(),
                        [&, &name = section](const auto& f) { return in_section(f, name); }))
            continue;
        for (const auto& problem : check(loaded.config))
            if (findings.size() < max_findings) findings.push_back(locate(tree, section, problem, request));
    }
    sort_findings(findings, request.file);
    return loaded;
}

std::vector<std::pair<std::string, std::string>> config_environment(const char* const* environment) {
    std::vector<std::pair<std::string, std::string>> ours;
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view entry = *environment;
        const auto equals = entry.find('=');
        if (!entry.starts_with(environment_prefix) || equals == std::string_view::npos) continue;
        const auto name = entry.substr(0, equals);
        const auto* top = find_field(config_schema().fields, key_of_variable(name.substr(environment_prefix.size())));
        if (name.find("__") != std::string_view::npos || (top != nullptr && !is_object(top->kind)))
            ours.emplace_back(name, entry.substr(equals + 1));
    }
    std::sort(ours.begin(), ours.end());  // the order of an environment means nothing
    return ours;
}

std::string environment_name(const std::string& key) {
    std::string name(environment_prefix);
    for (const char c : key) {
        if (c == '.')
            name += "__";
        else
            name += c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c;
    }
    return name;
}

ConfigOverride parse_set(const std::string& argument) {
    const auto equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) return {{}, {}, "--set " + argument};
    auto key = argument.substr(0, equals);
    // the value may be a secret: errors name the key only
    return {key, argument.substr(equals + 1), "--set " + key};
}

}  // namespace sonde
