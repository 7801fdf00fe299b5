// Bodies are decoded by hand from the published specification (pkg/push/push.proto and the HTTP API's JSON), not with
// what encoded them.
#include "sinks/loki/loki_encoder.hpp"

#include <gtest/gtest.h>
#include <snappy.h>

#include <boost/json.hpp>
#include <map>
#include <protozero/pbf_reader.hpp>

#include "sinks/make_sink.hpp"
#include "tests/support/http_receiver.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

struct PushEntry {
    std::int64_t seconds = 0;
    std::int32_t nanos = 0;
    std::string line;
    std::map<std::string, std::string> metadata;
};
using Push = std::map<std::string, std::vector<PushEntry>>;  // labels as they stand → entries in their order

PushEntry read_entry(protozero::pbf_reader in) {
    PushEntry entry;
    while (in.next()) {
        if (in.tag() == 1) {
            auto time = in.get_message();
            while (time.next()) {
                if (time.tag() == 1)
                    entry.seconds = time.get_int64();
                else
                    entry.nanos = time.get_int32();
            }
        } else if (in.tag() == 2) {
            entry.line = in.get_string();
        } else if (in.tag() == 3) {
            auto pair = in.get_message();
            std::string name;
            while (pair.next()) {
                if (pair.tag() == 1)
                    name = pair.get_string();
                else
                    entry.metadata[name] = pair.get_string();
            }
        } else {
            ADD_FAILURE() << "no such field: " << in.tag();
            in.skip();
        }
    }
    return entry;
}

Push read_protobuf(const std::string& body) {
    std::string plain;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    Push push;
    protozero::pbf_reader request(plain);
    while (request.next(1)) {
        auto stream = request.get_message();
        std::string labels;
        while (stream.next()) {
            if (stream.tag() == 1)
                labels = stream.get_string();
            else
                push[labels].push_back(read_entry(stream.get_message()));
        }
    }
    return push;
}

std::unique_ptr<LokiEncoder> encoder(const LokiOptions& options) {
    auto made = LokiEncoder::create(options, {});
    if (!made) throw std::runtime_error(made.error().message());
    return std::move(*made);
}

