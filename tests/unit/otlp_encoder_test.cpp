#include "sinks/otlp/span_encoder.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <map>
#include <protozero/pbf_writer.hpp>
#include <set>

#include "sinks/make_sink.hpp"
#include "sinks/otlp/otlp_ids.hpp"
#include "sinks/otlp/partial_success.hpp"
#include "sinks/otlp/span_attributes.hpp"
#include "tests/support/http_receiver.hpp"
#include "tests/support/otlp_schema.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

using Attributes = std::map<std::string, std::string>;  // values as text: s:…, i:…, d:…

struct Span {
    std::string trace_id, span_id, parent_id, name;  // ids as hexadecimal
    std::int64_t kind = 0;
    std::uint64_t start = 0, end = 0;
    Attributes attributes;
    struct Event {
        std::uint64_t time = 0;
        std::string name;
        Attributes attributes;
    };
    std::vector<Event> events;
    std::int64_t dropped_events = 0;
    std::int64_t status = 0;
};

struct ResourceSpans {
    Attributes resource;
    std::string scope;
    std::vector<Span> spans;
};

std::vector<ResourceSpans> read(OtlpFormat format, const std::string& body) {
    std::vector<ResourceSpans> out;
    const auto request = read_otlp("TraceRequest", format == OtlpFormat::json, body);
    for (const auto& entry : request.at("resourceSpans").as_array()) {
        auto& group = out.emplace_back();
        group.resource = otlp_attributes(entry.at("resource").at("attributes"));
        const auto& scope_spans = entry.at("scopeSpans").as_array().at(0);
        for (const auto* name : {"name", "version"})
            group.scope += std::string(scope_spans.at("scope").at(name).as_string()) + " ";
        for (const auto& span_value : scope_spans.at("spans").as_array()) {
            const auto& object = span_value.as_object();
            const auto text = [&](const char* name) {
                return object.contains(name) ? std::string(object.at(name).as_string()) : std::string();
            };
            auto& span = group.spans.emplace_back();
            span.trace_id = text("traceId");
            span.span_id = text("spanId");
            span.parent_id = text("parentSpanId");
            span.name = text("name");
            span.kind = object.at("kind").as_int64();
            span.start = std::stoull(text("startTimeUnixNano"));
            span.end = std::stoull(text("endTimeUnixNano"));
            span.attributes = otlp_attributes(object.at("attributes"));
            if (object.contains("events"))
                for (const auto& event : object.at("events").as_array())
                    span.events.push_back({std::stoull(std::string(event.at("timeUnixNano").as_string())),
                                           std::string(event.at("name").as_string()),
                                           otlp_attributes(event.at("attributes"))});
            if (object.contains("droppedEventsCount")) span.dropped_events = object.at("droppedEventsCount").as_int64();
            if (object.contains("status") && object.at("status").as_object().contains("code"))
                span.status = object.at("status").at("code").as_int64();
        }
    }
    return out;
}

class OtlpEncoderTest : public testing::TestWithParam<OtlpFormat> {
protected:
    SpanEncoder encoder_{{.format = GetParam(), .gzip = false, .resource = {{"host.name", "n1"}}}, "1.2.3", 7};
};

Transaction served() {
    auto transaction = sample_transaction(1);
    auto process = std::make_shared<Process>();
    process->pid = 211;
    process->comm = "gunicorn";
    process->exe = "/usr/bin/python3.11";
    process->container_id = "c0ffee";
    process->container_name = "shop-web-1";
    transaction.process = process;
    transaction.tid = 214;
    transaction.sample_weight = 2.5;
    transaction.phase_ns[0] = 21'000;
    transaction.phase_ns[2] = 900'000;
    transaction.trace.request_id.assign("r-1");
    return transaction;
}

