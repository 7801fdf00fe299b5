#include <gtest/gtest.h>

#include "agent/redact/record_redactor.hpp"

namespace sonde {
namespace {

std::shared_ptr<const RedactionPolicySet> set_of(const RedactionSetup& setup) {
    auto set = RedactionPolicySet::build(setup);
    EXPECT_TRUE(set) << set.error().message();
    return set ? *set : RedactionPolicySet::defaults();
}

std::string refusal(const RedactionSetup& setup) {
    auto set = RedactionPolicySet::build(setup);
    return set ? "accepted" : set.error().message();
}

std::string path_for(RecordRedactor& redactor, std::string_view service) {
    Transaction transaction;
    transaction.service = service;
    transaction.path.assign("/ann@example.com/219-09-9999");
    return redactor.redact(transaction) ? std::string(transaction.path.view()) : "dropped";
}

TEST(RedactionPolicySets, ServicesAndSinksDiffer) {
    const auto set = set_of({.services = {{"crm", {{"email", RedactAction::off}}}},
                             .sinks = {{"cloud", false, {{"email", RedactAction::drop_record}}},
                                       {"vault", true, {{"us_ssn", RedactAction::off}}}}});
    RecordRedactor common(set->common());
    EXPECT_EQ(path_for(common, "shop"), "/[redacted:email]/[redacted:us_ssn]");
    EXPECT_EQ(path_for(common, "crm"), "/ann@example.com/[redacted:us_ssn]");
    EXPECT_EQ(set->for_sink("file"), nullptr);
    RecordRedactor cloud(*set->for_sink("cloud"));
    EXPECT_EQ(path_for(cloud, "shop"), "dropped");
    EXPECT_EQ(path_for(cloud, "crm"), "dropped");
    EXPECT_EQ(cloud.dropped_records(), 2U);
    RecordRedactor vault(*set->for_sink("vault"));
    EXPECT_EQ(path_for(vault, "shop"), "/[redacted:email]/219-09-9999");
    EXPECT_EQ(path_for(vault, "crm"), "/ann@example.com/219-09-9999");
    EXPECT_EQ(common.count(static_cast<std::size_t>(Builtin::us_ssn), Place::path), 2U);
}

TEST(RedactionPolicySets, ASinkIsNeverLooserUnlessItIsTrusted) {
    EXPECT_EQ(refusal({.sinks = {{"cloud", false, {{"email", RedactAction::partial}}}}}),
              "sink 'cloud': redaction rule 'email': 'partial' is looser than 'mask' of the base policy: declare the "
              "sink trusted, or make the rule stricter");
    EXPECT_EQ(refusal({.sinks = {{"cloud", true, {{"email", RedactAction::partial}}}}}), "accepted");
}

TEST(RedactionPolicySets, BadOnesAreRefused) {
    EXPECT_EQ(refusal({.services = {{"crm", {{"emial", RedactAction::off}}}}}),
              "service 'crm': redaction rule 'emial': there is no rule of this name");
    EXPECT_EQ(refusal({.services = {{"crm", {}}, {"crm", {}}}}),
              "service 'crm': a service has one redaction, and a name");
    EXPECT_EQ(refusal({.sinks = {{"", false, {}}}}), "sink '': a sink has one redaction, and a name");
}

TEST(RecordRedactors, WhatWasCutLosesItsLastWord) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    Transaction transaction;
    transaction.path.assign("/users/" + std::string(490, 'x') + "/ann@example.com");
    ASSERT_TRUE(transaction.path.cut());
    EXPECT_TRUE(redactor.redact(transaction));
    EXPECT_EQ(transaction.path.view(), "/users/" + std::string(490, 'x') + "/");
}

TEST(RecordRedactors, ProcessesAndRoutes) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    Process process;
    process.comm = "worker";
    process.exe = "/home/ann@example.com/bin/worker";
    process.program = "worker";
    redactor.redact(process);
    EXPECT_EQ(process.exe, "/home/[redacted:email]/bin/worker");
    EXPECT_EQ(process.program, "worker");
    EXPECT_TRUE(redactor.hides("password=hunter2"));
    EXPECT_FALSE(redactor.hides("orders"));
}

}  // namespace
}  // namespace sonde
