#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace sonde {

// Bytes of one record: what was added stays where it is until clear(), so views of it stay good, also when the arena
// is moved. clear() keeps the largest block of moderate size, so that a record used again does not allocate once it is
// warm; what a huge line needed is given back. One thread at a time.
class TextArena {
public:
    // Room for size bytes; never null, not zeroed.
    char* allocate(std::size_t size) {
        if (blocks_.empty() || size > blocks_.back().size - used_) grow(size);
        char* place = blocks_.back().bytes.get() + used_;
        used_ += size;
        return place;
    }
    // A copy of text that lives as long as the arena's content.
    std::string_view add(std::string_view text) {
        if (text.empty()) return {};
        char* place = allocate(text.size());
        std::memcpy(place, text.data(), text.size());
        return {place, text.size()};
    }
    // Gives back the end of the latest allocation: the bytes from `end` on.
    void trim(const char* end) { used_ = static_cast<std::size_t>(end - blocks_.back().bytes.get()); }
    void clear() {
        // the last block is the largest: with it alone, the next record of this size fits without allocation
        while (!blocks_.empty() && blocks_.back().size > kept_bytes_max) blocks_.pop_back();
        if (blocks_.size() > 1) blocks_.erase(blocks_.begin(), blocks_.end() - 1);
        used_ = 0;
    }

private:
    static constexpr std::size_t first_bytes = 512;            // most lines and their decoded fields fit
    static constexpr std::size_t kept_bytes_max = 128 * 1024;  // a block above this is not kept for the next record

    struct Block {
        std::unique_ptr<char[]> bytes;
        std::size_t size = 0;
    };
    void grow(std::size_t size) {
        const std::size_t wanted = std::max(size, blocks_.empty() ? first_bytes : blocks_.back().size * 2);
        blocks_.push_back({std::make_unique_for_overwrite<char[]>(wanted), wanted});
        used_ = 0;
    }
    std::vector<Block> blocks_;
    std::size_t used_ = 0;  // bytes of the last block
};

}  // namespace sonde
