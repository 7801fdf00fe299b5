#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sonde {

// The schema of the configuration, types erased: what reads, shows, documents and compares configurations. It is made
// by agent/config/section.hpp; the sections stand in agent/config/section_*.cpp.

enum class FieldKind : std::uint8_t {
    boolean,
    integer,
    number,
    text,
    duration,  // a number with ns … d; held in nanoseconds
    size,      // a number with B … TiB; held in bytes
    rate,      // a size per second
    choice,    // one of a list of words
    text_list,
    text_map,    // names and texts
    choice_map,  // names and words of a list
    object,
    object_list,
    object_map,  // names and objects
};

using TextList = std::vector<std::string>;
using TextMap = std::vector<std::pair<std::string, std::string>>;
// boolean: bool. integer, duration, size, rate: int64. number: double. text, choice: string. Lists and maps as such.
using FieldValue = std::variant<bool, std::int64_t, double, std::string, TextList, TextMap>;

struct Field;
using Fields = std::vector<Field>;

// How a field reaches its place in a struct of which only the address is known here. Which struct that is, the fields
// of one Fields share; section.hpp keeps both together. Objects: element i of the list or map (object: 0).
struct FieldAccess {
    std::function<void(void* owner, const FieldValue& value)> set;
    std::function<FieldValue(const void* owner)> get;
    std::function<void*(void* owner, std::string_view name)> add_element;
    std::function<void(void* owner)> clear;  // lists and maps of objects
    std::function<std::size_t(const void* owner)> elements;
    std::function<const void*(const void* owner, std::size_t i)> element;
    std::function<std::string(const void* owner, std::size_t i)> element_name;  // object_map
    std::shared_ptr<const void> fresh_element;                                  // with the defaults of its fields
};

struct Field {
    std::string key;
    FieldKind kind = FieldKind::text;
    std::string help;
    // Bounds of a number, or of what its text stands for (nanoseconds, bytes), both inclusive. A list of texts with
    // bounds is one of integers.
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
    std::string zero_means;  // not empty: 0 is good beside the bounds, and means this
    std::int64_t step = 1;   // a duration, size or rate is a multiple of it: its place counts in this unit
    std::string unit;        // what an integer or a number counts: "segments"
    std::vector<std::string> choices;
    // Says what is wrong with a text or with an element of a list; empty: nothing.
    std::function<std::string(const std::string& text)> check;
    std::size_t max_elements = 1000;
    bool reloadable = false;  // a change is applied to the running agent; else it waits for a restart
    bool secret = false;      // never shown; KEY_file names a file that holds it
    bool required = false;    // of an element of a list or map
    Fields fields;            // of objects
    FieldAccess access;
};

inline bool is_object(FieldKind kind) { return kind >= FieldKind::object; }

inline const Field* find_field(const Fields& fields, std::string_view key) {
    for (const auto& field : fields)
        if (field.key == key) return &field;
    return nullptr;
}

}  // namespace sonde
