// Who is told of serving processes: none that discovery leaves out.
#include <gtest/gtest.h>

#include <vector>

#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"

namespace sonde {
namespace {

class Told final : public ProcessWatch {
public:
    void process_began(std::uint32_t) override {}
    void process_ended(std::uint32_t) override {}
    void process_speaks_tls(std::uint32_t) override {}
    void process_serves(std::uint32_t pid) override { served.push_back(pid); }
    std::vector<std::uint32_t> served;
};

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

// A request to a port that process `pid` reads.
void add_request(SyntheticSource& source, std::uint64_t cookie, std::uint16_t port, std::uint32_t pid) {
    source.conn_open(cookie, 1, true, port);
    source.request({.cookie = cookie, .time_ns = 10, .seq = 1000, .ack = 5000, .bytes = get});
    sonde_thread_clock clock{};
    clock.tgid = clock.tid = pid;
    source.read(cookie, 20, 1000 + static_cast<std::uint32_t>(get.size()), clock);
}

std::vector<std::uint32_t> served(const DiscoveryConfig& config) {
    const auto rules = DiscoveryRules::build(config);
    EXPECT_TRUE(rules);
    SyntheticSource source;
    add_request(source, 1, 8080, 10);
    add_request(source, 2, 9090, 11);
    HttpMetrics metrics;
    Pipeline pipeline({.read_proc = false, .policies = {.discovery = *rules}}, metrics);
    Told told;
    pipeline.add_watch(&told);
    while (!source.finished()) EXPECT_TRUE(source.poll(pipeline, 0));
    pipeline.finish(source);
    return told.served;
}

TEST(PipelineWatch, EveryServerIsToldOf) { EXPECT_EQ(served({}), (std::vector<std::uint32_t>{10, 11})); }

TEST(PipelineWatch, WhatIsLeftOutIsNot) {
    EXPECT_EQ(served({.include = {{.ports = {9090}}}}), (std::vector<std::uint32_t>{11}));
    EXPECT_EQ(served({.exclude = {{.ports = {9090}}}}), (std::vector<std::uint32_t>{10}));
}

}  // namespace
}  // namespace sonde
