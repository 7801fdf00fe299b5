#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/config/field.hpp"

namespace sonde {

// The builder of the schema: one line per setting says where it lies, its unit, range and purpose; the default is the
// one of the struct. Everything else (parsing and its errors, SONDE_… and --set, JSON Schema, docs/configuration.md,
// --show, what a reload may change) follows from it.
//
// To add a section:
//
//   1. A passive struct with its defaults beside the code that uses it (sinks/loki/loki_options.hpp), and a member of
//      it in Config (agent/config/config.hpp).
//   2. agent/config/section_loki.cpp:
//
//          void describe_loki(Section<Config>& config) {
//              config.object("loki", &Config::loki, "The Loki sink.", [](auto& s) {
//                  s.text("url", &LokiOptions::url, "Where to push. Empty: no such sink.").check(wrong_url);
//                  s.duration("timeout", &LokiOptions::timeout_ms, std::chrono::milliseconds(1), "Of one request.")
//                      .range("1ms", "1h");
//                  s.size("batch", &LokiOptions::batch_bytes, "Sent at once.").range("1KiB", "16MiB");
//                  s.text("token", &LokiOptions::token, "Bearer token.").secret();  // and token_file
//              });
//          }
//
//   3. Its name in agent/config/sections.hpp and sections.cpp; what no single field can say (this needs that) is a
//      check there.
//   4. `sonde check-config --docs > docs/configuration.md`, and a bad example in tests/corpus/config.

// What a field can be given besides. All return the same field.
class FieldOptions {
public:
    explicit FieldOptions(Field& field) : field_(field) {}

    FieldOptions& range(double least, double most);
    // Of durations, sizes and rates.
    FieldOptions& range(std::string_view least, std::string_view most);
    FieldOptions& zero(std::string means) { return field_.zero_means = std::move(means), *this; }
    FieldOptions& unit(std::string unit) { return field_.unit = std::move(unit), *this; }
    FieldOptions& check(std::function<std::string(const std::string&)> check) {
        return field_.check = std::move(check), *this;
    }
    FieldOptions& at_most(std::size_t elements) { return field_.max_elements = elements, *this; }
    FieldOptions& reloadable();  // with all fields below it
    FieldOptions& secret() { return field_.secret = true, *this; }
    FieldOptions& required() { return field_.required = true, *this; }

private:
    Field& field_;
};

template <typename Enum>
using Choices = std::vector<std::pair<std::string, Enum>>;

// The settings of the struct T. `at` is a pointer to a member of T, or a callable that takes T& and returns a
// reference. The FieldOptions that are returned hold until the next field is added.
template <typename T>
class Section {
public:
    explicit Section(Fields& fields) : fields_(fields) {}

    template <typename At>
    FieldOptions boolean(std::string key, At at, std::string help) {
        return add<bool>(FieldKind::boolean, std::move(key), at, std::move(help));
    }
    template <typename At>
    FieldOptions integer(std::string key, At at, std::string help) {
        return add<std::int64_t>(FieldKind::integer, std::move(key), at, std::move(help));
    }
    template <typename At>
    FieldOptions number(std::string key, At at, std::string help) {
        return add<double>(FieldKind::number, std::move(key), at, std::move(help));
    }
    template <typename At>
    FieldOptions text(std::string key, At at, std::string help) {
        return add<std::string>(FieldKind::text, std::move(key), at, std::move(help));
    }
    template <typename At>
    FieldOptions texts(std::string key, At at, std::string help) {
        return add<TextList>(FieldKind::text_list, std::move(key), at, std::move(help));
    }
    // A list of integers; give it a range.
    template <typename At>
    FieldOptions integers(std::string key, At at, std::string help);
    template <typename At>
    FieldOptions text_map(std::string key, At at, std::string help) {
        return add<TextMap>(FieldKind::text_map, std::move(key), at, std::move(help));
    }
    // size and rate: the member counts bytes, or `bytes_per_unit` of them (1024: KiB).
    template <typename At>
    FieldOptions size(std::string key, At at, std::string help, std::int64_t bytes_per_unit = 1) {
        return add_scaled(FieldKind::size, std::move(key), at, std::move(help), bytes_per_unit);
    }
    template <typename At>
    FieldOptions rate(std::string key, At at, std::string help) {
        return add_scaled(FieldKind::rate, std::move(key), at, std::move(help), 1);
    }
    // The member counts `unit`s: an integer whole ones, a floating one parts of them too.
    template <typename At>
    FieldOptions duration(std::string key, At at, std::chrono::nanoseconds unit, std::string help) {
        return add_scaled(FieldKind::duration, std::move(key), at, std::move(help), unit.count());
    }
    template <typename At, typename Enum>
    FieldOptions choice(std::string key, At at, Choices<Enum> choices, std::string help);
    // A vector of Entry, a struct with a text (the name) and an enumerator.
    template <typename At, typename Entry, typename Enum>
    FieldOptions choice_map(std::string key, At at, std::string Entry::*name, Enum Entry::*word, Choices<Enum> choices,
                            std::string help);

