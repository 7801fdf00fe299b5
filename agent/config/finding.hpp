#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sonde {

// Where a part of a configuration stands.
struct SourcePlace {
    std::string source;  // a file's path, "profile NAME", "SONDE_A__B", "--set a.b=c"
    int line = 0;        // from 1; 0: not in a file
    int column = 0;      // from 1, in characters
    [[nodiscard]] std::string text() const {
        return line == 0 ? source : source + ":" + std::to_string(line) + ":" + std::to_string(column);
    }
};

// What is wrong with a configuration.
struct ConfigFinding {
    SourcePlace place;
    std::string key;      // dotted, with [index] for elements of lists; empty: the whole file
    std::string message;  // what was expected, and what stands there
    // "sonde.yaml:3:5: sampling.head_rate: expected …"
    [[nodiscard]] std::string text() const {
        return place.text() + ": " + (key.empty() ? message : key + ": " + message);
    }
};

// Nobody reads more of them, and a hostile file must not make more.
inline constexpr std::size_t max_findings = 100;

}  // namespace sonde