TEST_P(OtlpEncoderTest, AServersSpanHasEveryField) {
    ASSERT_TRUE(encoder_.add(served()));
    EXPECT_GT(encoder_.bytes(), 500);
    const auto groups = read(GetParam(), encoder_.take());
    EXPECT_EQ(encoder_.bytes(), 0);
    ASSERT_EQ(groups.size(), 1);
    EXPECT_EQ(groups[0].scope, "sonde 1.2.3 ");
    EXPECT_EQ(groups[0].resource, (Attributes{{"service.name", "s:shop"},
                                              {"process.pid", "i:211"},
                                              {"process.executable.path", "s:/usr/bin/python3.11"},
                                              {"process.executable.name", "s:gunicorn"},
                                              {"container.id", "s:c0ffee"},
                                              {"container.name", "s:shop-web-1"},
                                              {"host.name", "s:n1"},
                                              {"telemetry.sdk.name", "s:sonde"},
                                              {"telemetry.sdk.language", "s:cpp"},
                                              {"telemetry.sdk.version", "s:1.2.3"}}));
    ASSERT_EQ(groups[0].spans.size(), 1);
    const auto& span = groups[0].spans[0];
    EXPECT_EQ(span.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(span.span_id, "1122334455667789");
    EXPECT_EQ(span.parent_id, "00f067aa0ba902b7");
    EXPECT_EQ(span.name, "GET /orders/{id}");
    EXPECT_EQ(span.kind, 2);
    EXPECT_EQ(span.start, 1'700'000'000'001'000'000);
    EXPECT_EQ(span.end, 1'700'000'000'003'500'000);
    EXPECT_EQ(span.status, 0);
    EXPECT_EQ(span.attributes, (Attributes{{"http.request.method", "s:GET"},
                                           {"http.response.status_code", "i:200"},
                                           {"http.route", "s:/orders/{id}"},
                                           {"url.path", "s:/orders/1"},
                                           {"url.scheme", "s:http"},
                                           {"network.protocol.name", "s:http"},
                                           {"network.protocol.version", "s:1.1"},
                                           {"user_agent.original", "s:curl/7.88.1"},
                                           {"server.address", "s:shop.local"},
                                           {"server.port", "i:8080"},
                                           {"client.address", "s:203.0.113.9"},
                                           {"network.peer.address", "s:10.0.0.7"},
                                           {"network.peer.port", "i:51234"},
                                           {"network.transport", "s:tcp"},
                                           {"http.request.body.size", "i:0"},
                                           {"http.response.body.size", "i:1500"},
                                           {"http.request.size", "i:312"},
                                           {"http.response.size", "i:1840"},
                                           {"thread.id", "i:214"},
                                           {"sonde.outcome", "s:ok"},
                                           {"sonde.phase.queue_ns", "i:21000"},
                                           {"sonde.phase.cpu_ns", "i:900000"},
                                           {"sonde.request_id", "s:r-1"},
                                           {"sonde.sample_weight", "d:2.500000"}}));
}

TEST_P(OtlpEncoderTest, AClientsSpanIsOne) {
    auto transaction = sample_transaction(1);
    transaction.side = Side::client;
    transaction.status = 404;
    transaction.tls = true;
    ASSERT_TRUE(encoder_.add(transaction));
    const auto span = read(GetParam(), encoder_.take()).at(0).spans.at(0);
    EXPECT_EQ(span.kind, 3);
    EXPECT_EQ(span.name, "GET");
    EXPECT_EQ(span.status, 2);  // to a client, 4xx is an error
    EXPECT_EQ(span.attributes.at("error.type"), "s:404");
    EXPECT_EQ(span.attributes.at("url.scheme"), "s:https");
    EXPECT_EQ(span.attributes.at("network.peer.address"), "s:10.0.0.5");
    EXPECT_EQ(span.attributes.count("http.route"), 0);
}

TEST_P(OtlpEncoderTest, WhatWasNotObservedIsNotThere) {
    Transaction bare;
    bare.time_ns = 5;
    bare.outcome = Outcome::error;
    ASSERT_TRUE(encoder_.add(bare));
    const auto group = read(GetParam(), encoder_.take()).at(0);
    EXPECT_EQ(group.resource.at("service.name"), "s:unknown_service");
    EXPECT_EQ(group.resource.count("process.pid"), 0);
    const auto& span = group.spans.at(0);
    EXPECT_EQ(span.name, "HTTP");
    EXPECT_EQ(span.status, 2);
    EXPECT_EQ(span.attributes.at("error.type"), "s:error");
    for (const auto* key : {"http.request.method", "http.response.status_code", "url.path", "server.address",
                            "http.request.body.size", "sonde.phase.queue_ns", "thread.id", "network.peer.address"})
        EXPECT_EQ(span.attributes.count(key), 0) << key;
    EXPECT_EQ(span.parent_id, "");
}

TEST_P(OtlpEncoderTest, LogLinesAreEventsOfTheirSpan) {
    auto transaction = served();
    auto logs = std::make_shared<TransactionLogs>();
    logs->lines = {{1'700'000'000'002'000'000, Severity::error, LogMatch::thread, 1, false, "cannot pay \"x\""},
                   {1'700'000'000'003'000'000, Severity::info, LogMatch::process, 0.5, true, "done"}};
    logs->dropped = 3;
    logs->attributes = {{"user_id", "42"}, {"url.path", "/elsewhere"}};
    transaction.logs = logs;
    ASSERT_TRUE(encoder_.add(transaction));
    const auto groups = read(GetParam(), encoder_.take());
    const auto& span = groups.at(0).spans.at(0);
    ASSERT_EQ(span.events.size(), 2);
    EXPECT_EQ(span.events[0].time, 1'700'000'000'002'000'000);
    EXPECT_EQ(span.events[0].name, "log");
    EXPECT_EQ(span.events[0].attributes, (Attributes{{"log.severity", "s:error"},
                                                     {"log.message", "s:cannot pay \"x\""},
                                                     {"sonde.match", "s:thread"},
                                                     {"sonde.confidence", "d:1.000000"}}));
    EXPECT_EQ(span.events[1].attributes.at("sonde.confidence"), "d:0.500000");
    EXPECT_TRUE(span.events[1].attributes.contains("sonde.log.cut"));
    EXPECT_EQ(span.dropped_events, 3);
    EXPECT_EQ(span.attributes.at("user_id"), "s:42");
    EXPECT_EQ(span.attributes.at("url.path"), "s:/orders/1") << "a key is there once";
}

TEST_P(OtlpEncoderTest, IdsAreMadeWhereThereAreNone) {
    std::set<std::string> traces;
    for (int i = 0; i < 50; ++i) {
        Transaction bare;
        bare.trace.parent_span_id.assign("00f067aa0ba902b7");  // of no trace
        encoder_.add(bare);
    }
    auto short_id = sample_transaction(1);
    short_id.trace.trace_id.assign("a3ce929d0e0e4736");  // 64 bits, as B3 allows
    encoder_.add(short_id);
    const auto groups = read(GetParam(), encoder_.take());
    for (const auto& span : groups.at(0).spans) {
        EXPECT_EQ(span.trace_id.size(), 32);
        EXPECT_EQ(span.span_id.size(), 16);
        EXPECT_EQ(span.parent_id, "");
        traces.insert(span.trace_id);
    }
    EXPECT_EQ(traces.size(), 50);
    EXPECT_EQ(groups.at(1).spans.at(0).trace_id, "0000000000000000a3ce929d0e0e4736");
}

TEST_P(OtlpEncoderTest, ARequestAndItsLinesShareATraceThatNobodyNamed) {
    Transaction bare;
    bare.trace.span_id = 0x1122334455667788;
    encoder_.add(bare);
    const auto span = read(GetParam(), encoder_.take()).at(0).spans.at(0);
    EXPECT_EQ(span.span_id, "1122334455667788");
    EXPECT_EQ(span.trace_id, otlp_hex(trace_id_of_span(0x1122334455667788)));
}

TEST_P(OtlpEncoderTest, SpansAreGroupedByProcess) {
    for (const auto* service : {"a", "b", "a"}) ASSERT_TRUE(encoder_.add(sample_transaction(1, service)));
    EXPECT_FALSE(encoder_.add(LossRecord{}));
    const auto groups = read(GetParam(), encoder_.take());
    ASSERT_EQ(groups.size(), 2);
    EXPECT_EQ(groups[0].spans.size(), 2);
    EXPECT_EQ(groups[1].resource.at("service.name"), "s:b");
}

INSTANTIATE_TEST_SUITE_P(Formats, OtlpEncoderTest, testing::Values(OtlpFormat::protobuf, OtlpFormat::json),
                         [](const auto& format) { return format.param == OtlpFormat::json ? "json" : "protobuf"; });

TEST(SpanAttributes, HostsComeWithoutPorts) {
    EXPECT_EQ(host_without_port("shop.local:8080"), "shop.local");
    EXPECT_EQ(host_without_port("shop.local"), "shop.local");
    EXPECT_EQ(host_without_port("[::1]:80"), "::1");
    EXPECT_EQ(host_without_port(""), "");
}

std::string partial_protobuf(std::int64_t rejected, const std::string& message) {
    std::string body;
    protozero::pbf_writer response(body);
    protozero::pbf_writer partial(response, 1);
    partial.add_int64(1, rejected);
    partial.add_string(2, message);
    return body;
}

TEST(OtlpUrl, ASignalHasAPathOfItsOwn) {
    EXPECT_EQ(otlp_url("http://h:4318", OtlpSignal::traces), "http://h:4318/v1/traces");
    EXPECT_EQ(otlp_url("http://h:4318/", OtlpSignal::logs), "http://h:4318/v1/logs");
    EXPECT_EQ(otlp_url("https://h/a/otlp?k=v", OtlpSignal::metrics), "https://h/a/otlp/v1/metrics?k=v");
    EXPECT_EQ(otlp_url("http://h/v1/traces", OtlpSignal::traces), "http://h/v1/traces");
    EXPECT_EQ(otlp_url("http://h/v1/logs/", OtlpSignal::logs), "http://h/v1/logs/");
    EXPECT_EQ(otlp_signal_of_url("http://h/v1/logs?x=/v1/metrics"), OtlpSignal::logs);
    EXPECT_EQ(otlp_signal_of_url("http://h/v1"), std::nullopt);
}

SinkOptions otlp_sink(std::vector<std::string> signals, std::string url = "http://127.0.0.1:4318") {
    SinkOptions options;
    options.type = SinkType::otlp;
    options.name = "far";
    options.http.url = std::move(url);
    options.otlp.signals = std::move(signals);
    return options;
}

TEST(OtlpSignals, AreSinksOfTheirOwn) {
    auto options = otlp_sink({"traces", "logs", "metrics"});
    options.spool.directory = "/spool";
    const auto parts = by_signal(options);
    ASSERT_EQ(parts.size(), 3);
    EXPECT_EQ(parts[1].name, "far_logs");
    EXPECT_EQ(parts[1].spool.directory, "/spool_logs");
    EXPECT_EQ(parts[1].fallback_directory, "");
    EXPECT_EQ(carried_by(parts[0]), Carries::all_but_logs);
    EXPECT_EQ(carried_by(parts[1]), Carries::logs);
    EXPECT_EQ(carried_by(parts[2]), Carries::nothing);
    options = otlp_sink({"logs"});
    EXPECT_EQ(by_signal(options).at(0).name, "far");  // one that sends one thing keeps its name
}

TEST(OtlpSignals, MustExistAndFitTheUrl) {
    EXPECT_TRUE(check_sink(otlp_sink({"traces", "logs", "metrics"})));
    EXPECT_TRUE(check_sink(otlp_sink({"logs"}, "http://h/v1/logs")));
    EXPECT_FALSE(check_sink(otlp_sink({})));
    EXPECT_FALSE(check_sink(otlp_sink({"profiles"})));
    EXPECT_FALSE(check_sink(otlp_sink({"logs", "logs"})));
    const auto wrong = check_sink(otlp_sink({"traces", "logs"}, "http://h/v1/traces"));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().what, "sink far: its URL is that of traces, and it sends logs");
    EXPECT_FALSE(make_delivery(otlp_sink({"metrics"})));  // there are none here
}

