#include "sinks/event_json.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/json.hpp>
#include <random>

#include "agent/model/downstream.hpp"

namespace sonde {
namespace {

namespace json = boost::json;

Transaction full_transaction() {
    auto process = std::make_shared<Process>();
    process->pid = 211;
    process->comm = "gunicorn";
    process->exe = "/usr/bin/python3.11";
    process->container_id = "abc";
    Transaction t;
    t.time_ns = 1'767'323'045'678'901'234;
    t.duration_ns = 2'913'000;
    t.phase_ns = {21'000, 4'000, 900'000, 12'000, 1'900'000, 80'000};
    t.request_bytes = 312;
    t.response_bytes = 1840;
    t.request_body_bytes = 0;
    t.response_body_bytes = 1700;
    t.outcome = Outcome::ok;
    t.status = 200;
    t.method = {"GET"};
    t.path = {"/orders/42"};
    t.host = {"shop.local"};
    t.user_agent = {"curl/7.88.1"};
    t.route = "/orders/{id}";
    t.service = "shop";
    t.server = {.address = {10, 0, 0, 5}, .port = 8080, .family = AF_INET};
    t.client = {.address = {203, 0, 113, 9}, .port = 51234, .family = AF_INET};
    t.client_ip = {.address = {203, 0, 113, 9}, .family = AF_INET};
    t.tid = 214;
    t.process = process;
    return t;
}

std::string encode(const Record& record) {
    std::string out;
    append_event_json(out, record);
    return out;
}

json::object parse(const std::string& line) {
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    json::error_code error;
    auto value = json::parse(line, error);
    EXPECT_FALSE(error) << error.message() << ": " << line;
    return error ? json::object{} : value.as_object();
}

TEST(EventJson, WritesTheWholeShape) {
    EXPECT_EQ(
        encode(full_transaction()),
        R"({"type":"transaction","time":"2026-01-02T03:04:05.678901234Z","side":"server","service":"shop",)"
        R"("method":"GET","route":"/orders/{id}","path":"/orders/42","status":200,"outcome":"ok",)"
        R"("protocol":"http/1.1","tls":false,"duration_ns":2913000,"phases":{"queue_ns":21000,"upload_ns":4000,"cpu_ns":900000,)"
        R"("runqueue_ns":12000,"blocked_ns":1900000,"transfer_ns":80000},"request_bytes":312,)"
        R"("response_bytes":1840,"request_body_bytes":0,"response_body_bytes":1700,"host":"shop.local",)"
        R"("user_agent":"curl/7.88.1","client_ip":"203.0.113.9","server":{"address":"10.0.0.5","port":8080},)"
        R"("client":{"address":"203.0.113.9","port":51234},"process":{"pid":211,"tid":214,"comm":"gunicorn",)"
        R"("exe":"/usr/bin/python3.11"},"container":{"id":"abc"},"sample_weight":1,"unobserved":[]})"
        "\n");
}

TEST(EventJson, NamesOfACluster) {
    Transaction transaction;
    auto container = std::make_shared<KubernetesContainer>();
    container->namespace_name = "store";
    container->pod = "shop-1";
    container->owner_kind = "Deployment";
    container->owner = "shop";
    container->labels = {{"app", "sh\"op"}, {"tier", "front"}};
    transaction.kubernetes = container;
    transaction.peer = std::make_shared<KubernetesPeer>(KubernetesPeer{"store", "db", {}});
    std::string line;
    append_event_json(line, transaction);
    EXPECT_NE(line.find(R"("k8s":{"namespace":"store","pod":"shop-1","owner_kind":"Deployment","owner":"shop",)"
                        R"("labels":{"app":"sh\"op","tier":"front"}},"peer":{"namespace":"store","service":"db"})"),
              std::string::npos)
        << line;
}

TEST(EventJson, TraceAndRequestIds) {
    Transaction t;
    t.trace.span_id = 0xab;
    const auto line_of = [&] {
        std::string line;
        append_event_json(line, Record(t));
        return line;
    };
    EXPECT_EQ(line_of().find("\"trace\""), std::string::npos);
    t.trace.request_id.assign("r\"1");
    EXPECT_NE(line_of().find(R"("trace":{"request_id":"r\"1"})"), std::string::npos);
    t.trace.trace_id.assign("4bf92f3577b34da6a3ce929d0e0e4736");
    t.trace.parent_span_id.assign("00f067aa0ba902b7");
    EXPECT_NE(line_of().find(R"("trace":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00000000000000ab",)"
                             R"("parent_span_id":"00f067aa0ba902b7","request_id":"r\"1"})"),
              std::string::npos);
}

