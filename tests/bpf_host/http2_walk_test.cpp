#include "bpf/shared/http2_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "agent/protocol/http2_frame.hpp"
#include "tests/support/http2_wire.hpp"

namespace {

using sonde::test::frame;
using sonde::test::WalkedPiece;
using sonde::test::Walker;

// What a reader makes of the pieces, as text: one word per frame.
class Listing final : public sonde::Http2FrameHandler {
public:
    void on_frame(const sonde_http2_header& header) override {
        text += std::to_string(header.type) + ":" + std::to_string(header.stream);
        passed_ = 0;
        kept_.clear();
    }
    void on_kept(const sonde_http2_header&, std::span<const char> bytes) override {
        kept_.append(bytes.data(), bytes.size());
    }
    void on_payload(const sonde_http2_header&, std::uint32_t count) override { passed_ += count; }
    void on_frame_end(const sonde_http2_header& header) override {
        EXPECT_EQ(passed_, header.length);
        text += "(" + kept_ + ") ";
    }
    void on_gap() override { text += "gap "; }

    std::string text;

private:
    std::uint32_t passed_ = 0;
    std::string kept_;
};

void read(sonde::Http2FrameReader& reader, const std::vector<WalkedPiece>& pieces, Listing& listing) {
    for (const auto& piece : pieces) {
        sonde::Http2Piece read;
        read.seq = piece.begin.next_seq;
        read.length = piece.length;
        read.left = piece.begin.left;
        read.keep = piece.begin.keep;
        read.carried = piece.begin.carried;
        std::memcpy(read.carry.data(), piece.begin.carry, sizeof piece.begin.carry);
        read.bytes = piece.bytes;
        EXPECT_TRUE(reader.read(read, listing));
    }
}

std::string walk(const std::string& stream, const std::vector<std::size_t>& cuts, std::uint32_t seq = 1000) {
    Walker walker(seq);
    sonde::Http2FrameReader reader;
    Listing listing;
    std::size_t at = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const auto end = i < cuts.size() ? cuts[i] : stream.size();
        read(reader,
             walker.segment(seq + static_cast<std::uint32_t>(at), std::string_view(stream).substr(at, end - at)),
             listing);
        at = end;
    }
    return listing.text;
}

const std::string sample = frame(SONDE_HTTP2_SETTINGS, 0, 0, "123456") + frame(SONDE_HTTP2_HEADERS, 4, 1, "block") +
                           frame(SONDE_HTTP2_DATA, 0, 1, "a body that nobody copies") +
                           frame(SONDE_HTTP2_DATA, SONDE_HTTP2_PADDED, 1, std::string("\2xx\0\0", 5)) +
                           frame(SONDE_HTTP2_DATA, 1, 1, "") + frame(SONDE_HTTP2_RST_STREAM, 0, 3, "code") +
                           frame(SONDE_HTTP2_GOAWAY, 0, 0, "lastcodeand some words");
const std::string listed = "4:0() 1:1(block) 0:1() 0:1(\2) 0:1() 3:3(code) 7:0(lastcode) ";

TEST(Http2Walk, KeepsHeadersAndSkipsBodies) { EXPECT_EQ(walk(sample, {}), listed); }

TEST(Http2Walk, CutAtEveryByte) {
    for (std::size_t first = 0; first <= sample.size(); ++first)
        for (std::size_t second = first; second <= sample.size(); ++second)
            ASSERT_EQ(walk(sample, {first, second}), listed) << first << " " << second;
}

TEST(Http2Walk, OneByteAtATime) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < sample.size(); ++i) cuts.push_back(i);
    EXPECT_EQ(walk(sample, cuts), listed);
}

TEST(Http2Walk, SequenceNumbersWrap) {
    for (std::uint32_t before = 1; before < 60; ++before) EXPECT_EQ(walk(sample, {20, 40}, 0U - before), listed);
}