TEST(PartialSuccess, IsRead) {
    std::string message;
    EXPECT_EQ(read_partial_success(OtlpFormat::protobuf, OtlpSignal::traces, partial_protobuf(3, "too\nold"), message),
              3);
    EXPECT_EQ(message, "too old");
    EXPECT_EQ(read_partial_success(OtlpFormat::protobuf, OtlpSignal::traces, "", message), 0);
    EXPECT_EQ(read_partial_success(OtlpFormat::protobuf, OtlpSignal::traces, partial_protobuf(-1, ""), message), 0);
    EXPECT_EQ(read_partial_success(OtlpFormat::protobuf, OtlpSignal::traces, "<html>", message), 0);
    const auto* const body = R"({"partialSuccess": {"rejectedSpans": "12", "errorMessage":"no"}})";
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::traces, body, message), 12);
    EXPECT_EQ(message, "no");
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::traces, R"({"partialSuccess":{"rejectedSpans":7}})",
                                   message),
              7);
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::traces, "{}", message), 0);
    const auto* const logs = R"({"partialSuccess":{"rejectedLogRecords":"5","errorMessage":"late"}})";
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::logs, logs, message), 5);
    EXPECT_EQ(message, "late");
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::metrics, logs, message), 0);
    const auto* const points = R"({"partialSuccess":{"rejectedDataPoints":"6"}})";
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::metrics, points, message), 6);
    for (const auto signal : {OtlpSignal::logs, OtlpSignal::metrics})
        EXPECT_EQ(read_partial_success(OtlpFormat::protobuf, signal, partial_protobuf(2, ""), message), 2);
    EXPECT_EQ(read_partial_success(OtlpFormat::json, OtlpSignal::traces, R"({"rejectedSpans":99999999999999999999999})",
                                   message),
              UINT32_MAX);
}

