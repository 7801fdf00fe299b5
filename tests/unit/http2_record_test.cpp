#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "agent/pipeline/decoder.hpp"
#include "agent/redact/http2_mask.hpp"
#include "tests/support/http2_wire.hpp"

namespace sonde {
namespace {

std::vector<std::byte> record_of(const sonde_http2_frames& raw, std::string_view bytes) {
    std::vector<std::byte> out(sizeof raw + bytes.size());
    std::memcpy(out.data(), &raw, sizeof raw);
    std::memcpy(out.data() + sizeof raw, bytes.data(), bytes.size());
    return out;
}

sonde_http2_frames make(std::size_t captured) {
    sonde_http2_frames raw{};
    raw.h.type = SONDE_REC_HTTP2_FRAMES;
    raw.h.size = static_cast<std::uint16_t>(sizeof raw + captured);
    raw.h.flags = SONDE_FLAG_HTTP2_START;
    raw.h.time_ns = 77;
    raw.h.cookie = 5;
    raw.seq = 100;
    raw.length = 900;
    raw.left = 24;
    raw.captured = static_cast<std::uint16_t>(captured);
    raw.direction = SONDE_OUT;
    raw.role = SONDE_ROLE_CLIENT;
    raw.thread.tgid = 3;
    return raw;
}

TEST(Http2Record, Decodes) {
    const auto record = record_of(make(4), "abcd");  // what is decoded points into it
    const auto event = decode(record);
    ASSERT_TRUE(event);
    const auto* frames = std::get_if<Http2Frames>(&*event);
    ASSERT_NE(frames, nullptr);
    EXPECT_EQ(frames->cookie, 5u);
    EXPECT_EQ(frames->time_ns, 77u);
    EXPECT_TRUE(frames->outgoing);
    EXPECT_TRUE(frames->starts);
    EXPECT_EQ(frames->side, Side::client);
    EXPECT_FALSE(frames->tls);
    EXPECT_EQ(frames->seq, 100u);
    EXPECT_EQ(frames->length, 900u);
    EXPECT_EQ(frames->left, 24u);
    EXPECT_EQ(frames->thread.pid, 3u);
    EXPECT_EQ(std::string_view(frames->bytes.data(), frames->bytes.size()), "abcd");
}

TEST(Http2Record, OfPlaintextSaysSo) {
    auto raw = make(4);
    raw.h.flags |= SONDE_FLAG_TLS | SONDE_FLAG_NO_ENDPOINTS;
    raw.role = SONDE_ROLE_SERVER;
    const auto record = record_of(raw, "abcd");  // what is decoded points into it
    const auto event = decode(record);
    ASSERT_TRUE(event);
    const auto& frames = std::get<Http2Frames>(*event);
    EXPECT_TRUE(frames.tls);
    EXPECT_TRUE(frames.no_endpoints);
    EXPECT_EQ(frames.side, Side::server);
}

TEST(Http2Record, RefusesWhatContradictsItself) {
    EXPECT_FALSE(decode(record_of(make(4), "abc")));
    auto raw = make(4);
    raw.keep = 25;  // more than is left
    EXPECT_FALSE(decode(record_of(raw, "abcd")));
    raw = make(4);
    raw.carried = 9;
    EXPECT_FALSE(decode(record_of(raw, "abcd")));
    raw = make(4);
    raw.role = SONDE_ROLE_UNKNOWN;
    EXPECT_FALSE(decode(record_of(raw, "abcd")));
    raw = make(4);
    raw.length = 3;
    EXPECT_FALSE(decode(record_of(raw, "abcd")));
    raw = make(4);
    raw.direction = 2;
    EXPECT_FALSE(decode(record_of(raw, "abcd")));
}

TEST(Http2Mask, HeaderBlocksGoAndFramesStay) {
    const auto reset = test::frame(SONDE_HTTP2_RST_STREAM, 0, 3, "code");
    const auto data = test::frame(SONDE_HTTP2_DATA, 1, 1, "");
    const auto stream = test::frame(SONDE_HTTP2_HEADERS, 4, 1, "secret") + reset + data;
    const auto masked = test::frame(SONDE_HTTP2_HEADERS, 4, 1, std::string(6, '\xff')) + reset + data;
    test::Walker walker(0);
    const auto pieces = walker.segment(0, stream);
    ASSERT_EQ(pieces.size(), 1u);
    Http2Piece piece;
    piece.length = pieces[0].length;
    auto bytes = pieces[0].bytes;
    mask_http2(piece, bytes);
    EXPECT_EQ(bytes, masked);
}

TEST(Http2Mask, BlockThatBeganInAnotherRecord) {
    test::Walker walker(0);
    const auto stream = test::frame(SONDE_HTTP2_HEADERS, 4, 1, "secret") + test::frame(SONDE_HTTP2_DATA, 1, 1, "");
    walker.segment(0, std::string_view(stream).substr(0, 11));
    const auto pieces = walker.segment(11, std::string_view(stream).substr(11));
    ASSERT_EQ(pieces.size(), 1u);
    Http2Piece piece;
    piece.seq = 11;
    piece.length = pieces[0].length;
    piece.left = pieces[0].begin.left;
    piece.keep = pieces[0].begin.keep;
    auto bytes = pieces[0].bytes;
    mask_http2(piece, bytes);
    EXPECT_EQ(bytes, std::string(4, '\xff') + test::frame(SONDE_HTTP2_DATA, 1, 1, ""));
}

TEST(Http2Mask, NonsenseIsMaskedWhole) {
    Http2Piece piece;
    piece.length = 2;
    std::string bytes = "more than its length";
    mask_http2(piece, bytes);
    EXPECT_EQ(bytes, std::string(bytes.size(), '\xff'));
}

}  // namespace
}  // namespace sonde
