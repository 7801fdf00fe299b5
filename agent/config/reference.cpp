#include "agent/config/reference.hpp"

#include "agent/config/profile.hpp"
#include "agent/config/sections.hpp"
#include "agent/config/value.hpp"

namespace sonde {
namespace {

constexpr const char* introduction =
    R"(<!-- Made by `sonde check-config --docs`; a test compares them. Change agent/config/section_*.cpp instead. -->
# Configuration

No file is needed: every setting has a default. One YAML file sets what is to be different:

```sh
sonde run --config sonde.yaml              # a file
SONDE_SAMPLING__HEAD_RATE=0.1 sonde run    # the environment: '.' is '__'
sonde run --set sampling.head_rate=0.1     # the command line
sonde check-config sonde.yaml              # is it right? All errors at once, with line and column; exit 2
sonde check-config sonde.yaml --show       # what would hold, and where each value comes from; secrets masked
sonde check-config --schema                # JSON Schema for editors
```

Each is over the one before: defaults, profile, file, environment, command line. Maps are merged, lists are replaced.
In the environment and with `--set`, lists and maps are YAML (`[a, b]`); lists of texts may also be `a,b`. A variable of
the environment without `__` that names no setting is ignored: orchestrators make `SONDE_SERVICE_HOST` and the like.

- **Durations** have a unit: `ns`, `us`, `ms`, `s`, `m`, `h`, `d` (`250ms`, `1.5s`, `2h`).
- **Sizes** have a unit: `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000), `KiB`, `MiB`, `GiB`, `TiB` (of 1024). A bare number
  counts bytes. **Rates** are sizes per second: `10MB/s`.
- **Secrets** may be given as themselves, or by `KEY_file`: the path of a file that holds them. They are never shown.
- **Reload**: a change of the file (also through swapped links, as Kubernetes mounts a ConfigMap) and SIGHUP are followed at
  once. The whole configuration is checked first; with any error the one in force stays, and
  `sonde_config_last_reload_successful` is 0. A good one is taken over between two transactions. Files that settings name
  (keys, secrets) are read again with it; after a change of these alone, send SIGHUP.
- Anchors, aliases and merge keys (`<<`) of YAML work. A file has at most 1 MiB and 10,000 values, those of aliases
  counted.

)";

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

std::string type_name(const Field& field) {
    if (field.kind == FieldKind::choice || field.kind == FieldKind::choice_map) {
        std::string words;
        for (const auto& word : field.choices) words += (words.empty() ? "`" : ", `") + word + "`";
        return field.kind == FieldKind::choice ? words : "name: " + words;
    }
    if (field.secret) return "secret";
    // the examples of units stand above the tables
    auto text = expected(field);
    for (const std::string_view known :
         {" with its unit (250ms, 5s, 2h)", " with its unit (512B, 64KiB, 10MB)", " with its unit (64KiB/s, 10MB/s)"})
        if (const auto at = text.find(known); at != std::string::npos) text.erase(at, known.size());
    for (const std::string_view article : {"a ", "an "})
        if (text.starts_with(article)) text.erase(0, article.size());
    return text;
}

void add_rows(const Fields& fields, const void* owner, const std::string& path, std::string& rows,
              std::vector<std::pair<const Field*, std::string>>& lists) {
    for (const auto& field : fields) {
        const auto key = path.empty() ? field.key : path + "." + field.key;
        if (field.kind == FieldKind::object) {
            add_rows(field.fields, field.access.element(owner, 0), key, rows, lists);
            continue;
        }
        const bool objects = is_object(field.kind);
        if (objects) lists.emplace_back(&field, key);
        const auto value =
            objects ? (field.kind == FieldKind::object_list ? "[]" : "{}") : show_value(field, field.access.get(owner));
        rows += "| `" + key + "` | " + escaped(type_name(field)) + " | " +
                (field.required ? "required" : "`" + escaped(value) + "`") + " | " + escaped(field.help) +
                (field.reloadable ? "" : " *Restart.*") + " |\n";
    }
}

// Settings of one section, then those of the elements of its lists, and of theirs.
void add_table(const Fields& fields, const void* owner, const std::string& path, std::string& out) {
    std::string rows;
    std::vector<std::pair<const Field*, std::string>> lists;
    add_rows(fields, owner, path, rows, lists);
    out += "| key | takes | default | |\n| --- | --- | --- | --- |\n" + rows + "\n";
    for (const auto& [field, key] : lists) {
        out += "Each of `" + key + (field->kind == FieldKind::object_list ? "`, a list" : ".NAME`") + ":\n\n";
        add_table(field->fields, field->access.fresh_element.get(), {}, out);
    }
}

std::string profiles() {
    std::string out = "## Profiles\n\n`profile:` in the file, or `SONDE_PROFILE`.\n\n";
    for (const auto& profile : config_profiles()) {
        out += "- **" + profile.name + "**: " + profile.purpose;
        out += profile.yaml.empty() ? "\n" : "\n\n  ```yaml";
        for (const char c : profile.yaml) {
            out += c;
            if (c == '\n') out += "  ";
        }
        out += profile.yaml.empty() ? "" : "```\n";
    }
    return out + "\n";
}

}  // namespace

std::string configuration_reference() {
    const Config defaults;
    std::string out = introduction + profiles();
    out +=
        "## Settings\n\nWhat says *Restart* is read at the start only; a reload names it and leaves it as it is.\n\n";
    for (const auto& section : config_schema().fields) {
        out += "### " + section.key + "\n\n";
        if (section.kind == FieldKind::object) {
            out += section.help + "\n\n";
            add_table(section.fields, section.access.element(&defaults, 0), section.key, out);
        } else {
            add_table({section}, &defaults, {}, out);
        }
    }
    out.pop_back();
    return out;
}

}  // namespace sonde
