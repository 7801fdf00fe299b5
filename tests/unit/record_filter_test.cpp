#include "sinks/delivery/record_filter.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sinks/delivery/field_selection.hpp"
#include "sinks/event_json.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

bool passes(const FilterOptions& options, const Record& record) {
    const auto filter = RecordFilter::build(options);
    EXPECT_TRUE(filter);
    return filter && filter->passes(record);
}

Record with_status(std::uint16_t status) {
    auto transaction = sample_transaction(1);
    transaction.status = status;
    return transaction;
}

TEST(RecordFilter, WithoutConditionsEverythingPasses) {
    EXPECT_TRUE(passes({}, sample_transaction(1)));
    EXPECT_TRUE(passes({}, LossRecord{}));
    EXPECT_TRUE(RecordFilter().passes(Record(Transaction{})));
}

TEST(RecordFilter, ByType) {
    EXPECT_FALSE(passes({.types = {"loss"}}, sample_transaction(1)));
    EXPECT_TRUE(passes({.types = {"loss"}}, LossRecord{}));
    EXPECT_TRUE(passes({.types = {"loss", "transaction"}}, sample_transaction(1)));
    EXPECT_FALSE(passes({.types = {"transaction"}}, LossRecord{}));
    const auto bad = RecordFilter::build({.types = {"audit"}});
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message(), "no records of type \"audit\": choose from: transaction, loss, log, alert");
}

TEST(RecordFilter, ByLevel) {
    EXPECT_TRUE(passes({.min_level = Level::error}, with_status(500)));
    EXPECT_FALSE(passes({.min_level = Level::error}, with_status(404)));
    EXPECT_TRUE(passes({.min_level = Level::warning}, with_status(404)));
    EXPECT_FALSE(passes({.min_level = Level::warning}, with_status(304)));
    EXPECT_TRUE(passes({.min_level = Level::warning}, LossRecord{}));
    auto broken = sample_transaction(1);
    broken.outcome = Outcome::error;
    EXPECT_TRUE(passes({.min_level = Level::error}, broken));
    broken.outcome = Outcome::aborted;
    EXPECT_EQ(level_of(broken), Level::warning);
}

TEST(RecordFilter, ByStatus) {
    const FilterOptions client_errors{.status_min = 400, .status_max = 499};
    EXPECT_TRUE(passes(client_errors, with_status(400)));
    EXPECT_TRUE(passes(client_errors, with_status(499)));
    EXPECT_FALSE(passes(client_errors, with_status(500)));
    EXPECT_FALSE(passes(client_errors, with_status(0)));
    EXPECT_FALSE(passes({.status_max = 299}, with_status(0)));  // not observed is in no range
    EXPECT_FALSE(RecordFilter::build({.status_min = 500, .status_max = 400}));
}

TEST(RecordFilter, ByServiceAndRoute) {
    EXPECT_TRUE(passes({.services = {"pay", "sh*"}}, sample_transaction(1)));
    EXPECT_FALSE(passes({.services = {"pay", "shops*"}}, sample_transaction(1)));
    EXPECT_TRUE(passes({.routes = {"/orders/{id}"}}, sample_transaction(1)));
    EXPECT_TRUE(passes({.routes = {"*"}}, sample_transaction(1)));
    EXPECT_FALSE(passes({.services = {"shop"}, .routes = {"/orders"}}, sample_transaction(1)));
}

TEST(RecordFilter, ByFields) {
    auto transaction = sample_transaction(7);
    auto process = std::make_shared<Process>();
    process->comm = "gunicorn";
    process->container_id = "c0ffee";
    transaction.process = process;
    transaction.trace.request_id.assign("r-1");
    const std::vector<std::pair<std::string, std::string>> values{
        {"side", "server"},       {"method", "GET"},    {"path", "/orders/7"}, {"host", "shop.local"},
        {"protocol", "http/1.1"}, {"tls", "false"},     {"outcome", "ok"},     {"user_agent", "curl/*"},
        {"comm", "gunicorn"},     {"container", "c0*"}, {"trace_id", "4bf9*"}, {"request_id", "r-1"}};
    EXPECT_EQ(values.size(), filter_fields.size());
    for (const auto& [field, value] : values) {
        EXPECT_TRUE(passes({.fields = {{.field = field, .values = {"other", value}}}}, transaction)) << field;
        EXPECT_FALSE(passes({.fields = {{.field = field, .values = {"other"}}}}, transaction)) << field;
        EXPECT_FALSE(passes({.fields = {{.field = field, .values = {value}, .negate = true}}}, transaction)) << field;
    }
    EXPECT_TRUE(passes({.fields = {{.field = "host", .values = {"shop.local"}}}}, LossRecord{}));
    EXPECT_FALSE(RecordFilter::build({.fields = {{.field = "colour", .values = {"red"}}}}));
}

std::string written(const FieldSelectionOptions& options, const Record& record) {
    std::string out = "before";
    EventWriter(options).append(out, record);
    return out.substr(6);
}

TEST(EventWriter, WritesTheEventLine) {
    std::string line;
    append_event_json(line, sample_transaction(1));
    EXPECT_EQ(written({}, sample_transaction(1)) + "\n", line);
    EXPECT_EQ(written({.without = {"nothing"}}, sample_transaction(1)) + "\n", line);
}

TEST(EventWriter, LeavesFieldsOut) {
    auto transaction = sample_transaction(1);
    transaction.path.assign("/a\\\",\"b\":{}");
    const auto event =
        boost::json::parse(written({.only = {"path", "status", "phases"}, .without = {"status"}}, transaction));
    const auto& object = event.as_object();
    EXPECT_EQ(object.size(), 4);
    EXPECT_EQ(object.at("type").as_string(), "transaction");
    EXPECT_TRUE(object.contains("time"));
    EXPECT_EQ(object.at("path").as_string(), "/a\\\",\"b\":{}");
    EXPECT_EQ(object.at("phases").as_object().size(), phase_count);
    const auto loss = boost::json::parse(written({.only = {"seen"}}, LossRecord{}));
    EXPECT_EQ(loss.as_object().size(), 3);
    EXPECT_EQ(loss.at("seen").as_int64(), 0);
}

}  // namespace
}  // namespace sonde
