#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sinks/sink.hpp"

namespace sonde {

// Which members of the event line a sink writes, by their top-level names. "type" and "time" always are.
struct FieldSelectionOptions {
    std::vector<std::string> only{};     // empty: all
    std::vector<std::string> without{};  // left out of those
};

// Appends event lines with some members left out. One thread.
class EventWriter {
public:
    EventWriter() = default;
    explicit EventWriter(FieldSelectionOptions options) : options_(std::move(options)) {}

    // As append_event_json, but without the '\n' at the end.
    void append(std::string& out, const Record& record);

private:
    [[nodiscard]] bool wanted(std::string_view name) const;

    FieldSelectionOptions options_;
    std::string line_;
};

}  // namespace sonde
