#include "agent/redact/http2_mask.hpp"

#include <algorithm>

namespace sonde {
namespace {

// Index 127 and more, which no table of a fresh connection has: a reader finds the block invalid at its first byte.
constexpr char unreadable = '\xff';

// Notes where the walk left payload that is not a header block: only that may stay.
class HarmlessBytes final : public Http2FrameHandler {
public:
    HarmlessBytes(std::span<char> bytes, const char* begin) : bytes_(bytes), begin_(begin) {}
    void on_frame(const sonde_http2_header&) override {}
    void on_kept(const sonde_http2_header& header, std::span<const char> kept) override {
        const bool harmless = header.type == SONDE_HTTP2_RST_STREAM || header.type == SONDE_HTTP2_GOAWAY ||
                              header.type == SONDE_HTTP2_DATA;
        const auto at = static_cast<std::size_t>(kept.data() - begin_);
        if (!harmless) std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), kept.size(), unreadable);
    }
    void on_payload(const sonde_http2_header&, std::uint32_t) override {}
    void on_frame_end(const sonde_http2_header&) override {}
    void on_gap() override {}

private:
    std::span<char> bytes_;
    const char* begin_;
};

}  // namespace

void mask_http2(const Http2Piece& piece, std::span<char> bytes) {
    // bytes at the beginning that belong to a frame which the record does not name: of which type is not known
    std::fill_n(bytes.begin(), std::min<std::size_t>({piece.keep, piece.length, bytes.size()}), unreadable);
    Http2FrameReader reader;
    HarmlessBytes handler(bytes, bytes.data());
    auto whole = piece;
    whole.bytes = bytes;
    if (!reader.read(whole, handler)) std::fill(bytes.begin(), bytes.end(), unreadable);
}

}  // namespace sonde
