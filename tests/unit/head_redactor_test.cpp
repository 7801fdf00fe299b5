#include "agent/redact/head_redactor.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sonde {
namespace {

class HeadRedactorTest : public testing::Test {
protected:
    Redactor redactor_{RedactionPolicy::defaults()};
    std::string redacted(std::string text) {
        redact_head(text, false, redactor_);
        return text;
    }
};

TEST_F(HeadRedactorTest, PathsAndHarmlessHeadersPassTheRedactor) {
    EXPECT_EQ(redacted("GET /users/ann@example.com/4111111111111111/x HTTP/1.1\r\nHost: shop\r\n"
                       "User-Agent: bot (mail ann@example.com)\r\nContent-Length: 4111111111111111\r\n\r\n"),
              "GET /users/***************/****************/x HTTP/1.1\r\nHost: shop\r\n"
              "User-Agent: bot (mail ***************)\r\nContent-Length: 4111111111111111\r\n\r\n");
}

TEST_F(HeadRedactorTest, WhatTheCaptureCutsIsMaskedToo) {
    EXPECT_EQ(redacted("GET /users/ann@exam"), "GET /users/********");
    EXPECT_EQ(redacted("GET /users/1 HTTP/1.1\r\nUser-Agent: curl ann@exam"),
              "GET /users/1 HTTP/1.1\r\nUser-Agent: curl ********");
    EXPECT_EQ(redacted("GET /users/1 HTTP/1.1\r\nUser-Agent: curl\r\n"),
              "GET /users/1 HTTP/1.1\r\nUser-Agent: curl\r\n");
}

TEST_F(HeadRedactorTest, ResponsesKeepTheirStatus) {
    EXPECT_EQ(redacted("HTTP/1.1 200 OK\r\nServer: x password=hunter2\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nServer: x password=*******\r\n\r\n");
}

}  // namespace
}  // namespace sonde
