#include <algorithm>
#include <cstdlib>
#include <string>

#include "agent/protocol/http2_frame.hpp"
#include "tests/support/http2_wire.hpp"

namespace {

// What a reader is told, so that two ways to cut the same stream can be compared.
class Listing final : public sonde::Http2FrameHandler {
public:
    void on_frame(const sonde_http2_header& header) override {
        text += "\n" + std::to_string(header.type) + ":" + std::to_string(header.stream) + ":" +
                std::to_string(header.length) + " ";
    }
    void on_kept(const sonde_http2_header&, std::span<const char> bytes) override {
        text.append(bytes.data(), bytes.size());
    }
    void on_payload(const sonde_http2_header&, std::uint32_t count) override { passed += count; }
    void on_frame_end(const sonde_http2_header& header) override {
        if (passed != header.length) std::abort();
        text += " end";
        passed = 0;
    }
    void on_gap() override {
        text += " gap";
        passed = 0;
    }
    std::string text;
    std::uint32_t passed = 0;
};

std::string list(std::string_view stream, std::size_t cut) {
    sonde::test::Walker walker(0xffffff00U);
    sonde::Http2FrameReader reader;
    Listing listing;
    std::uint32_t seq = 0xffffff00U;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
        const auto part = stream.substr(at, cut);
        for (const auto& piece : walker.segment(seq, part)) {
            sonde::Http2Piece read;
            read.seq = piece.begin.next_seq;
            read.length = piece.length;
            read.left = piece.begin.left;
            read.keep = piece.begin.keep;
            read.carried = piece.begin.carried;
            std::memcpy(read.carry.data(), piece.begin.carry, sizeof piece.begin.carry);
            read.bytes = piece.bytes;
            if (!reader.read(read, listing)) std::abort();
        }
        seq += static_cast<std::uint32_t>(part.size());
    }
    return listing.text;
}

}  // namespace

// Any stream, cut in two ways: the kernel's walk and the reader must say the same of both. Then any record at all.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (list(stream, stream.size()) != list(stream, 1U + data[0])) std::abort();

    sonde::Http2FrameReader reader;
    Listing listing;
    for (std::size_t at = 0; at + 20 <= stream.size();) {
        sonde::Http2Piece piece;
        std::memcpy(&piece.seq, stream.data() + at, 4);
        piece.length = static_cast<unsigned char>(stream[at + 4]) * 64U;
        piece.left = static_cast<unsigned char>(stream[at + 5]) * 16U;
        piece.keep = static_cast<unsigned char>(stream[at + 6]) * 16U;
        piece.carried = static_cast<std::uint8_t>(stream[at + 7]);
        std::memcpy(piece.carry.data(), stream.data() + at + 8, 8);
        const auto n = std::min<std::size_t>(static_cast<unsigned char>(stream[at + 16]), stream.size() - at - 20);
        piece.bytes = stream.substr(at + 20, n);
        listing.passed = 0;
        struct Ignore final : sonde::Http2FrameHandler {
            void on_frame(const sonde_http2_header&) override {}
            void on_kept(const sonde_http2_header&, std::span<const char>) override {}
            void on_payload(const sonde_http2_header&, std::uint32_t) override {}
            void on_frame_end(const sonde_http2_header&) override {}
            void on_gap() override {}
        } ignore;
        reader.read(piece, ignore);
        at += 20 + n;
    }
    return 0;
}