TEST(LokiEncoder, ProtobufHasStreamsWithTheirEntriesInOrder) {
    const auto loki = encoder({.structured_metadata = {"trace_id", "span_id", "route", "status", "request_id"}});
    for (const std::uint64_t number : {3, 1, 2}) ASSERT_TRUE(loki->add(sample_transaction(number)));
    auto failed = sample_transaction(9, "pay\"ments\n");
    failed.status = 502;
    ASSERT_TRUE(loki->add(failed));
    ASSERT_TRUE(loki->add(LossRecord{.time_ns = 5'000'000'007}));
    EXPECT_GT(loki->bytes(), 2000);
    const auto push = read_protobuf(loki->take());
    EXPECT_LT(loki->bytes(), 1);
    ASSERT_EQ(push.size(), 3);
    const auto& shop = push.at(R"({job="sonde", service_name="shop", side="server", level="info"})");
    ASSERT_EQ(shop.size(), 3);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(shop[i].seconds, 1'700'000'000);
        EXPECT_EQ(shop[i].nanos, (static_cast<int>(i) + 1) * 1'000'000);
        const auto event = boost::json::parse(shop[i].line);
        EXPECT_EQ(event.at("path").as_string(), "/orders/" + std::to_string(i + 1));
        const std::map<std::string, std::string> expected{
            {"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"},
            {"span_id", std::array{"1122334455667789", "112233445566778a", "112233445566778b"}[i]},
            {"route", "/orders/{id}"},
            {"status", "200"}};
        EXPECT_EQ(shop[i].metadata, expected);
    }
    EXPECT_EQ(push.at(R"({job="sonde", service_name="pay\"ments\n", side="server", level="error"})").size(), 1);
    const auto& loss = push.at(R"({job="sonde", level="warning"})");
    ASSERT_EQ(loss.size(), 1);
    EXPECT_EQ(loss[0].seconds, 5);
    EXPECT_EQ(loss[0].nanos, 7);
    EXPECT_TRUE(loss[0].metadata.empty());
    EXPECT_EQ(boost::json::parse(loss[0].line).at("type").as_string(), "loss");
    // nothing of it is in the next one
    ASSERT_TRUE(loki->add(sample_transaction(4)));
    EXPECT_EQ(read_protobuf(loki->take()).size(), 1);
}

TEST(LokiEncoder, JsonSaysTheSame) {
    const auto loki = encoder({.format = LokiFormat::json,
                               .labels = {"service", "status_class", "method", "route", "outcome"},
                               .static_labels = {{"host", "n1"}, {"env", "prod"}},
                               .structured_metadata = {"trace_id", "status"}});
    loki->add(sample_transaction(2));
    loki->add(sample_transaction(1));
    loki->add(LossRecord{.time_ns = 7});
    const auto body = boost::json::parse(loki->take());
    const auto& streams = body.at("streams").as_array();
    ASSERT_EQ(streams.size(), 2);
    EXPECT_EQ(boost::json::serialize(streams[0].at("stream")),
              R"({"host":"n1","env":"prod","service_name":"shop","status_class":"2xx","method":"GET",)"
              R"("route":"/orders/{id}","outcome":"ok"})");
    const auto& values = streams[0].at("values").as_array();
    ASSERT_EQ(values.size(), 2);
    EXPECT_EQ(values[0].at(0).as_string(), "1700000000001000000");
    EXPECT_EQ(boost::json::parse(values[0].at(1).as_string()).at("path").as_string(), "/orders/1");
    EXPECT_EQ(boost::json::serialize(values[0].at(2)),
              R"({"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","status":"200"})");
    const auto& loss = streams[1].at("values").as_array();
    ASSERT_EQ(loss.size(), 1);
    EXPECT_EQ(loss[0].at(0).as_string(), "7");
    EXPECT_EQ(loss[0].as_array().size(), 2);  // no metadata, no third element
}

TEST(LokiEncoder, StreamsAreBounded) {
    const auto loki = encoder({.labels = {"service"}, .max_streams = 3});
    const std::vector<std::string> services{"a", "b", "c", "d", "e", "a"};
    for (const auto& service : services) loki->add(sample_transaction(1, service));
    const auto push = read_protobuf(loki->take());
    EXPECT_EQ(push.size(), 4);
    EXPECT_EQ(push.at(R"({job="sonde", service_name="a"})").size(), 2);
    EXPECT_EQ(push.at(R"({job="sonde", overflow="true"})").size(), 2);
    EXPECT_EQ(loki->overflowed(), 2);
}

TEST(LokiEncoder, LabelsThatLokiWouldRefuseAreErrors) {
    EXPECT_FALSE(LokiEncoder::create({.labels = {"path"}}, {}));      // without bound
    EXPECT_FALSE(LokiEncoder::create({.labels = {"trace_id"}}, {}));  // of each request another
    EXPECT_FALSE(LokiEncoder::create({.static_labels = {{"a-b", "c"}}}, {}));
    EXPECT_FALSE(LokiEncoder::create({.static_labels = {{"1a", "c"}}}, {}));
    EXPECT_FALSE(LokiEncoder::create({.static_labels = {{"a", ""}}}, {}));
    EXPECT_FALSE(LokiEncoder::create({.static_labels = {}}, {}));
    EXPECT_FALSE(LokiEncoder::create({.structured_metadata = {"cookie"}}, {}));
}

TEST(LokiSink, PushesWithItsHeaders) {
    const HttpReceiver receiver([](const ReceivedRequest&) { return ReceiverAnswer{.status = 204}; });
    SinkOptions options;
    options.type = SinkType::loki;
    options.http.url = receiver.url("/loki/api/v1/push");
    options.loki.tenant = "team-a";
    options.batch.time_ms = 10;
    for (const auto format : {LokiFormat::protobuf, LokiFormat::json}) {
        options.loki.format = format;
        auto delivery = make_delivery(options);
        ASSERT_TRUE(delivery) << delivery.error().message();
        (*delivery)->offer(sample_transaction(1));
        ASSERT_TRUE(eventually([&] { return (*delivery)->stats().sink.exported.delivered == 1; }));
        const auto request = receiver.requests().back();
        EXPECT_EQ(request.path, "/loki/api/v1/push");
        EXPECT_EQ(request.headers.at("x-scope-orgid"), "team-a");
        const bool protobuf = format == LokiFormat::protobuf;
        EXPECT_EQ(request.headers.at("content-type"), protobuf ? "application/x-protobuf" : "application/json");
        EXPECT_EQ(request.headers.count("content-encoding"), protobuf ? 0 : 1);
        if (protobuf) {
            EXPECT_EQ(read_protobuf(request.body).begin()->second.size(), 1);
        }
    }
}

}  // namespace
}  // namespace sonde
