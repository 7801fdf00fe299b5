#include <gtest/gtest.h>
#include <snappy.h>

#include <cmath>
#include <map>
#include <protozero/pbf_reader.hpp>

#include "sinks/make_sink.hpp"
#include "sinks/remote_write/remote_write_encoder.hpp"
#include "tests/support/http_receiver.hpp"
#include "tests/support/records.hpp"

namespace sonde {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::vector<MetricFamily> some_metrics() {
    MetricFamily requests{"requests_total", "", MetricType::Counter, {}};
    for (int i = 0; i < 3; ++i) {
        auto& metric = requests.metric.emplace_back();
        metric.label = {{"route", "/" + std::to_string(i)}, {"empty", ""}, {"Z", "z"}};
        metric.counter.value = 10 + i;
    }
    MetricFamily load{"load", "", MetricType::Gauge, {}};
    load.metric.emplace_back().gauge.value = -0.5;
    load.metric.back().label = {{"job", "own"}};
    MetricFamily seconds{"seconds", "", MetricType::Histogram, {}};
    auto& histogram = seconds.metric.emplace_back().histogram;
    histogram = {5, 2.25, {{2, 0.0001}, {4, 0.5}}};
    MetricFamily pause{"pause", "", MetricType::Summary, {}};
    pause.metric.emplace_back().summary = {4, 8, {{0.5, 1.5}}};
    return {requests, load, seconds, pause};
}

struct Series {
    double value = 0;
    std::int64_t time_ms = 0;
};

// Labels in their order as text → its one sample. By prometheus/prompb/remote.proto and types.proto.
std::map<std::string, Series> read(const std::string& body) {
    std::string plain;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
    std::map<std::string, Series> out;
    protozero::pbf_reader request(plain);
    while (request.next(1)) {
        std::string labels, last_name;
        Series series;
        auto in = request.get_message();
        while (in.next()) {
            const auto field = in.tag();
            auto part = in.get_message();
            if (field == 2) {
                while (part.next()) {
                    if (part.tag() == 1)
                        series.value = part.get_double();
                    else
                        series.time_ms = part.get_int64();
                }
                continue;
            }
            std::string name, value;
            while (part.next()) {
                auto& text = part.tag() == 1 ? name : value;
                text = part.get_string();
            }
            EXPECT_LT(last_name, name);  // sorted, none twice
            EXPECT_FALSE(value.empty());
            last_name = name;
            labels += name + "=" + value + " ";
        }
        EXPECT_TRUE(out.emplace(labels, series).second) << labels;
    }
    return out;
}

RemoteWriteEncoder encoder(std::uint32_t samples_per_request = 1000) {
    return {{.interval_ms = 1000,
             .samples_per_request = samples_per_request,
             .external_labels = {{"job", "sonde"}, {"instance", "n1"}}},
            some_metrics,
            [] { return std::int64_t{1'700'000'000'123}; }};
}

TEST(RemoteWriteEncoder, EverySeriesHasItsSample) {
    auto remote = encoder();
    EXPECT_EQ(remote.tick(1), 12);
    const auto series = read(remote.take());
    const std::map<std::string, double> expected{{"Z=z __name__=requests_total instance=n1 job=sonde route=/0 ", 10},
                                                 {"Z=z __name__=requests_total instance=n1 job=sonde route=/1 ", 11},
                                                 {"Z=z __name__=requests_total instance=n1 job=sonde route=/2 ", 12},
                                                 {"__name__=load instance=n1 job=own ", -0.5},
                                                 {"__name__=seconds_bucket instance=n1 job=sonde le=0.0001 ", 2},
                                                 {"__name__=seconds_bucket instance=n1 job=sonde le=0.5 ", 4},
                                                 {"__name__=seconds_bucket instance=n1 job=sonde le=+Inf ", 5},
                                                 {"__name__=seconds_sum instance=n1 job=sonde ", 2.25},
                                                 {"__name__=seconds_count instance=n1 job=sonde ", 5},
                                                 {"__name__=pause instance=n1 job=sonde quantile=0.5 ", 1.5},
                                                 {"__name__=pause_sum instance=n1 job=sonde ", 8},
                                                 {"__name__=pause_count instance=n1 job=sonde ", 4}};
    EXPECT_EQ(series.size(), expected.size());
    for (const auto& [labels, value] : expected) {
        ASSERT_TRUE(series.contains(labels)) << labels;
        EXPECT_EQ(series.at(labels).value, value) << labels;
        EXPECT_EQ(series.at(labels).time_ms, 1'700'000'000'123);
    }
    EXPECT_FALSE(remote.add(sample_transaction(1)));
}

TEST(RemoteWriteEncoder, TakesASnapshotAtEachInterval) {
    auto remote = encoder();
    EXPECT_EQ(remote.tick(5000), 12);
    remote.take();
    EXPECT_EQ(remote.tick(5999), 0);
    EXPECT_EQ(remote.tick(6300), 12);  // late, and the next one is not
    remote.take();
    EXPECT_EQ(remote.tick(6999), 0);
    EXPECT_EQ(remote.tick(7000), 12);
    remote.take();
    EXPECT_EQ(remote.tick(60'000), 12);  // much too late: once
    remote.take();
    EXPECT_EQ(remote.tick(60'500), 0);
}

TEST(RemoteWriteEncoder, LargeSnapshotsAreSplit) {
    auto remote = encoder(5);
    std::size_t total = 0;
    for (const auto expected : {5, 5, 2}) {
        EXPECT_EQ(remote.tick(1), expected);
        total += read(remote.take()).size();
    }
    EXPECT_EQ(remote.tick(2), 0);
    EXPECT_EQ(total, 12);
}

TEST(RemoteWriteSink, SendsWhatTheSpecificationAsksFor) {
    const HttpReceiver receiver([](const ReceivedRequest&) { return ReceiverAnswer{.status = 204}; });
    SinkOptions options;
    options.type = SinkType::prometheus_remote_write;
    options.http.url = receiver.url("/api/v1/write");
    EXPECT_FALSE(make_sink(options));  // nothing to collect from
    EXPECT_EQ(carried_by(options), Carries::nothing);
    auto delivery = make_delivery(options, {.collect = some_metrics});
    ASSERT_TRUE(delivery) << delivery.error().message();
    ASSERT_TRUE(eventually([&] { return (*delivery)->stats().sink.exported.delivered == 12; }));
    EXPECT_EQ((*delivery)->stop(), 0);
    EXPECT_TRUE(adds_up((*delivery)->stats().sink.exported));
    const auto request = receiver.requests().at(0);
    EXPECT_EQ(request.headers.at("content-encoding"), "snappy");
    EXPECT_EQ(request.headers.at("content-type"), "application/x-protobuf");
    EXPECT_EQ(request.headers.at("x-prometheus-remote-write-version"), "0.1.0");
    EXPECT_EQ(read(request.body).size(), 12);
}

}  // namespace
}  // namespace sonde
