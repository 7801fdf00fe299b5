#include "agent/config/overrides.hpp"

#include <algorithm>

#include "agent/config/utf8.hpp"

namespace sonde {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (true) {
        const auto end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

void set_place(ConfigNode& node, const SourcePlace& place) {
    node.place = place;
    for (auto& item : node.items) set_place(item, place);
    for (auto& member : node.members) {
        member.place = place;
        set_place(member.value, place);
    }
}

ConfigNode text_node(std::string text, const SourcePlace& place) {
    ConfigNode node;
    node.kind = ConfigNode::Kind::text;
    node.text = std::move(text);
    node.place = place;
    return node;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

// null: a single value.
ConfigNode value_node(const Field* field, const ConfigOverride& setting, std::vector<ConfigFinding>& findings) {
    const SourcePlace place{setting.origin};
    if (!is_utf8(setting.text)) {
        findings.push_back({place, setting.key, "this is not UTF-8"});
        return text_node({}, place);
    }
    if (field == nullptr || field->kind < FieldKind::text_list) return text_node(setting.text, place);
    const auto before = findings.size();
    auto node = parse_document(setting.text, setting.origin, findings);
    for (auto i = before; i < findings.size(); ++i) {
        findings[i].place = place;
        findings[i].key = setting.key;
    }
    if (field->kind == FieldKind::text_list && node.kind == ConfigNode::Kind::text) {
        ConfigNode list;
        list.kind = ConfigNode::Kind::list;
        for (auto& part : split(setting.text, ',')) list.items.push_back(text_node(std::move(part), place));
        node = std::move(list);
    }
    set_place(node, place);
    return node;
}

}  // namespace

void overlay_override(ConfigNode& tree, const ConfigOverride& setting, const Fields& fields,
                      std::vector<ConfigFinding>& findings) {
    const SourcePlace place{setting.origin};
    const auto parts = split(setting.key, '.');
    const Fields* known = &fields;
    const Field* field = nullptr;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        field = known != nullptr ? find_field(*known, parts[i]) : nullptr;
        if (field == nullptr) break;  // read_fields() says what is wrong with it, or knows KEY_file
        if (field->kind == FieldKind::object_map && i + 1 < parts.size()) ++i;  // the element's name
        known = is_object(field->kind) && field->kind != FieldKind::object_list ? &field->fields : nullptr;
        if (i + 1 < parts.size() && known == nullptr) {
            if (findings.size() < max_findings)
                findings.push_back({place, setting.key,
                                    field->kind == FieldKind::object_list || field->kind >= FieldKind::text_list
                                        ? "'" + parts[i] + "' is set as a whole, as YAML"
                                        : "'" + parts[i] + "' has no settings below it"});
            return;
        }
    }
    auto node = value_node(field, setting, findings);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        ConfigNode above;
        above.kind = ConfigNode::Kind::map;
        above.place = place;
        above.members.push_back({*part, place, std::move(node)});
        node = std::move(above);
    }
    overlay(tree, std::move(node));
}

}  // namespace sonde