std::string gunzip(const std::string& packed) {
    z_stream stream{};
    EXPECT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
    std::string out(1 << 20, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    ::inflateEnd(&stream);
    return out;
}

TEST(OtlpSink, SendsGzipAndCountsWhatIsRefused) {
    const HttpReceiver receiver([](const ReceivedRequest&) {
        return ReceiverAnswer{.headers = {"Content-Type: application/x-protobuf"}, .body = partial_protobuf(1, "no")};
    });
    SinkOptions options;
    options.type = SinkType::otlp;
    options.http.url = receiver.url("/v1/traces");
    options.batch.time_ms = 20;
    auto delivery = make_delivery(options);
    ASSERT_TRUE(delivery) << delivery.error().message();
    (*delivery)->offer(Record(LossRecord{}));
    for (std::uint64_t i = 0; i < 5; ++i) (*delivery)->offer(sample_transaction(i));
    ASSERT_TRUE(eventually([&] { return (*delivery)->stats().sink.exported.delivered >= 4; }));
    (*delivery)->stop();
    const auto stats = (*delivery)->stats().sink.exported;
    EXPECT_TRUE(adds_up(stats));
    EXPECT_EQ(stats.skipped, 1);
    EXPECT_EQ(stats.delivered, 6 - 1 - stats.dropped_total());
    EXPECT_EQ(stats.dropped[static_cast<std::size_t>(DropReason::rejected)], receiver.count());
    std::size_t spans = 0;
    for (const auto& request : receiver.requests()) {
        EXPECT_EQ(request.headers.at("content-type"), "application/x-protobuf");
        EXPECT_EQ(request.headers.at("content-encoding"), "gzip");
        const auto groups = read(OtlpFormat::protobuf, gunzip(request.body));
        EXPECT_TRUE(groups.at(0).resource.contains("host.name"));
        spans += groups.at(0).spans.size();
    }
    EXPECT_EQ(spans, 5);
}

}  // namespace
}  // namespace sonde
