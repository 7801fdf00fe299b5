#include "bpf/shared/chunk_walk.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

sonde_walk walk_all(std::string_view text, std::size_t piece) {
    sonde_walk walk{};
    sonde_walk_begin(&walk, 4'294'967'290U);  // the numbers wrap within the body
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const auto part = text.substr(at, piece);
        sonde_walk_bytes(&walk, raw(part), static_cast<unsigned>(part.size()));
    }
    return walk;
}

TEST(ChunkWalk, FindsTheEndWhereverTheBodyIsCut) {
    for (const std::string& body :
         {std::string("0\r\n\r\n"), std::string("5\r\nhello\r\n0\r\n\r\n"), std::string("5\nhello\n0\n\n"),
          std::string("A;name=\"v\"\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
          std::string("5\r\nhello\r\n0\r\nX: 1\r\nY: 2\r\n\r\n"), std::string("00a \r\n0123456789\r\n000\r\n\r\n"),
          std::string("ff\r\n") + std::string(255, 'x') + "\r\n0\r\n\r\n"}) {
        for (std::size_t piece = 1; piece <= body.size(); ++piece) {
            const auto walk = walk_all(body + "HTTP/1.1 200 OK\r\n\r\n", piece);
            EXPECT_EQ(walk.state, SONDE_WALK_ENDED) << body << " in pieces of " << piece;
            EXPECT_EQ(walk.next - walk.start, body.size()) << body << " in pieces of " << piece;
            EXPECT_TRUE(sonde_walk_active(&walk) == 0);
            for (std::size_t cut = 1; cut < body.size(); ++cut)
                EXPECT_NE(walk_all(body.substr(0, cut), piece).state, SONDE_WALK_ENDED) << body << " cut at " << cut;
        }
    }
}

TEST(ChunkWalk, GivesUpOnWhatIsNotChunked) {
    for (const std::string_view body : {"HTTP/1.1 200 OK\r\n", "DELETE / HTTP/1.1", "5\r\nhellohello", "\r\n", "xyz",
                                        "5x\r\n", "5\rx", "fffffffffffffffff\r\n", "0\r\n\rx"})
        EXPECT_EQ(walk_all(body, 3).state, SONDE_WALK_OFF) << body;
}

unsigned sonde_head_end(const unsigned char* bytes, unsigned n, unsigned max) {
    sonde_search search{};
    sonde_search_begin(&search, 0);
    for (unsigned at = 0; at < max && at < n; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes + at, sizeof word);
        if (sonde_search_word(&search, word, at) != 0) {
            const auto end = sonde_search_end(&search);
            return end <= n ? end : 0;
        }
    }
    return 0;
}

// Every position of every kind of line end, next to every alignment.
TEST(HeadEnd, IsTheFirstEmptyLine) {
    for (const std::string_view empty : {"\r\n\r\n", "\n\n", "\r\n\n"}) {
        for (std::size_t before = 1; before < 80; ++before) {
            std::vector<unsigned char> bytes(128, 'x');
            std::memcpy(bytes.data() + before, empty.data(), empty.size());
            const auto end = before + empty.size();
            EXPECT_EQ(sonde_head_end(bytes.data(), 128, 128), end);
            EXPECT_EQ(sonde_head_end(bytes.data(), static_cast<unsigned>(end), 128), end);
            EXPECT_EQ(sonde_head_end(bytes.data(), static_cast<unsigned>(end - 1), 128), 0U);
            bytes[before / 2] = '\n';  // a line before it, unless it touches
            if (before / 2 + 3 < before) {
                EXPECT_EQ(sonde_head_end(bytes.data(), 128, 128), end);
            }
        }
    }
    std::vector<unsigned char> bytes(64, 0x0b);  // a byte that differs from LF in one bit
    EXPECT_EQ(sonde_head_end(bytes.data(), 64, 64), 0U);
    std::memset(bytes.data(), 0x8a, bytes.size());
    EXPECT_EQ(sonde_head_end(bytes.data(), 64, 64), 0U);
}

}  // namespace
