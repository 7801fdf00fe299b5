// Restarts and deployments of services; health probes' messages.
#include <gtest/gtest.h>

#include <map>

#include "agent/alert/health_probe.hpp"
#include "agent/alert/service_watch.hpp"

namespace sonde {
namespace {

// A machine of which the test says which processes live and what they run.
class AlertServiceWatch : public testing::Test {
protected:
    AlertServiceWatch()
        : watch_({[this](const Process& process) { return alive_.count(process.pid) > 0; },
                  [this](std::uint32_t pid) -> std::optional<ExecutableIdentity> { return alive_.at(pid); }}) {}

    // A process of the service serves a request; what is said about it.
    std::vector<AlertServiceChange> serve(std::uint32_t pid, std::uint64_t inode, const char* exe = "/usr/bin/shop",
                                          const char* container = "") {
        alive_[pid] = {1, inode, 0};
        auto& process = processes_[pid];
        if (!process) {
            auto made = std::make_shared<Process>();
            made->pid = pid;
            made->start_time_ns = pid * 10'000'000ULL;
            made->exe = exe;
            made->container_id = container;
            process = made;
        }
        Transaction transaction;
        transaction.service = "shop";
        transaction.process = process;
        watch_.observe(transaction);
        return watch_.take(1);
    }
    void end(std::uint32_t pid) { alive_.erase(pid); }

    std::map<std::uint32_t, ExecutableIdentity> alive_;
    std::map<std::uint32_t, ProcessPtr> processes_;
    ServiceWatch watch_;
};

TEST_F(AlertServiceWatch, TheFirstAndFurtherWorkersAreNoNews) {
    EXPECT_TRUE(serve(10, 1).empty());
    EXPECT_TRUE(serve(10, 1).empty());
    EXPECT_TRUE(serve(11, 1).empty());
    end(10);
    EXPECT_TRUE(serve(12, 1).empty());  // one worker of several was replaced
}

TEST_F(AlertServiceWatch, ARestart) {
    serve(10, 1);
    end(10);
    const auto changes = serve(20, 1);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].service, "shop");
    EXPECT_EQ(changes[0].change.kind, "restart");
    EXPECT_EQ(changes[0].change.what, "shop restarted (process 20)");
    EXPECT_TRUE(serve(20, 1).empty());
}

TEST_F(AlertServiceWatch, Deployments) {
    serve(10, 1);
    end(10);
    auto changes = serve(20, 2);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].change.kind, "deployment");
    EXPECT_EQ(changes[0].change.what, "shop runs from another file at /usr/bin/shop");
    changes = serve(30, 3, "/opt/shop-2");  // beside the old one
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].change.what, "shop runs from /opt/shop-2, before from /usr/bin/shop");
    changes = serve(40, 3, "/opt/shop-2", "0123456789abcdef");
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].change.what, "shop runs in container 0123456789ab, before in no container");
}

TEST(AlertHealthProbe, GrpcMessages) {
    EXPECT_EQ(grpc_health_request(""), std::string(5, '\0'));
    EXPECT_EQ(grpc_health_request("a.B"), std::string("\0\0\0\0\x05\x0a\x03", 7) + "a.B");
    EXPECT_EQ(grpc_health_status(std::string("\0\0\0\0\x02\x08\x01", 7)), 1);
    EXPECT_EQ(grpc_health_status(std::string("\0\0\0\0\x02\x08\x02", 7)), 2);
    EXPECT_EQ(grpc_health_status(std::string(5, '\0')), 0);
    EXPECT_EQ(grpc_health_status(""), -1);
    EXPECT_EQ(grpc_health_status(std::string("\0\0\0\0\x02\x08", 6)), -1);
    EXPECT_EQ(grpc_health_status(std::string("\x01\0\0\0\x02\x08\x01", 7)), -1);  // compressed
}

TEST(AlertHealthProbe, Targets) {
    const auto wrong = [](HealthProbeType type, const char* target) {
        HealthProbeOptions options;
        options.type = type;
        options.target = target;
        return !wrong_health_probe(options).empty();
    };
    EXPECT_FALSE(wrong(HealthProbeType::http, "http://shop/health"));
    EXPECT_TRUE(wrong(HealthProbeType::http, "shop:80"));
    EXPECT_FALSE(wrong(HealthProbeType::tcp, "shop:80"));
    EXPECT_FALSE(wrong(HealthProbeType::tcp, "[::1]:80"));
    EXPECT_TRUE(wrong(HealthProbeType::tcp, "shop"));
    EXPECT_TRUE(wrong(HealthProbeType::tcp, "http://shop:80"));
    EXPECT_FALSE(wrong(HealthProbeType::grpc, "shop:80"));
    EXPECT_FALSE(wrong(HealthProbeType::grpc, "https://shop:443"));
    EXPECT_TRUE(wrong(HealthProbeType::grpc, "https://shop:443/x"));
}

}  // namespace
}  // namespace sonde
