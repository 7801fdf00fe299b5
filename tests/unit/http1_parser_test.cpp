#include "agent/protocol/http1_parser.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

namespace sonde {
namespace {

// Input that ends at an unreadable page: reading one byte too far kills the test.
class Guarded {
public:
    explicit Guarded(std::string_view text) {
        page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        size_ = (text.size() / page_ + 1) * page_;
        base_ = static_cast<char*>(
            ::mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ::mprotect(base_ + size_, page_, PROT_NONE);
        start_ = base_ + size_ - text.size();
        std::memcpy(start_, text.data(), text.size());
        length_ = text.size();
    }
    ~Guarded() { ::munmap(base_, size_ + page_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    [[nodiscard]] std::span<const char> bytes() const { return {start_, length_}; }

private:
    char* base_ = nullptr;
    char* start_ = nullptr;
    std::size_t page_ = 0, size_ = 0, length_ = 0;
};

RequestHead request(std::string_view text) { return parse_request_head({text.data(), text.size()}, {}); }
ResponseHead response(std::string_view text) { return parse_response_head({text.data(), text.size()}, {}); }

TEST(Http1Parser, OriginForm) {
    const auto head = request("GET /a/b?c=d#e HTTP/1.1\r\nHost: h:8080 \r\nUser-Agent:  curl\r\n\r\nrest");
    EXPECT_EQ(head.state, ParseState::done);
    EXPECT_EQ(head.method, "GET");
    EXPECT_EQ(head.target, "/a/b?c=d#e");
    EXPECT_EQ(head.path, "/a/b");
    EXPECT_EQ(head.host, "h:8080");
    EXPECT_EQ(head.user_agent, "curl");
    EXPECT_EQ(head.minor_version, 1);
    EXPECT_EQ(request_framing(head), BodyFraming::none);
}

TEST(Http1Parser, AbsoluteForm) {
    const auto head = request("GET http://user:secret@h:81/x?y HTTP/1.1\r\n\r\n");
    EXPECT_EQ(head.path, "/x");
    EXPECT_EQ(head.authority, "h:81") << "user and password are not part of it";
    EXPECT_EQ(request("GET https://h HTTP/1.1\r\n\r\n").path, "/");
}

TEST(Http1Parser, AuthorityAndAsteriskForm) {
    EXPECT_EQ(request("CONNECT h:443 HTTP/1.1\r\n\r\n").authority, "h:443");
    EXPECT_EQ(request("OPTIONS * HTTP/1.1\r\n\r\n").path, "*");
}

TEST(Http1Parser, BareLineFeedsAndEmptyLinesBefore) {
    const auto head = request("\r\n\nGET / HTTP/1.0\nHost: h\n\n");
    EXPECT_EQ(head.state, ParseState::done);
    EXPECT_EQ(head.minor_version, 0);
    EXPECT_EQ(head.host, "h");
}

TEST(Http1Parser, WhatIsNoRequest) {
    for (const auto* text :
         {"GET / RTSP/1.0\r\n\r\n", "GET /\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
          "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nbad name: x\r\n\r\n", " GET / HTTP/1.1\r\n\r\n"})
        EXPECT_EQ(request(text).state, ParseState::invalid) << text;
    EXPECT_TRUE(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").is_http2_preface);
}

TEST(Http1Parser, LengthsAndCodings) {
    EXPECT_EQ(request("PUT / HTTP/1.1\r\ncontent-LENGTH: 12\r\n\r\n").content_length, 12U);
    EXPECT_EQ(request("PUT / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n").content_length, 5U);
    EXPECT_TRUE(request("PUT / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n").invalid);
    EXPECT_TRUE(request("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n").invalid);
    EXPECT_TRUE(request("PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n").invalid);
    const auto both = request("PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n");
    EXPECT_EQ(request_framing(both), BodyFraming::chunked);
    EXPECT_EQ(request_framing(request("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n")),
              BodyFraming::until_close);
}

TEST(Http1Parser, ResponseFraming) {
    const auto ok = response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(response_framing("GET", ok), BodyFraming::length);
    EXPECT_EQ(response_framing("HEAD", ok), BodyFraming::none);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n")), BodyFraming::none);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n")), BodyFraming::none);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.1 100 Continue\r\n\r\n")), BodyFraming::none);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.1 101 Switching\r\n\r\n")), BodyFraming::tunnel);
    EXPECT_EQ(response_framing("CONNECT", response("HTTP/1.1 200 OK\r\n\r\n")), BodyFraming::tunnel);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.0 200 OK\r\n\r\n")), BodyFraming::until_close);
    EXPECT_EQ(response_framing("GET", response("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n")),
              BodyFraming::until_close);
}

TEST(Http1Parser, StatusLines) {
    EXPECT_EQ(response("HTTP/1.1 200\r\n\r\n").status, 200);
    EXPECT_EQ(response("HTTP/1.1 999 \r\n\r\n").status, 999);
    for (const auto* text :
         {"HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2000 x\r\n\r\n", "HTTP/1.1 abc x\r\n\r\n", "HTTX", "HTTP/2 200 x\r\n\r\n"})
        EXPECT_EQ(response(text).state, ParseState::invalid) << text;
}

// Cut anywhere, a head is incomplete and never wrong; what is complete has been filled in.
TEST(Http1Parser, EveryCut) {
    constexpr std::string_view text = "POST /path HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nX: y\r\n\r\n";
    for (std::size_t n = 0; n < text.size(); ++n) {
        const Guarded input(text.substr(0, n));
        const auto head = parse_request_head(input.bytes(), {});
        EXPECT_EQ(head.state, ParseState::need_more) << n;
        if (n >= text.find("Host")) {
            EXPECT_EQ(head.path, "/path");
        }
        if (n >= text.find("X:")) {
            EXPECT_EQ(head.content_length, 10U);
        }
    }
    const Guarded whole(text);
    EXPECT_EQ(parse_request_head(whole.bytes(), {}).consumed, text.size());
    constexpr std::string_view answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n";
    for (std::size_t n = 0; n < answer.size(); ++n) {
        const Guarded input(answer.substr(0, n));
        EXPECT_EQ(parse_response_head(input.bytes(), {}).state, ParseState::need_more) << n;
    }
}

TEST(Http1Parser, Limits) {
    std::string many = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 300; ++i) many += "A: b\r\n";
    EXPECT_EQ(request(many + "\r\n").state, ParseState::invalid);
    EXPECT_EQ(request("GET /" + std::string(70000, 'a')).state, ParseState::invalid);
}

TEST(Http1Parser, LastChunk) {
    const auto ends = [](std::string_view text, std::uint32_t segment) {
        std::array<unsigned char, 8> tail{};
        std::memcpy(tail.data() + 8 - text.size(), text.data(), text.size());
        return ends_with_last_chunk(tail, segment);
    };
    EXPECT_TRUE(ends("a\r\n0\r\n\r\n", 100));
    EXPECT_TRUE(ends("0\r\n\r\n", 5));
    EXPECT_FALSE(ends("10\r\n\r\n", 100)) << "a chunk of 16 bytes that begins with an empty line";
    EXPECT_FALSE(ends("\r\n0\r\nx\r\n", 100));
}

}  // namespace
}  // namespace sonde
