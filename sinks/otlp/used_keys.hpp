#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace sonde {

// Attribute keys of one item that were used already: OTLP demands that they are unique, and the first stays. At most
// Most of them; keys outlive it.
template <std::size_t Most>
class UsedKeys {
public:
    // False: it was used before, or there were too many.
    bool take(std::string_view key) {
        if (count_ == Most || std::find(keys_.begin(), keys_.begin() + count_, key) != keys_.begin() + count_)
            return false;
        keys_[count_++] = key;
        return true;
    }

private:
    std::array<std::string_view, Most> keys_{};
    std::size_t count_ = 0;
};

}  // namespace sonde