    // Settings that stand together under one key, of this same struct.
    FieldOptions group(std::string key, std::string help, const std::function<void(Section<T>&)>& describe) {
        return object(
            std::move(key), [](T& owner) -> T& { return owner; }, std::move(help), describe);
    }
    // Describe is called with a Section of the member's type, or of the list's elements.
    template <typename At, typename Describe>
    FieldOptions object(std::string key, At at, std::string help, Describe describe);
    template <typename At, typename Describe>
    FieldOptions objects(std::string key, At at, std::string help, Describe describe);
    // A vector of structs, each by the name in its member `name`.
    template <typename At, typename Name, typename Describe>
    FieldOptions named_objects(std::string key, At at, Name name, std::string help, Describe describe);

private:
    template <typename At>
    using Member = std::remove_reference_t<std::invoke_result_t<At, T&>>;

    static T& of(void* owner) { return *static_cast<T*>(owner); }
    // for reading only
    static T& of(const void* owner) { return *static_cast<T*>(const_cast<void*>(owner)); }

    FieldOptions place(FieldKind kind, std::string&& key, std::string&& help, FieldAccess&& access) {
        auto& field = fields_.emplace_back();
        field.key = std::move(key);
        field.kind = kind;
        field.help = std::move(help);
        field.access = std::move(access);
        return FieldOptions(field);
    }
    template <typename Held, typename At>
    FieldOptions add(FieldKind kind, std::string key, At at, std::string help) {
        FieldAccess access;
        access.set = [at](void* owner, const FieldValue& value) {
            std::invoke(at, of(owner)) = static_cast<Member<At>>(std::get<Held>(value));
        };
        access.get = [at](const void* owner) { return FieldValue(static_cast<Held>(std::invoke(at, of(owner)))); };
        return place(kind, std::move(key), std::move(help), std::move(access));
    }
    template <typename At>
    FieldOptions add_scaled(FieldKind kind, std::string key, At at, std::string help, std::int64_t scale);

    template <typename At, typename Describe>
    FieldOptions add_list(FieldKind kind, std::string key, At at, std::string help, Describe describe);

