#include "agent/config/show.hpp"

#include "agent/config/sections.hpp"
#include "agent/config/value.hpp"

namespace sonde {
namespace {

constexpr std::size_t indent_step = 2;

bool same(const Field& field, const void* a, const void* b) {
    if (!is_object(field.kind)) return field.access.get(a) == field.access.get(b);
    const auto elements = field.access.elements(a);
    if (elements != field.access.elements(b)) return false;
    for (std::size_t i = 0; i < elements; ++i) {
        if (field.kind == FieldKind::object_map && field.access.element_name(a, i) != field.access.element_name(b, i))
            return false;
        for (const auto& inner : field.fields)
            if (!same(inner, field.access.element(a, i), field.access.element(b, i))) return false;
    }
    return true;
}

class Writer {
public:
    explicit Writer(const ConfigOrigins& origins) : origins_(origins) {}

    std::string fields(const Fields& all, const void* owner, const std::string& path, std::size_t indent,
                       const void* fresh = nullptr) const {
        std::string out;
        for (const auto& field : all)
            if (fresh == nullptr || !same(field, owner, fresh)) out += one(field, owner, path, indent);
        return out;
    }

private:
    std::string one(const Field& field, const void* owner, const std::string& path, std::size_t indent) const {
        const auto key = path.empty() ? field.key : path + "." + field.key;
        const auto head = std::string(indent, ' ') + field.key + ":";
        const auto from = origins_.find(key);
        const auto comment = from == origins_.end() ? "\n" : "  # " + from->second.text() + "\n";
        if (!is_object(field.kind)) return head + " " + show_value(field, field.access.get(owner)) + comment;
        const auto elements = field.access.elements(owner);
        if (elements == 0) return head + (field.kind == FieldKind::object_list ? " []" : " {}") + comment;
        if (field.kind == FieldKind::object)
            return head + "\n" + fields(field.fields, field.access.element(owner, 0), key, indent + indent_step);
        std::string out = head + comment;
        for (std::size_t i = 0; i < elements; ++i) out += element(field, owner, i, indent + indent_step);
        return out;
    }

    // What an element does not say is its default: only the rest is shown.
    std::string element(const Field& field, const void* owner, std::size_t i, std::size_t indent) const {
        const bool list = field.kind == FieldKind::object_list;
        const auto lead =
            std::string(indent, ' ') + (list ? "-" : show_text(field.access.element_name(owner, i)) + ":");
        auto body = fields(field.fields, field.access.element(owner, i), {}, indent + indent_step,
                           field.access.fresh_element.get());
        if (body.empty()) return lead + " {}\n";
        if (!list) return lead + "\n" + body;
        return body.replace(0, indent + indent_step, lead + " ");
    }

    const ConfigOrigins& origins_;
};

void collect(const Fields& fields, const void* before, const void* after, const std::string& path,
             std::vector<ConfigChange>& changes) {
    for (const auto& field : fields) {
        const auto key = path.empty() ? field.key : path + "." + field.key;
        if (field.kind == FieldKind::object) {
            collect(field.fields, field.access.element(before, 0), field.access.element(after, 0), key, changes);
        } else if (!same(field, before, after)) {
            const bool shown = !is_object(field.kind) && !field.secret;
            changes.push_back({key,
                               shown ? show_value(field, field.access.get(before)) + " → " +
                                           show_value(field, field.access.get(after))
                                     : "changed",
                               field.reloadable});
        }
    }
}

}  // namespace

std::string show_fields(const Fields& fields, const void* owner, const ConfigOrigins& origins) {
    return Writer(origins).fields(fields, owner, {}, 0);
}

std::string show_config(const Config& config, const ConfigOrigins& origins) {
    return show_fields(config_schema().fields, &config, origins);
}

std::uint64_t config_hash(const Config& config) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : show_config(config)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

std::vector<ConfigChange> differences(const Fields& fields, const void* before, const void* after) {
    std::vector<ConfigChange> changes;
    collect(fields, before, after, {}, changes);
    return changes;
}

std::vector<ConfigChange> differences(const Config& before, const Config& after) {
    return differences(config_schema().fields, &before, &after);
}

}  // namespace sonde
