#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sonde {

// A string of at most N bytes inside its owner, so that records move without allocation.
// What does not fit is cut, and cut() says so.
template <std::size_t N>
class InlineString {
    static_assert(N > 0 && N < 65536);

public:
    InlineString() = default;
    InlineString(std::string_view text) { assign(text); }

    void assign(std::string_view text) {
        size_ = static_cast<std::uint16_t>(std::min(text.size(), N));
        cut_ = text.size() > N;
        if (size_ > 0) std::memcpy(bytes_.data(), text.data(), size_);
    }
    void clear() { size_ = 0, cut_ = false; }
    [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }
    operator std::string_view() const { return view(); }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] bool cut() const { return cut_; }

    // Copies only what is in use: most of the array is not.
    InlineString(const InlineString& other) { copy(other); }
    InlineString& operator=(const InlineString& other) {
        if (this != &other) copy(other);
        return *this;
    }

private:
    void copy(const InlineString& other) {
        size_ = other.size_;
        cut_ = other.cut_;
        if (size_ > 0) std::memcpy(bytes_.data(), other.bytes_.data(), size_);
    }
    std::uint16_t size_ = 0;
    bool cut_ = false;
    std::array<char, N> bytes_;
};

}  // namespace sonde
