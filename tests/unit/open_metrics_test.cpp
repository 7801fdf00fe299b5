#include "agent/metric/open_metrics.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sonde {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(std::string name, MetricType type) {
    MetricFamily out;
    out.name = std::move(name);
    out.help = "Help with \"quotes\" and \\.";
    out.type = type;
    out.metric.resize(1);
    return out;
}

TEST(OpenMetrics, EachTypeAsTheSpecificationHasIt) {
    auto counter = family("requests_total", MetricType::Counter);
    counter.metric[0].label = {{"route", "/a\"b\\c"}};
    counter.metric[0].counter.value = 3;
    auto odd = family("cpu_seconds", MetricType::Counter);
    odd.metric[0].counter.value = 0.25;
    auto gauge = family("threads", MetricType::Gauge);
    gauge.metric[0].gauge.value = -1;
    EXPECT_EQ(open_metrics_text({counter, odd, gauge}, {}),
              "# HELP requests Help with \\\"quotes\\\" and \\\\.\n"
              "# TYPE requests counter\n"
              "requests_total{route=\"/a\\\"b\\\\c\"} 3\n"
              "# HELP cpu_seconds Help with \\\"quotes\\\" and \\\\.\n"
              "# TYPE cpu_seconds unknown\n"
              "cpu_seconds 0.25\n"
              "# HELP threads Help with \\\"quotes\\\" and \\\\.\n"
              "# TYPE threads gauge\n"
              "threads -1\n"
              "# EOF\n");
    EXPECT_EQ(open_metrics_text({}, {}), "# EOF\n");
}

TEST(OpenMetrics, ExemplarsStandBehindTheirBuckets) {
    auto histogram = family("seconds", MetricType::Histogram);
    histogram.help = "H";
    auto& metric = histogram.metric[0];
    metric.label = {{"route", "/a"}};
    metric.histogram.sample_count = 5;
    metric.histogram.sample_sum = 2.5;
    metric.histogram.bucket = {{2, 0.0001}, {4, 1}};
    const Exemplar first{{0x0af7651916cd43dd, 0x8448eb211c80319c}, 90'000, 1'767'323'045'678'901'234};
    const Exemplar last{{0, 1}, 3'000'000'000, 1'767'323'046'000'000'000};
    EXPECT_EQ(open_metrics_text({histogram}, {{"seconds{route=\"/a\"", {{0, first, 1e9}, {2, last, 1e9}}},
                                              {"seconds{route=\"/b\"", {{1, first, 1e9}}}}),
              "# HELP seconds H\n"
              "# TYPE seconds histogram\n"
              "seconds_bucket{route=\"/a\",le=\"0.0001\"} 2"
              " # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 9e-05 1767323045.679\n"
              "seconds_bucket{route=\"/a\",le=\"1\"} 4\n"
              "seconds_bucket{route=\"/a\",le=\"+Inf\"} 5"
              " # {trace_id=\"00000000000000000000000000000001\"} 3 1767323046.000\n"
              "seconds_count{route=\"/a\"} 5\n"
              "seconds_sum{route=\"/a\"} 2.5\n"
              "# EOF\n");
}

TEST(ExemplarTable, TheLastOfABucketAndOfNobodyElse) {
    ExemplarTable table;
    const std::uint64_t histogram[32]{};
    const char* trace_id = "0af7651916cd43dd8448eb211c80319c";
    EXPECT_FALSE(table.find(histogram, 3));
    table.offer(histogram, 3, trace_id, 10, 20);
    table.offer(histogram, 3, trace_id, 30, 40);
    const auto found = table.find(histogram, 3);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->trace_id[0], 0x0af7651916cd43ddU);
    EXPECT_EQ(found->value, 30U);
    EXPECT_EQ(found->time_ns, 40U);
    EXPECT_FALSE(table.find(histogram, 4));
    table.offer(histogram, 5, "0af7651916cd43dd", 1, 2);
    table.offer(histogram, 5, "0af7651916cd43dd8448eb211c8031zz", 1, 2);
    EXPECT_FALSE(table.find(histogram, 5)) << "no trace id";
}

TEST(ExemplarTable, AReaderNeverSeesAMixture) {
    ExemplarTable table;
    const std::uint64_t histogram = 0;
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (std::uint64_t i = 0; !done.load(); ++i) {
            const auto* id = i % 2 != 0 ? "11111111111111111111111111111111" : "22222222222222222222222222222222";
            table.offer(&histogram, 0, id, i % 2, i % 2);
        }
    });
    int seen = 0;
    while (seen < 20'000) {
        const auto found = table.find(&histogram, 0);
        if (!found) continue;
        ++seen;
        const auto word = found->value != 0 ? 0x1111111111111111U : 0x2222222222222222U;
        ASSERT_EQ(found->trace_id[0], word);
        ASSERT_EQ(found->trace_id[1], word);
        ASSERT_EQ(found->time_ns, found->value);
    }
    done = true;
    writer.join();
}

}  // namespace
}  // namespace sonde
