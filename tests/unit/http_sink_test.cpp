// A webhook behind its delivery against a server that fails in every way it can: the counts add up, and what was
// said to be delivered was received.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstring>
#include <set>

#include "sinks/make_sink.hpp"
#include "tests/support/http_receiver.hpp"
#include "tests/support/records.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

using namespace std::chrono_literals;
using Kind = ReceiverAnswer::Kind;

SinkOptions webhook(const HttpReceiver& receiver) {
    SinkOptions options;
    options.type = SinkType::http;
    options.http.url = receiver.url("/hook");
    options.http.timeout_ms = 300;
    options.batch = {.records = 10, .bytes = 1 << 20, .time_ms = 20};
    options.retry.base_delay_ms = 20;
    options.retry.max_delay_ms = 50;
    options.breaker = {.failures_to_open = 1000, .open_ms = 50, .successes_to_close = 1};
    return options;
}

std::unique_ptr<Delivery> started(const SinkOptions& options) {
    auto delivery = make_delivery(options);
    if (!delivery) throw std::runtime_error(delivery.error().message());
    return std::move(*delivery);
}

void offer(Delivery& delivery, std::uint64_t first, std::uint64_t last) {
    for (auto i = first; i <= last; ++i) delivery.offer(sample_transaction(i));
}

// Numbers in the paths of all bodies for which the receiver said yes.
std::multiset<int> numbers_in(const std::vector<ReceivedRequest>& requests) {
    std::multiset<int> out;
    for (const auto& request : requests) {
        const auto events = boost::json::parse(request.body);
        for (const auto& event : events.as_array())
            out.insert(std::stoi(std::string(event.at("path").as_string()).substr(std::strlen("/orders/"))));
    }
    return out;
}

void expect_sum(const Delivery& delivery) {
    const auto stats = delivery.stats();
    EXPECT_EQ(stats.offered, stats.filtered + stats.dropped + stats.delivered + stats.queued);
    EXPECT_EQ(stats.delivered, stats.sink.exported.written);
    EXPECT_TRUE(adds_up(stats.sink.exported));
}