TEST(Http2Walk, BlocksLongerThanARecord) {
    std::string block;
    for (int i = 0; i < 60'000; ++i) block += static_cast<char>('a' + i % 26);
    const auto stream = frame(SONDE_HTTP2_HEADERS, 4, 1, block) + frame(SONDE_HTTP2_DATA, 1, 1, "x");
    EXPECT_EQ(walk(stream, {}), "1:1(" + block + ") 0:1() ");
    EXPECT_EQ(walk(stream, {1, 2048, 10'000, 59'999}), "1:1(" + block + ") 0:1() ");
}

TEST(Http2Walk, RetransmissionsAreWalkedOnce) {
    Walker walker(0);
    sonde::Http2FrameReader reader;
    Listing listing;
    read(reader, walker.segment(0, sample.substr(0, 50)), listing);
    EXPECT_TRUE(walker.segment(0, sample.substr(0, 50)).empty());
    EXPECT_TRUE(walker.segment(20, sample.substr(20, 10)).empty());
    read(reader, walker.segment(30, sample.substr(30)), listing);  // overlaps
    EXPECT_EQ(listing.text, listed);
}

TEST(Http2Walk, HoleInsideABodyHarmsNothing) {
    const auto stream =
        frame(SONDE_HTTP2_DATA, 0, 1, std::string(5000, 'x')) + frame(SONDE_HTTP2_HEADERS, 5, 1, "trailers");
    Walker walker(0);
    sonde::Http2FrameReader reader;
    Listing listing;
    read(reader, walker.segment(0, std::string_view(stream).substr(0, 1000)), listing);
    read(reader, walker.segment(3000, std::string_view(stream).substr(3000)), listing);
    EXPECT_EQ(listing.text, "0:1() 1:1(trailers) ");
}

// Pieces of one stream in this order; only the records that are not ahead are read, as a user space without a memory
// would.
TEST(Http2Walk, HoleThatIsFilledHidesNothing) {
    const auto stream = frame(SONDE_HTTP2_DATA, 0, 1, std::string(100, 'x')) +
                        frame(SONDE_HTTP2_HEADERS, 4, 3, "late") +
                        frame(SONDE_HTTP2_DATA, 0, 3, std::string(300, 'y')) + frame(SONDE_HTTP2_DATA, 1, 3, "z") +
                        frame(SONDE_HTTP2_HEADERS, 5, 5, "last");
    const std::string_view bytes = stream;
    // first, the hole, a piece without a header, the end
    const std::array<std::size_t, 5> cuts{0, 105, 150, 350, stream.size()};
    Walker walker(0);
    sonde::Http2FrameReader reader;
    Listing listing;
    const auto part = [&](std::size_t i) {
        return walker.segment(static_cast<std::uint32_t>(cuts[i]), bytes.substr(cuts[i], cuts[i + 1] - cuts[i]));
    };
    read(reader, part(0), listing);
    EXPECT_TRUE(part(2).empty());
    const auto ahead = part(3);
    ASSERT_FALSE(ahead.empty());
    EXPECT_TRUE(ahead[0].ahead);
    const auto late = part(1);
    ASSERT_FALSE(late.empty());
    EXPECT_FALSE(late[0].ahead);
    read(reader, late, listing);
    read(reader, ahead, listing);
    EXPECT_TRUE(walker.synced());
    EXPECT_EQ(listing.text, "0:1() 1:3(late) 0:3() 0:3() 1:5(last) ");
}

TEST(Http2Walk, WrongGuessIsFoundOut) {
    // a body that looks like a frame, right behind the hole
    const auto stream = frame(SONDE_HTTP2_DATA, 0, 1, std::string(10, 'x')) + frame(SONDE_HTTP2_HEADERS, 4, 3, "late") +
                        frame(SONDE_HTTP2_DATA, 0, 3, frame(SONDE_HTTP2_HEADERS, 4, 7, "fake"));
    Walker walker(0);
    const std::string_view bytes = stream;
    walker.segment(0, bytes.substr(0, 19));
    EXPECT_FALSE(walker.segment(41, bytes.substr(41)).empty());
    EXPECT_TRUE(walker.synced());
    const auto late = walker.segment(19, bytes.substr(19, 22));
    EXPECT_FALSE(walker.synced());
    ASSERT_EQ(late.size(), 2u);
    EXPECT_TRUE(late[1].lost);
}

TEST(Http2Walk, SecondHoleIsAGapAndFoundAgain) {
    const auto body = frame(SONDE_HTTP2_DATA, 0, 1, std::string(100, 'x'));
    const auto last = frame(SONDE_HTTP2_HEADERS, 4, 5, "kept") + frame(SONDE_HTTP2_DATA, 1, 5, "z");
    Walker walker(0);
    walker.segment(0, body);
    EXPECT_TRUE(walker.segment(200, std::string(40, 'y')).empty());
    const auto lost = walker.segment(300, std::string(40, 'y'));
    ASSERT_EQ(lost.size(), 1u);
    EXPECT_TRUE(lost[0].lost);
    EXPECT_FALSE(walker.synced());
    EXPECT_FALSE(walker.segment(400, last).empty());
    EXPECT_TRUE(walker.synced());
}

TEST(Http2Walk, HoleThatNothingFillsIsGivenUp) {
    const auto headers = frame(SONDE_HTTP2_HEADERS, 4, 1, "one");
    const auto body = frame(SONDE_HTTP2_DATA, 0, 1, std::string(16'384, 'x'));
    Walker walker(1000);
    std::uint32_t seq = 1100;  // what was there before will never come
    std::size_t ahead = 0;
    for (; walker.segment(seq, body)[0].ahead; ++ahead) seq += static_cast<std::uint32_t>(body.size());
    EXPECT_EQ(ahead, SONDE_HTTP2_HOLE_MAX / body.size() + 1);
    seq += static_cast<std::uint32_t>(body.size());
    EXPECT_TRUE(walker.synced());
    sonde::Http2FrameReader reader;
    Listing listing;
    read(reader, walker.segment(seq, headers), listing);
    EXPECT_EQ(listing.text, "1:1(one) ");
}

TEST(Http2Walk, LostRecordIsAGap) {
    Walker walker(0);
    sonde::Http2FrameReader reader;
    Listing listing;
    read(reader, walker.segment(0, sample.substr(0, 29)), listing);  // ends with the HEADERS frame
    walker.segment(29, sample.substr(29, 20));                       // its record did not reach the ring
    read(reader, walker.segment(49, sample.substr(49)), listing);
    EXPECT_EQ(listing.text, "4:0() 1:1(block) gap 0:1(\2) 0:1() 3:3(code) 7:0(lastcode) ");
}

TEST(Http2Walk, PlausibleFrames) {
    const auto plausible = [](const std::string& bytes) {
        sonde_http2_header header;
        sonde_http2_parse(reinterpret_cast<const unsigned char*>(bytes.data()), &header);
        return sonde_http2_plausible(&header) != 0;
    };
    EXPECT_TRUE(plausible(frame(SONDE_HTTP2_HEADERS, 4, 1, "x")));
    EXPECT_TRUE(plausible(frame(SONDE_HTTP2_DATA, 1, 7, "")));
    EXPECT_FALSE(plausible(frame(SONDE_HTTP2_DATA, 0, 0, "")));
    EXPECT_FALSE(plausible(frame(SONDE_HTTP2_PING, 0, 0, "1234567")));
    EXPECT_FALSE(plausible(frame(SONDE_HTTP2_HEADERS, 4, 0x80000001, "x")));
    EXPECT_FALSE(plausible("HTTP/1.1 200 OK"));
}

TEST(Http2Walk, HeadersOfAConnectionNobodyFollowed) {
    const auto block = [](std::string bytes) {
        const auto length = static_cast<unsigned>(bytes.size());
        bytes.resize(32, '\0');
        return sonde_http2_begins_with_block(reinterpret_cast<const unsigned char*>(bytes.data()),
                                             std::min(length, 16U), length);
    };
    sonde::test::Deflater deflater;
    EXPECT_EQ(block(deflater.headers(3, sonde::test::request_fields("/a"))), SONDE_HTTP2_REQUEST);
    EXPECT_EQ(block(deflater.headers(3, {{":status", "200"}})), SONDE_HTTP2_RESPONSE);
    EXPECT_EQ(block(deflater.headers(3, {{":status", "299"}})), SONDE_HTTP2_RESPONSE);
    EXPECT_EQ(block(frame(SONDE_HTTP2_HEADERS, 4 | SONDE_HTTP2_HAS_PRIORITY, 1, std::string("\0\0\0\0\1\x82", 6))),
              SONDE_HTTP2_REQUEST);
    EXPECT_EQ(block(deflater.headers(3, {{"grpc-status", "0"}})), SONDE_HTTP2_NO_BLOCK);
    EXPECT_EQ(block(frame(SONDE_HTTP2_HEADERS, 4, 2, "\x82")), SONDE_HTTP2_NO_BLOCK);  // no client opens it
    EXPECT_EQ(block(frame(SONDE_HTTP2_HEADERS, 4, 1, "\x82").substr(0, 9)), SONDE_HTTP2_NO_BLOCK);
    EXPECT_EQ(block(frame(SONDE_HTTP2_DATA, 0, 1, "\x82")), SONDE_HTTP2_NO_BLOCK);
}

TEST(Http2Walk, ServerThatSpeaksFirst) {
    const auto settings = [](const std::string& bytes) {
        return sonde_http2_begins_with_settings(reinterpret_cast<const unsigned char*>(bytes.data()),
                                                static_cast<unsigned>(bytes.size())) != 0;
    };
    EXPECT_TRUE(settings(frame(SONDE_HTTP2_SETTINGS, 0, 0, "123456")));
    EXPECT_TRUE(settings(frame(SONDE_HTTP2_SETTINGS, 0, 0, "")));
    EXPECT_FALSE(settings(frame(SONDE_HTTP2_SETTINGS, SONDE_HTTP2_ACK, 0, "")));
    EXPECT_FALSE(settings(frame(SONDE_HTTP2_SETTINGS, 0, 0, "12345")));
    EXPECT_FALSE(settings("220 mail ready\r\n"));
}

}  // namespace