    Fields& fields_;
};

template <typename T>
template <typename At>
FieldOptions Section<T>::add_scaled(FieldKind kind, std::string key, At at, std::string help, std::int64_t scale) {
    constexpr bool whole = std::is_integral_v<Member<At>>;
    FieldAccess access;
    access.set = [at, scale](void* owner, const FieldValue& value) {
        const auto quantity = std::get<std::int64_t>(value);
        auto& member = std::invoke(at, of(owner));
        if constexpr (whole)
            member = static_cast<Member<At>>(quantity / scale);
        else
            member = static_cast<Member<At>>(static_cast<double>(quantity) / static_cast<double>(scale));
    };
    access.get = [at, scale](const void* owner) {
        const auto& member = std::invoke(at, of(owner));
        if constexpr (whole) return FieldValue(static_cast<std::int64_t>(member) * scale);
        return FieldValue(static_cast<std::int64_t>(static_cast<double>(member) * static_cast<double>(scale) + 0.5));
    };
    auto options = place(kind, std::move(key), std::move(help), std::move(access));
    fields_.back().step = whole ? scale : 1;
    return options;
}

template <typename T>
template <typename At>
FieldOptions Section<T>::integers(std::string key, At at, std::string help) {
    using Integer = typename Member<At>::value_type;
    FieldAccess access;
    access.set = [at](void* owner, const FieldValue& value) {
        auto& list = std::invoke(at, of(owner));
        list.clear();
        for (const auto& text : std::get<TextList>(value)) list.push_back(static_cast<Integer>(std::stoll(text)));
    };
    access.get = [at](const void* owner) {
        TextList list;
        for (const auto integer : std::invoke(at, of(owner))) list.push_back(std::to_string(integer));
        return FieldValue(std::move(list));
    };
    return place(FieldKind::text_list, std::move(key), std::move(help), std::move(access));
}

template <typename T>
template <typename At, typename Enum>
FieldOptions Section<T>::choice(std::string key, At at, Choices<Enum> choices, std::string help) {
    FieldAccess access;
    access.set = [at, choices](void* owner, const FieldValue& value) {
        for (const auto& [word, meaning] : choices)
            if (word == std::get<std::string>(value)) std::invoke(at, of(owner)) = meaning;
    };
    access.get = [at, choices](const void* owner) {
        for (const auto& [word, meaning] : choices)
            if (std::invoke(at, of(owner)) == meaning) return FieldValue(word);
        return FieldValue(std::string());
    };
    auto options = place(FieldKind::choice, std::move(key), std::move(help), std::move(access));
    for (const auto& known : choices) fields_.back().choices.push_back(known.first);
    return options;
}

template <typename T>
template <typename At, typename Entry, typename Enum>
FieldOptions Section<T>::choice_map(std::string key, At at, std::string Entry::*name, Enum Entry::*word,
                                    Choices<Enum> choices, std::string help) {
    FieldAccess access;
    access.set = [=](void* owner, const FieldValue& value) {
        auto& entries = std::invoke(at, of(owner));
        entries.clear();
        for (const auto& [key_text, text] : std::get<TextMap>(value)) {
            auto& entry = entries.emplace_back();
            entry.*name = key_text;
            for (const auto& [known, meaning] : choices)
                if (known == text) entry.*word = meaning;
        }
    };
    access.get = [=](const void* owner) {
        TextMap map;
        for (const auto& entry : std::invoke(at, of(owner)))
            for (const auto& [known, meaning] : choices)
                if (entry.*word == meaning) map.emplace_back(entry.*name, known);
        return FieldValue(std::move(map));
    };
    auto options = place(FieldKind::choice_map, std::move(key), std::move(help), std::move(access));
    for (const auto& known : choices) fields_.back().choices.push_back(known.first);
    return options;
}

template <typename T>
template <typename At, typename Describe>
FieldOptions Section<T>::object(std::string key, At at, std::string help, Describe describe) {
    FieldAccess access;
    access.add_element = [at](void* owner, std::string_view) -> void* { return &std::invoke(at, of(owner)); };
    access.elements = [](const void*) { return std::size_t{1}; };
    access.element = [at](const void* owner, std::size_t) -> const void* { return &std::invoke(at, of(owner)); };
    auto options = place(FieldKind::object, std::move(key), std::move(help), std::move(access));
    Section<Member<At>> inner(fields_.back().fields);
    describe(inner);
    return options;
}

template <typename T>
template <typename At, typename Describe>
FieldOptions Section<T>::add_list(FieldKind kind, std::string key, At at, std::string help, Describe describe) {
    using Element = typename Member<At>::value_type;
    FieldAccess access;
    access.add_element = [at](void* owner, std::string_view) -> void* {
        return &std::invoke(at, of(owner)).emplace_back();
    };
    access.clear = [at](void* owner) { std::invoke(at, of(owner)).clear(); };
    access.elements = [at](const void* owner) { return std::invoke(at, of(owner)).size(); };
    access.element = [at](const void* owner, std::size_t i) -> const void* { return &std::invoke(at, of(owner))[i]; };
    access.fresh_element = std::make_shared<const Element>();
    auto options = place(kind, std::move(key), std::move(help), std::move(access));
    Section<Element> inner(fields_.back().fields);
    describe(inner);
    return options;
}

template <typename T>
template <typename At, typename Describe>
FieldOptions Section<T>::objects(std::string key, At at, std::string help, Describe describe) {
    return add_list(FieldKind::object_list, std::move(key), at, std::move(help), describe);
}

template <typename T>
template <typename At, typename Name, typename Describe>
FieldOptions Section<T>::named_objects(std::string key, At at, Name name, std::string help, Describe describe) {
    auto options = add_list(FieldKind::object_map, std::move(key), at, std::move(help), describe);
    auto& access = fields_.back().access;
    access.add_element = [at, name](void* owner, std::string_view text) -> void* {
        auto& element = std::invoke(at, of(owner)).emplace_back();
        std::invoke(name, element) = text;
        return &element;
    };
    access.element_name = [at, name](const void* owner, std::size_t i) {
        return std::string(std::invoke(name, std::invoke(at, of(owner))[i]));
    };
    return options;
}

}  // namespace sonde
