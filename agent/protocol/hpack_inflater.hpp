#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

struct nghttp2_hd_inflater;

namespace sonde {

// One field of a header block. The views hold until the next call of the inflater.
struct HpackField {
    std::string_view name;
    std::string_view value;
};

class HpackFieldHandler {
public:
    virtual void on_field(const HpackField& field) = 0;

protected:
    ~HpackFieldHandler() = default;
};

// The header blocks of one direction of one connection (RFC 7541), in their order, by libnghttp2's inflater.
//
// When blocks were missed (the connection was joined in the middle, or a record was lost), the dynamic table holds
// entries that nobody has seen. They are then stood for by placeholders: what the static table or the block itself
// gives is still exact, entries that are added from then on are found again by their index, and a field that
// points at a placeholder is reported as unknown. So a value is right or not there, never wrong.
//
// The size of the table follows the updates in the blocks themselves (§6.3), which an encoder must send when
// SETTINGS_HEADER_TABLE_SIZE takes effect below its present size (§4.2): no SETTINGS frame is needed.
class HpackInflater {
public:
    // Tables that an encoder makes larger than this are not followed: their blocks are invalid. A bound on memory.
    static constexpr std::size_t max_table_bytes = 65'536;

    HpackInflater();
    ~HpackInflater();
    HpackInflater(HpackInflater&&) noexcept;
    HpackInflater& operator=(HpackInflater&&) noexcept;

    struct Result {
        bool complete = true;     // the block was read to its end
        std::size_t unknown = 0;  // fields whose name or value nobody has seen
    };
    // One whole header block. Not complete: it is not HPACK, or points at what cannot be known; blocks were then
    // missed for all that follow.
    Result inflate(std::span<const char> block, HpackFieldHandler& handler);

    // Header blocks were missed.
    void blocks_missed();
    [[nodiscard]] bool exact() const { return exact_; }

private:
    struct Delete {
        void operator()(nghttp2_hd_inflater* inflater) const;
    };
    void renew();

    std::unique_ptr<nghttp2_hd_inflater, Delete> inflater_;
    bool exact_ = true;  // every block since the connection began has been read
};

}  // namespace sonde