TEST(EventJson, NamesWhatWasNotObserved) {
    const auto object = parse(encode(Transaction{}));
    json::array expected;
    for (const auto* name : {"service", "method", "route", "path", "status", "queue", "upload", "cpu", "runqueue",
                             "blocked", "transfer", "request_body_bytes", "response_body_bytes", "host", "user_agent",
                             "client_ip", "server", "client", "process"})
        expected.emplace_back(name);
    EXPECT_EQ(object.at("unobserved").as_array(), expected);
    for (const auto* name : {"service", "method", "route", "path", "status", "request_body_bytes",
                             "response_body_bytes", "host", "user_agent", "client_ip", "server", "client", "process"})
        EXPECT_TRUE(object.at(name).is_null()) << name;
    for (const auto& phase : object.at("phases").as_object()) EXPECT_TRUE(phase.value().is_null());
    EXPECT_FALSE(object.contains("container"));
    EXPECT_EQ(object.at("time").as_string(), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(object.at("outcome").as_string(), "unobserved");
}

TEST(EventJson, AHeaderThatWasNotSentIsEmptyNotUnobserved) {
    auto transaction = full_transaction();
    transaction.host.clear();
    const auto object = parse(encode(transaction));
    EXPECT_EQ(object.at("host").as_string(), "");
    EXPECT_TRUE(object.at("unobserved").as_array().empty());
}

TEST(EventJson, WritesProcessPartsThatAreNotKnownAsNull) {
    auto transaction = full_transaction();
    auto process = std::make_shared<Process>();
    process->pid = 7;
    transaction.process = process;
    transaction.tid = 0;
    const auto object = parse(encode(transaction));
    EXPECT_EQ(json::serialize(object.at("process")), R"({"pid":7,"tid":null,"comm":null,"exe":null})");
    EXPECT_EQ(json::serialize(object.at("unobserved")), R"(["tid","comm","exe"])");
}

TEST(EventJson, WritesIpv6) {
    auto transaction = full_transaction();
    transaction.client.family = AF_INET6;
    transaction.client.address = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    transaction.client_ip = transaction.client;
    const auto object = parse(encode(transaction));
    EXPECT_EQ(object.at("client_ip").as_string(), "2001:db8::1");
    EXPECT_EQ(object.at("client").at("address").as_string(), "2001:db8::1");
}

TEST(EventJson, UnixSocketsHaveNoAddressAndNothingOfItIsUnobserved) {
    auto transaction = full_transaction();
    transaction.server = transaction.client = transaction.client_ip = {.family = AF_UNIX};
    const auto object = parse(encode(transaction));
    EXPECT_TRUE(object.at("client_ip").is_null());
    EXPECT_EQ(json::serialize(object.at("server")), R"({"address":"unix","port":null})");
    EXPECT_EQ(json::serialize(object.at("client")), R"({"address":"unix","port":null})");
    EXPECT_EQ(json::serialize(object.at("unobserved")), "[]");
}

TEST(EventJson, WritesExtremeNumbersAndTimes) {
    auto transaction = full_transaction();
    transaction.time_ns = UINT64_MAX;
    transaction.duration_ns = UINT64_MAX;
    transaction.request_body_bytes = INT64_MAX;
    auto object = parse(encode(transaction));
    EXPECT_EQ(object.at("time").as_string(), "2554-07-21T23:34:33.709551615Z");
    EXPECT_EQ(object.at("duration_ns").as_uint64(), UINT64_MAX);
    EXPECT_EQ(object.at("request_body_bytes").as_int64(), INT64_MAX);
    transaction.time_ns = 1'709'251'199'999'999'999;  // last nanosecond of a leap day
    object = parse(encode(transaction));
    EXPECT_EQ(object.at("time").as_string(), "2024-02-29T23:59:59.999999999Z");
}

std::string path_text(std::string_view path) {
    auto transaction = full_transaction();
    transaction.path = {path};
    return std::string(parse(encode(transaction)).at("path").as_string());
}

TEST(EventJson, EscapesSoThatTheTextComesBack) {
    std::string text;
    for (char c = 0x01; c < 0x7f; ++c) text += c;
    text += std::string_view("\0end", 4);
    text += "\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff";
    EXPECT_EQ(path_text(text), text);
}

TEST(EventJson, ReplacesInvalidUtf8) {
    const std::string bad = "\xEF\xBF\xBD";                               // U+FFFD
    EXPECT_EQ(path_text("a\x80z"), "a" + bad + "z");                      // continuation alone
    EXPECT_EQ(path_text("a\xC0\xAFz"), "a" + bad + bad + "z");            // overlong
    EXPECT_EQ(path_text("a\xE0\x80\xAFz"), "a" + bad + bad + bad + "z");  // overlong
    EXPECT_EQ(path_text("a\xF0\x8F\xBF\xBFz"), "a" + bad + bad + bad + bad + "z");
    EXPECT_EQ(path_text("a\xED\xA0\x80z"), "a" + bad + bad + bad + "z");            // surrogate
    EXPECT_EQ(path_text("a\xF4\x90\x80\x80z"), "a" + bad + bad + bad + bad + "z");  // beyond U+10FFFF
    EXPECT_EQ(path_text("a\xF5z\xFF"), "a" + bad + "z" + bad);
    EXPECT_EQ(path_text("a\xE2\x82z"), "a" + bad + "z");  // one for the part that could have been a character
    EXPECT_EQ(path_text("a\xE2\x82"), "a" + bad);
}

TEST(EventJson, ACutStringStaysValid) {
    const std::string path = std::string(511, 'a') + "\u00e9";  // cut inside the last character
    EXPECT_EQ(path_text(path), std::string(511, 'a') + "\xEF\xBF\xBD");
    EXPECT_EQ(path_text(std::string(511, 'a') + "\"\""), std::string(511, 'a') + "\"");
}

TEST(EventJson, TextLongerThanTheBufferComesThrough) {
    auto process = std::make_shared<Process>();
    process->exe = std::string(10'000, 'x') + "\n" + std::string(10'000, 'y');
    auto transaction = full_transaction();
    transaction.process = process;
    EXPECT_EQ(parse(encode(transaction)).at("process").at("exe").as_string(), process->exe);
}

TEST(EventJson, RandomBytesAlwaysGiveALine) {
    std::mt19937 random(1);  // the same bytes in every run
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 600, '\0');
        for (auto& byte : bytes) byte = static_cast<char>(random() & 0xFFU);
        auto transaction = full_transaction();
        transaction.path = {bytes};
        transaction.host = {bytes};
        transaction.method = {"X" + bytes};
        transaction.route = bytes;
        parse(encode(transaction));
    }
}

