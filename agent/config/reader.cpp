#include "agent/config/reader.hpp"

#include <algorithm>

#include "agent/config/nearest.hpp"
#include "agent/config/regular_file.hpp"
#include "agent/config/value.hpp"

namespace sonde {
namespace {

constexpr std::string_view file_suffix = "_file";

// The secret field whose file the key names; null: it names none.
const Field* secret_of(const Fields& fields, std::string_view key) {
    if (!key.ends_with(file_suffix)) return nullptr;
    const auto* field = find_field(fields, key.substr(0, key.size() - file_suffix.size()));
    return field != nullptr && field->secret ? field : nullptr;
}

std::vector<std::string> keys_of(const Fields& fields) {
    std::vector<std::string> keys;
    for (const auto& field : fields) {
        keys.push_back(field.key);
        if (field.secret) keys.push_back(field.key + std::string(file_suffix));
    }
    return keys;
}

// Full keys of all fields with this name, but those within lists, whose place is not theirs alone.
void find_elsewhere(const Fields& fields, const std::string& path, const std::string& key,
                    std::vector<std::string>& found) {
    for (const auto& field : fields) {
        if (field.key == key) found.push_back(path + field.key);
        if (field.kind == FieldKind::object) find_elsewhere(field.fields, path + field.key + ".", key, found);
    }
}

class Reader {
public:
    Reader(const Fields& root, std::vector<ConfigFinding>& findings, ConfigOrigins& origins)
        : root_(root), findings_(findings), origins_(origins) {}

    void object(const ConfigNode& node, const Fields& fields, void* owner, const std::string& path) {
        for (const auto& member : node.members) {
            const auto key = path.empty() ? member.key : path + "." + member.key;
            if (const auto* field = find_field(fields, member.key); field != nullptr) {
                member_value(member, *field, owner, key);
            } else if (const auto* secret = secret_of(fields, member.key); secret != nullptr) {
                secret_file(node, member, *secret, owner, key);
            } else {
                add(member.place, key, unknown_key(member.key, fields, root_));
            }
        }
    }

private:
    void add(const SourcePlace& place, const std::string& key, std::string message) {
        if (findings_.size() < max_findings) findings_.push_back({place, key, std::move(message)});
    }

    void member_value(const ConfigMember& member, const Field& field, void* owner, const std::string& key) {
        const auto& node = member.value;
        if (!is_object(field.kind)) {
            auto value = read_value(field, node);
            if (auto* bad = std::get_if<BadValues>(&value)) {
                // the place of nothing is the beginning of whatever follows
                const bool nothing = node.kind == ConfigNode::Kind::nothing;
                for (auto& [message, place] : *bad) add(nothing ? member.place : place, key, std::move(message));
                return;
            }
            field.access.set(owner, std::get<FieldValue>(value));
            origins_[key] = member.place;
            return;
        }
        const bool list = field.kind == FieldKind::object_list;
        if (node.kind == ConfigNode::Kind::nothing) return;
        if (node.kind != (list ? ConfigNode::Kind::list : ConfigNode::Kind::map))
            return add(node.place, key, "expected " + expected(field) + ", found " + found(field, node));
        if (field.kind == FieldKind::object)
            return object(node, field.fields, field.access.add_element(owner, {}), key);
        if (std::max(node.items.size(), node.members.size()) > field.max_elements)
            return add(node.place, key,
                       "there may be " + std::to_string(field.max_elements) + " elements, found " +
                           std::to_string(std::max(node.items.size(), node.members.size())));
        field.access.clear(owner);
        origins_[key] = member.place;
        for (std::size_t i = 0; i < node.items.size(); ++i)
            element(node.items[i], field, owner, key + "[" + std::to_string(i) + "]", {});
        for (const auto& named : node.members) {
            if (field.check)
                if (auto wrong = field.check(named.key); !wrong.empty()) add(named.place, key, std::move(wrong));
            element(named.value, field, owner, key + "." + named.key, named.key);
        }
    }

    void element(const ConfigNode& node, const Field& field, void* owner, const std::string& key,
                 const std::string& name) {
        void* made = field.access.add_element(owner, name);
        if (node.kind != ConfigNode::Kind::map && node.kind != ConfigNode::Kind::nothing)
            return add(node.place, key, "expected a map of settings, found " + found(field, node));
        for (const auto& wanted : field.fields)
            if (wanted.required && node.find(wanted.key) == nullptr &&
                !(wanted.secret && node.find(wanted.key + std::string(file_suffix)) != nullptr))
                add(node.place, key, "the key '" + wanted.key + "' is missing: " + expected(wanted));
        object(node, field.fields, made, key);
    }

    void secret_file(const ConfigNode& parent, const ConfigMember& member, const Field& field, void* owner,
                     const std::string& key) {
        if (parent.find(field.key) != nullptr)
            return add(member.place, key, "'" + field.key + "' is given too: give one of both");
        if (member.value.kind != ConfigNode::Kind::text)
            return add(member.value.place, key, "expected a file's path, found " + found(field, member.value));
        const auto secret = read_secret_file(member.value.text);
        if (!secret) return add(member.value.place, key, secret.error().message());
        if (field.check)
            if (auto wrong = field.check(*secret); !wrong.empty())
                return add(member.value.place, key, std::move(wrong));
        field.access.set(owner, FieldValue(*secret));
        origins_[key] = member.place;
    }

    const Fields& root_;
    std::vector<ConfigFinding>& findings_;
    ConfigOrigins& origins_;
};

}  // namespace

std::string unknown_key(const std::string& key, const Fields& siblings, const Fields& root) {
    const auto keys = keys_of(siblings);
    if (const auto near = nearest(key, keys); !near.empty()) return "unknown key; did you mean '" + near + "'?";
    std::vector<std::string> elsewhere;
    find_elsewhere(root, {}, key, elsewhere);
    if (elsewhere.size() == 1) return "unknown key here; did you mean '" + elsewhere.front() + "'?";
    std::string known;
    for (const auto& candidate : keys) known += (known.empty() ? "" : ", ") + candidate;
    return known.empty() ? "unknown key" : "unknown key; known here: " + known;
}

void read_fields(const ConfigNode& tree, const Fields& fields, void* owner, std::vector<ConfigFinding>& findings,
                 ConfigOrigins& origins) {
    Reader reader(fields, findings, origins);
    if (tree.kind == ConfigNode::Kind::nothing) return;
    if (tree.kind != ConfigNode::Kind::map) {
        if (findings.size() < max_findings)
            findings.push_back(
                {tree.place, {}, "expected a map of settings at the top, found " + found(Field{}, tree)});
        return;
    }
    reader.object(tree, fields, owner, {});
}

}  // namespace sonde