TEST(HttpSink, SendsArraysOfEventsOverOneConnection) {
    const HttpReceiver receiver;
    auto options = webhook(receiver);
    options.http.headers = {{"X-Team", "shop"}};
    const auto delivery = started(options);
    offer(*delivery, 1, 30);
    ASSERT_TRUE(eventually([&] { return delivery->stats().sink.exported.delivered == 30; }));
    const auto requests = receiver.requests();
    EXPECT_EQ(numbers_in(requests).size(), 30);
    for (const auto& request : requests) {
        EXPECT_EQ(request.path, "/hook");
        EXPECT_EQ(request.headers.at("content-type"), "application/json");
        EXPECT_EQ(request.headers.at("x-team"), "shop");
        EXPECT_EQ(request.headers.at("user-agent").substr(0, 6), "sonde/");
        EXPECT_EQ(request.connection, 0);
    }
    const auto first = boost::json::parse(requests[0].body).as_array()[0];
    EXPECT_EQ(first.at("type").as_string(), "transaction");
    EXPECT_EQ(first.at("trace").at("trace_id").as_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(delivery->stop(), 0);
    expect_sum(*delivery);
}

TEST(HttpSink, SendsChosenFieldsOfChosenRecordsAsLines) {
    const HttpReceiver receiver;
    auto options = webhook(receiver);
    options.name = "errors";
    options.webhook.form = JsonBatch::lines;
    options.fields.only = {"path", "phases"};
    options.filter.min_level = Level::error;
    const auto delivery = started(options);
    EXPECT_EQ(delivery->name(), "errors");
    offer(*delivery, 1, 5);
    auto broken = sample_transaction(6);
    broken.status = 503;
    delivery->offer(broken);
    ASSERT_TRUE(eventually([&] { return delivery->stats().sink.exported.delivered == 1; }));
    EXPECT_EQ(delivery->stop(), 0);
    EXPECT_EQ(delivery->stats().filtered, 5);
    ASSERT_EQ(receiver.count(), 1);
    EXPECT_EQ(receiver.requests()[0].headers.at("content-type"), "application/x-ndjson");
    const auto body = receiver.requests()[0].body;
    EXPECT_EQ(std::count(body.begin(), body.end(), '\n'), 1);
    const auto event = boost::json::parse(body).as_object();
    EXPECT_EQ(event.size(), 4);
    EXPECT_EQ(event.at("path").as_string(), "/orders/6");
    EXPECT_TRUE(event.at("phases").as_object().contains("cpu_ns"));
    expect_sum(*delivery);
}

struct Fault {
    const char* name;
    ReceiverAnswer answer;
};

class HttpSinkFault : public testing::TestWithParam<Fault> {};

// The fault holds for the first eight requests, then all is well: everything arrives.
TEST_P(HttpSinkFault, IsSurvived) {
    std::atomic<int> calls{0};
    std::mutex mutex;
    std::vector<ReceivedRequest> taken;
    const HttpReceiver receiver([&](const ReceivedRequest& request) {
        if (calls++ < 8) return GetParam().answer;
        const std::lock_guard lock(mutex);
        taken.push_back(request);
        return ReceiverAnswer{};
    });
    const auto delivery = started(webhook(receiver));
    offer(*delivery, 1, 100);
    ASSERT_TRUE(eventually([&] { return delivery->stats().sink.exported.delivered == 100; }));
    EXPECT_EQ(delivery->stop(), 0);
    const auto stats = delivery->stats().sink.exported;
    EXPECT_EQ(stats.failures, 8);
    EXPECT_EQ(stats.dropped_total(), 0);
    expect_sum(*delivery);
    const auto numbers = numbers_in(taken);
    EXPECT_EQ(numbers.size(), 100);
    EXPECT_EQ(std::set<int>(numbers.begin(), numbers.end()).size(), 100);
    std::printf("%s: %llu attempts for %llu batches\n", GetParam().name,
                static_cast<unsigned long long>(stats.attempts), static_cast<unsigned long long>(stats.batches));
}

INSTANTIATE_TEST_SUITE_P(All, HttpSinkFault,
                         testing::Values(Fault{"status_500", {.status = 500, .body = "broken"}},
                                         Fault{"status_429", {.status = 429, .headers = {"Retry-After: 0"}}},
                                         Fault{"hang", {.kind = Kind::hang}}, Fault{"reset", {.kind = Kind::reset}},
                                         Fault{"garbage", {.kind = Kind::garbage}},
                                         Fault{"cut", {.kind = Kind::cut, .body = std::string(1000, 'x')}},
                                         Fault{"slow", {.kind = Kind::slow, .body = std::string(1000, 'x')}}),
                         [](const auto& fault) { return std::string(fault.param.name); });

TEST(HttpSink, HonoursRetryAfter) {
    std::vector<std::chrono::steady_clock::time_point> times;
    std::mutex mutex;
    const HttpReceiver receiver([&](const ReceivedRequest&) {
        const std::lock_guard lock(mutex);
        times.push_back(std::chrono::steady_clock::now());
        if (times.size() > 1) return ReceiverAnswer{};
        return ReceiverAnswer{.status = 429, .headers = {"Retry-After: 1"}};
    });
    const auto delivery = started(webhook(receiver));
    offer(*delivery, 1, 1);
    ASSERT_TRUE(eventually([&] { return delivery->stats().sink.exported.delivered == 1; }));
    ASSERT_EQ(times.size(), 2);
    EXPECT_GE(times[1] - times[0], 1s);
}

TEST(HttpSink, DoesNotRepeatWhatCannotSucceed) {
    for (const int status : {301, 400, 401, 403, 404, 413, 422, 501}) {
        const HttpReceiver receiver([status](const ReceivedRequest&) { return ReceiverAnswer{.status = status}; });
        const auto delivery = started(webhook(receiver));
        offer(*delivery, 1, 10);
        ASSERT_TRUE(eventually([&] { return delivery->stats().sink.failed_records == 10; })) << status;
        delivery->stop();
        EXPECT_EQ(receiver.count(), delivery->stats().sink.exported.attempts) << status;
        EXPECT_EQ(delivery->stats().sink.exported.dropped_for(DropReason::rejected), 10) << status;
        expect_sum(*delivery);
    }
}

TEST(HttpSink, NobodyListensAndTheSpoolKeepsItForTheNextLife) {
    const TemporaryDirectory directory;
    HttpReceiver receiver;
    auto options = webhook(receiver);
    options.spool.directory = directory.path() + "/spool";
    auto dead = options;
    dead.http.url = "http://127.0.0.1:1/hook";
    {
        const auto delivery = started(dead);
        offer(*delivery, 1, 100);
        ASSERT_TRUE(eventually([&] { return delivery->stats().delivered == 100; }));
        EXPECT_EQ(delivery->stop(), 0);
        EXPECT_EQ(delivery->stats().sink.exported.spooled, 100);
        EXPECT_FALSE(delivery->stats().able);
        expect_sum(*delivery);
    }
    const auto delivery = started(options);
    EXPECT_EQ(delivery->stats().sink.exported.recovered, 100);
    ASSERT_TRUE(eventually([&] { return delivery->stats().sink.exported.delivered == 100; }));
    EXPECT_EQ(delivery->stop(), 0);
    EXPECT_EQ(numbers_in(receiver.requests()).size(), 100);
    expect_sum(*delivery);
}

TEST(HttpSink, AServerThatHangsDoesNotHoldUpTheEnd) {
    const HttpReceiver receiver([](const ReceivedRequest&) { return ReceiverAnswer{.kind = Kind::hang}; });
    auto options = webhook(receiver);
    options.http.timeout_ms = 60'000;
    const auto delivery = started(options);
    offer(*delivery, 1, 25);
    ASSERT_TRUE(eventually([&] { return receiver.count() == 1; }));
    const auto started_at = std::chrono::steady_clock::now();
    EXPECT_EQ(delivery->stop(), 25);
    EXPECT_LT(std::chrono::steady_clock::now() - started_at, 9s);
    expect_sum(*delivery);
}

// Four sinks get the same records; one of them hangs. The others' rate is that of a run without it.
double records_per_second(bool one_hangs) {
    const HttpReceiver good;
    const HttpReceiver hanging([](const ReceivedRequest&) { return ReceiverAnswer{.kind = Kind::hang}; });
    std::vector<std::unique_ptr<Delivery>> deliveries;
    for (int i = 0; i < 4; ++i) {
        auto options = webhook(i == 3 && one_hangs ? hanging : good);
        options.http.timeout_ms = 3'000;
        options.batch.records = 200;
        options.queue = {.records = 32'768, .bytes = 0, .overflow = Overflow::drop_newest, .block_ms = 1};
        deliveries.push_back(started(options));
    }
    constexpr std::uint64_t count = 5'000;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < count; ++i)
        for (auto& delivery : deliveries) delivery->offer(sample_transaction(i));
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(eventually([&] { return deliveries[i]->stats().sink.exported.delivered == count; }));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    for (auto& delivery : deliveries) delivery->request_stop();
    for (auto& delivery : deliveries) {
        delivery->stop();
        expect_sum(*delivery);
    }
    return static_cast<double>(count) / took.count();
}

TEST(HttpSink, OneThatHangsOfFourCostsTheOthersNothing) {
    double without = 0;
    double with = 0;
    for (int round = 0; round < 3; ++round) {  // paired, the best of each: other work on the machine only slows down
        without = std::max(without, records_per_second(false));
        with = std::max(with, records_per_second(true));
    }
    std::printf("three sinks beside one that hangs: %.0f records/s, all four well: %.0f, ratio %.2f\n", with, without,
                with / without);
}

TEST(HttpSink, OptionsThatMakeNoSenseAreErrors) {
    SinkOptions options;
    options.type = SinkType::http;
    options.http.url = "ftp://example.org/";
    auto made = make_sink(options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::usage);
    EXPECT_NE(made.error().message().find("sink http"), std::string::npos);
    options.http.url = "http://127.0.0.1:1/";
    options.http.bearer_token_file = "/no/such/file";
    EXPECT_FALSE(make_sink(options));
    options.http.bearer_token_file.clear();
    options.fallback = std::make_shared<SinkOptions>(options);
    EXPECT_FALSE(make_sink(options));
    options.fallback = nullptr;
    options.filter.types = {"trnsaction"};
    EXPECT_FALSE(make_delivery(options));
}

}  // namespace
}  // namespace sonde