TEST(EventJson, AppendsWithoutAllocation) {
    std::string out = "before\n";
    out.reserve(4096);
    const auto* data = out.data();
    append_event_json(out, full_transaction());
    EXPECT_EQ(out.data(), data);
    EXPECT_EQ(out, "before\n" + encode(full_transaction()));
}

TEST(EventJson, WritesWhoseCallItIsAndItsOwnCalls) {
    auto t = full_transaction();
    t.trace.trace_id.assign("4bf92f3577b34da6a3ce929d0e0e4736");
    t.trace.span_id = 0xab;
    t.trace.parent = 0xcd;
    t.trace.parent_match = ParentMatch::connection;
    auto calls = std::make_shared<DownstreamCalls>();
    calls->count = 2;
    calls->dropped = 1;
    calls->waited_ns = 1'500'000;
    auto& first = calls->calls[0];
    first.span_id = 0xef;
    first.start_ns = 100;
    first.duration_ns = 200;
    first.status = 503;
    first.outcome = Outcome::error;
    first.match = ParentMatch::thread;
    first.method = {"GET"};
    first.route = "/stock/{id}";
    first.service = "stock";
    first.peer = {.address = {10, 0, 0, 6}, .port = 81, .family = AF_INET};
    t.downstream = calls;
    const auto line = parse(encode(t));
    EXPECT_EQ(json::serialize(line.at("trace")),
              R"({"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00000000000000ab",)"
              R"("parent":{"span_id":"00000000000000cd","match":"connection"}})");
    EXPECT_EQ(line.at("downstream_ns"), 1'500'000);
    EXPECT_EQ(line.at("downstream_dropped"), 1);
    EXPECT_EQ(
        json::serialize(line.at("downstream").at(0)),
        R"({"span_id":"00000000000000ef","match":"thread","service":"stock","method":"GET","route":"/stock/{id}",)"
        R"("peer":{"address":"10.0.0.6","port":81},"protocol":"http/1.1","status":503,"outcome":"error",)"
        R"("start_ns":100,"duration_ns":200})");
    EXPECT_TRUE(line.at("downstream").at(1).at("duration_ns").is_null());
    EXPECT_TRUE(line.at("downstream").at(1).at("peer").is_null());
    EXPECT_TRUE(line.at("unobserved").as_array().empty());
}

TEST(EventJson, WritesAWebSocket) {
    auto t = full_transaction();
    t.protocol = Protocol::websocket;
    t.status = 101;
    t.websocket.messages = {3, -1};
    t.websocket.bytes = {30, -1};
    t.websocket.close_code = 1001;
    t.websocket.has_closer = true;
    t.websocket.closed_by = Side::client;
    const auto line = parse(encode(t));
    EXPECT_EQ(json::serialize(line.at("websocket")),
              R"({"messages_received":3,"messages_sent":null,"bytes_received":30,"bytes_sent":null,)"
              R"("close_code":1001,"closed_by":"client"})");
    EXPECT_EQ(json::serialize(line.at("unobserved")), R"(["messages_sent","bytes_sent"])");
}

TEST(EventJson, WritesLoss) {
    LossRecord loss;
    loss.time_ns = 1'000'000'001;
    loss.in_flight = 2;
    auto& head = loss.since_last.rows[SONDE_REC_REQUEST_HEAD];
    head.seen = 20;
    head.delivered = 5;
    head.lost = {12, 0, 3, 0};
    auto& open = loss.since_last.rows[SONDE_REC_CONN_OPEN];
    open.seen = open.delivered = 4;
    const auto line = encode(loss);
    parse(line);
    EXPECT_EQ(line,
              R"({"type":"loss","time":"1970-01-01T00:00:01.000000001Z","lost":[)"
              R"({"record":"request_head","reason":"ring_full","count":12},)"
              R"({"record":"request_head","reason":"read_fault","count":3}],"seen":24,"delivered":9,"in_flight":2})"
              "\n");
}

}  // namespace
}  // namespace sonde
