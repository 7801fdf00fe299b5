#pragma once

#include <string_view>
#include <vector>

namespace sonde {

// A source of metrics that tells what its families' names begin with: who wants others need not have thousands of
// histograms built only to pass over them.
class FamilyNames {
public:
    virtual ~FamilyNames() = default;
    [[nodiscard]] virtual std::vector<std::string_view> family_prefixes() const = 0;
};

}  // namespace sonde
