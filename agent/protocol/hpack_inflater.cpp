#include "agent/protocol/hpack_inflater.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <new>
#include <utility>

namespace sonde {
namespace {

// A name that no peer may send (RFC 9113 §8.2.1).
constexpr char placeholder = '\x7f';
constexpr std::size_t default_table_bytes = 4096;  // RFC 9113 §6.5.2
constexpr std::size_t entry_overhead = 32;         // RFC 7541 §4.1

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

void HpackInflater::Delete::operator()(nghttp2_hd_inflater* inflater) const { nghttp2_hd_inflate_del(inflater); }

HpackInflater::HpackInflater() { renew(); }
HpackInflater::~HpackInflater() = default;
HpackInflater::HpackInflater(HpackInflater&&) noexcept = default;
HpackInflater& HpackInflater::operator=(HpackInflater&&) noexcept = default;

void HpackInflater::renew() {
    nghttp2_hd_inflater* made = nullptr;
    if (nghttp2_hd_inflate_new(&made) != 0) throw std::bad_alloc();
    inflater_.reset(made);
    nghttp2_hd_inflate_change_table_size(made, max_table_bytes);
}

HpackInflater::Result HpackInflater::inflate(std::span<const char> block, HpackFieldHandler& handler) {
    Result result;
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    auto left = block.size();
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        const auto used = nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, at, left, 1);
        if (used < 0) {
            blocks_missed();
            result.complete = false;
            return result;
        }
        at += used;
        left -= static_cast<std::size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            const HpackField found{text(field.name, field.namelen), text(field.value, field.valuelen)};
            if (found.name.size() == 1 && found.name[0] == placeholder)
                ++result.unknown;
            else
                handler.on_field(found);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_.get());
    return result;
}

// A fresh table, filled to its default size with the smallest entries there are: an index that an encoder with a
// table of that size may use then points at a placeholder, and later entries push them out at the far end.
void HpackInflater::blocks_missed() {
    exact_ = false;
    renew();
    constexpr std::size_t entries = default_table_bytes / (entry_overhead + 1);
    // literal with incremental indexing, new name (§6.2.1); then the same with the name at index 62, the newest
    std::array<char, 4 + 2 * (entries - 1)> block{0x40, 1, placeholder, 0};
    for (std::size_t i = 4; i < block.size(); i += 2) {
        block[i] = 0x40 | 62;
        block[i + 1] = 0;
    }
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    auto left = block.size();
    while (left > 0) {
        nghttp2_nv field;
        int flags = 0;
        const auto used = nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, at, left, 1);
        if (used <= 0) break;
        at += used;
        left -= static_cast<std::size_t>(used);
    }
    nghttp2_hd_inflate_end_headers(inflater_.get());
}

}  // namespace sonde
