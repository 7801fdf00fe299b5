#pragma once

#include <string>
#include <vector>

namespace sonde {

// One rung of the feature ladder: what the kernel gives, by which hook, or what is missing without it.
struct Feature {
    std::string name;  // stable: label of sonde_feature_enabled
    bool enabled = false;
    std::string detail;   // the hook in use, or why there is none
    std::string without;  // what users do not get when it is missing
};

}  // namespace sonde
