// Log lines: paths in them are read as paths.
#include <gtest/gtest.h>

#include "agent/redact/record_redactor.hpp"

namespace sonde {
namespace {

TEST(RedactLogRecord, PathsInFreeTextAreReadAsPaths) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    LogRecord record;
    record.raw = record.text.add("404 at 100% GET /users/5555%205555%205555%204444/orders \"%\" /a%20b %");
    record.message = record.raw.substr(4);
    record.add_attribute("request", record.text.add("GET /users/ann%2Bshop%40example.com HTTP/1.1"));
    record.add_attribute("harmless", record.text.add("/a%20b?c=%7e"));
    record.exception.message =
        record.text.add("open() \"/www/reset-token/9f86d081884c7d659a2feaa0c55ad015\" failed (2: No such file)");
    ASSERT_TRUE(redactor.redact(record, "shop"));
    EXPECT_EQ(record.raw, "404 at 100% GET /users/[redacted:credit_card]/orders \"%\" /a%20b %");
    EXPECT_EQ(record.message, "at 100% GET /users/[redacted:credit_card]/orders \"%\" /a%20b %");
    EXPECT_EQ(record.attribute("request").find("ann"), std::string_view::npos) << record.attribute("request");
    EXPECT_EQ(record.exception.message, "open() \"/www/reset-token/[redacted:path_token]\" failed (2: No such file)");
    EXPECT_EQ(record.attribute("harmless"), "/a%20b?c=%7e");
}

// Each would otherwise be a copy of all the others.
TEST(RedactLogRecord, ManyWordsTakeLinearTimeAndMemory) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    LogRecord record;
    std::string line, expected;
    for (int i = 0; i < 20'000; ++i) {
        line += "/u/5555%205555%205555%204444 ";
        expected += "/u/[redacted:credit_card] ";
    }
    record.message = record.text.add(line);
    ASSERT_TRUE(redactor.redact(record, "shop"));
    EXPECT_EQ(record.message, expected);
}

TEST(RedactLogRecord, WhatAWordsRuleAsksHoldsForItsField) {
    for (const auto action : {RedactAction::drop_field, RedactAction::drop_record}) {
        RedactionSetup setup;
        setup.base.actions = {{"credit_card", action}};
        const auto set = RedactionPolicySet::build(setup);
        ASSERT_TRUE(set) << set.error().message();
        RecordRedactor redactor((*set)->common());
        LogRecord record;
        record.message = record.text.add("GET /u/5555%205555%205555%204444 of ann");
        record.add_attribute("request", record.message);
        EXPECT_EQ(redactor.redact(record, "shop"), action == RedactAction::drop_field);
        EXPECT_EQ(record.message, "");
        EXPECT_TRUE(record.attributes.empty());
    }
}

}  // namespace
}  // namespace sonde
