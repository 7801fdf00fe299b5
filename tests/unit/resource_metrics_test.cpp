#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "agent/resource/collector.hpp"

namespace sonde {
namespace {

// A kernel with as many processes as a test wants.
class FakeKernel final : public ResourceSource {
public:
    Status read(ResourceReading& reading) override {
        reading = next;
        reading.round = ++round;
        next.exits.clear();
        for (auto& extra : reading.extras) extra.second.round = reading.round;
        return done();
    }
    void forget(std::span<const std::uint32_t> tgids) override { forgotten += tgids.size(); }

    ResourceReading next;
    std::uint64_t round = 0;
    std::size_t forgotten = 0;
};

constexpr std::uint32_t first_pid = 5'000'000;  // beyond what this machine can have: /proc says nothing of them

void add_process(ResourceReading& reading, std::uint32_t pid, std::uint64_t cpu_ns, const char* comm = "worker") {
    sonde_task_sample task{};
    task.tgid = task.tid = pid;
    task.start_ns = 1;
    task.group = pid % 300 + 1;
    task.usage.cpu_ns = cpu_ns;
    task.resident_pages[0] = pid % 977U;
    std::strncpy(reinterpret_cast<char*>(task.comm), comm, sizeof task.comm - 1);
    reading.tasks.push_back(task);
    sonde_process_extra extra{};
    extra.descriptors = 3;
    extra.rtt_count = 1;
    extra.rtt_us = 1;
    extra.other_sockets = 1;
    std::fill(std::begin(extra.tcp), std::end(extra.tcp), 1);  // every series that there can be
    reading.extras.emplace_back(pid, extra);
}

std::size_t count(const std::vector<prometheus::MetricFamily>& families, const std::string& prefix) {
    std::size_t sum = 0;
    for (const auto& family : families)
        if (family.name.starts_with(prefix)) sum += family.metric.size();
    return sum;
}

double value(const std::vector<prometheus::MetricFamily>& families, const std::string& name, const Labels& labels) {
    double sum = 0;
    for (const auto& family : families) {
        if (family.name != name) continue;
        for (const auto& metric : family.metric) {
            bool all = true;
            for (const auto& wanted : labels)
                all = all && std::find(metric.label.begin(), metric.label.end(), wanted) != metric.label.end();
            if (all) sum += family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
        }
    }
    return sum;
}

TEST(ResourceMetrics, TwoThousandProcessesStayWithinTheBound) {
    HttpProcesses http;
    ResourceOptions options;
    options.processes.named = {"named"};
    auto owned = std::make_unique<FakeKernel>();
    auto& kernel = *owned;
    ResourceCollector collector(options, std::move(owned), http);
    for (std::uint32_t i = 0; i < 200; ++i) http.saw(first_pid + 700 + i, "shop" + std::to_string(i), true);
    std::uint64_t used = 0;
    for (std::uint64_t round = 1; round <= 20; ++round) {
        kernel.next.tasks.clear();
        kernel.next.extras.clear();
        kernel.next.listeners.clear();
        for (std::uint32_t i = 0; i < 2000; ++i) {
            // who uses most changes from round to round
            add_process(kernel.next, first_pid + i, round * 1'000'000 + (i * round) % 1999 * 1000,
                        i < 50 ? "named" : "worker");
            sonde_exit_sample exit{};
            exit.tgid = first_pid + static_cast<__u32>(round) * 10'000 + i;
            exit.start_ns = round;
            exit.exit_code = static_cast<int>(i % 256) << 8;
            exit.usage.cpu_ns = 1'000'000;
            kernel.next.exits.push_back(exit);
            used += round > 1 ? 1'000'000 : 0;
            sonde_listen_sample listener{};
            listener.tgid = first_pid + i;
            listener.port = static_cast<__u16>(i);
            kernel.next.listeners.push_back(listener);
        }
        collector.round();
        const auto families = collector.Collect();
        EXPECT_LE(collector.series(), ResourceCollector::series_bound(options)) << round;
        EXPECT_LE(count(families, "process_"), ProcessMetrics::series_bound(options.processes));
        EXPECT_LE(count(families, "process_memory_usage_bytes"), options.processes.max_processes + 1);
        EXPECT_LE(count(families, "sonde_service_processes"), options.processes.max_services + 1);
        EXPECT_LE(count(families, "process_listen_queue_length"), options.processes.max_listeners);
    }
    const auto families = collector.Collect();
    // those that ended between two rounds have no series, and are in the sum
    EXPECT_GE(value(families, "process_cpu_time_seconds_total", {{"process_pid", "other"}}),
              static_cast<double>(used) / 1e9);
    EXPECT_GT(value(families, "sonde_resource_refusals_total", {}), 0);
    EXPECT_GT(value(families, "sonde_resource_listeners_dropped", {}), 0);
    EXPECT_GT(kernel.forgotten, 30'000);
    std::printf("2,000 processes: %zu series of at most %zu\n", collector.series(),
                ResourceCollector::series_bound(options));
}

TEST(ResourceMetrics, WhoServesAndWhoUsesMostIsShown) {
    HttpProcesses http;
    ResourceOptions options;
    options.processes.top = 3;
    auto owned = std::make_unique<FakeKernel>();
    auto& kernel = *owned;
    ResourceCollector collector(options, std::move(owned), http);
    http.saw(first_pid + 7, "shop:8080", true);
    http.saw(first_pid + 7, "shop", false);  // it makes requests, too
    for (std::uint64_t round = 1; round <= 2; ++round) {
        kernel.next.tasks.clear();
        for (std::uint32_t i = 0; i < 100; ++i)
            add_process(kernel.next, first_pid + i, round * (i == 50 ? 2'000'000'000 : 1'000));
        collector.round();
    }
    const auto families = collector.Collect();
    const Labels server{{"process_pid", std::to_string(first_pid + 7)}, {"service_name", "shop:8080"}};
    EXPECT_EQ(value(families, "process_threads", server), 1);
    EXPECT_EQ(value(families, "sonde_service_processes", {{"service_name", "shop:8080"}}), 1);
    EXPECT_NEAR(value(families, "process_cpu_time_seconds_total", {{"process_pid", std::to_string(first_pid + 50)}}), 4,
                1e-9);
    EXPECT_NEAR(value(families, "sonde_service_cpu_seconds_total", {{"service_name", "shop:8080"}}), 1e-6, 1e-12);
}

TEST(FamilyList, LabelsPassTheFilterOnce) {
    int asked = 0;
    FamilyList out([&](std::string_view, std::string_view value) {
        ++asked;
        return value == "secret" ? std::string("***") : std::string(value);
    });
    for (int i = 0; i < 3; ++i) {
        out.gauge("a", "A.", {{"process_command", "secret"}, {"process_pid", "secret"}}, 1);
        const auto families = out.take();
        EXPECT_EQ(families[0].metric[0].label[0].value, "***");
        EXPECT_EQ(families[0].metric[0].label[1].value, "secret");  // numbers of ours, by their name
    }
    EXPECT_EQ(asked, 1);
    out.gauge("a", "A.", {{"process_command", "tab\t\xff"}}, 1);
    EXPECT_EQ(out.take()[0].metric[0].label[0].value, "tab??");
}

TEST(HttpProcesses, ForgetsAndLearnsAnew) {
    HttpProcesses http(2);
    http.saw(1, "client", false);
    http.saw(1, "server", true);
    http.saw(1, "client", false);
    EXPECT_EQ(http.service(1), "server");
    http.forget(1);
    EXPECT_EQ(http.service(1), "");
    http.saw(1, "again", false);
    EXPECT_EQ(http.service(1), "again");
    http.saw(2, "two", true);
    http.saw(3, "three", true);
    EXPECT_EQ(http.refused(), 1);
    http.saw(0, "nobody", true);
    EXPECT_EQ(http.snapshot().size(), 2);
}

}  // namespace
}  // namespace sonde
