// What leaves the pipeline for sinks: redacted for each, sampled with weights, counted.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"
#include "sinks/capture_sink.hpp"

namespace sonde {
namespace {

class NamedSink final : public Sink {
public:
    NamedSink(std::string name, std::vector<Record>& records) : name_(std::move(name)), capture_(records) {}
    [[nodiscard]] std::string_view name() const override { return name_; }
    void write(const Record& record) override { capture_.write(record); }
    Status flush() override { return capture_.flush(); }
    [[nodiscard]] SinkStats stats() const override { return capture_.stats(); }

private:
    const std::string name_;
    CaptureSink capture_;
};

// One connection, one request of this path after the other, a millisecond each; each 20th is answered with 500.
void add_requests(SyntheticSource& source, std::string_view path, int count, std::string_view header) {
    const std::string request =
        "GET " + std::string(path) + " HTTP/1.1\r\nHost: shop\r\n" + std::string(header) + "\r\n";
    std::uint32_t in = 1000, out = 5000;
    source.conn_open(1, 1, true, 8080);
    for (int i = 0; i < count; ++i) {
        const auto time_ns = 1'000'000 * static_cast<std::uint64_t>(i + 1);
        const std::string response =
            std::string("HTTP/1.1 ").append(i % 20 == 7 ? "500" : "200").append(" X\r\nContent-Length: 0\r\n\r\n");
        source.request({.time_ns = time_ns, .seq = in, .ack = out, .bytes = request});
        in += static_cast<std::uint32_t>(request.size());
        source.response({.time_ns = time_ns + 500'000, .outgoing = true, .seq = out, .ack = in, .bytes = response});
        out += static_cast<std::uint32_t>(response.size());
    }
    source.conn_close(1, 1'000'000 * static_cast<std::uint64_t>(count + 2));
}

struct Output {
    std::vector<Record> records;
    [[nodiscard]] std::vector<const Transaction*> transactions() const {
        std::vector<const Transaction*> all;
        for (const auto& record : records)
            if (const auto* t = std::get_if<Transaction>(&record)) all.push_back(t);
        return all;
    }
};

class PipelineOutput : public testing::Test {
protected:
    // Runs all of it through a pipeline with the sinks "file" and "vault".
    void run(const PipelineOptions& options, std::string_view path, int count, std::string_view header = {}) {
        SyntheticSource source;
        add_requests(source, path, count, header);
        HttpMetrics metrics;
        Delivery file(std::make_unique<NamedSink>("file", file_.records));
        Delivery vault(std::make_unique<NamedSink>("vault", vault_.records));
        Pipeline pipeline(options, metrics);
        pipeline.add(file);
        pipeline.add(vault);
        while (!source.finished()) ASSERT_TRUE(source.poll(pipeline, 0));
        pipeline.finish(source);
        seen_ = pipeline.stats().transactions.load();
        for (std::size_t i = 0; i < options.policies.sampling->decision_count(); ++i)
            dropped_ += pipeline.sampler().dropped(i);
        emails_ = pipeline.redactor().count(static_cast<std::size_t>(Builtin::email), Place::path);
        file.stop();
        vault.stop();
        for (const auto* t : file_.transactions()) routes_.emplace_back(t->route);  // they end with the pipeline
    }
    Output file_, vault_;
    std::vector<std::string> routes_;
    std::uint64_t seen_ = 0, dropped_ = 0, emails_ = 0;
};

TEST_F(PipelineOutput, EverySinkGetsItsOwnRedaction) {
    const auto redaction = RedactionPolicySet::build({.sinks = {{"vault", true, {{"email", RedactAction::off}}}}});
    ASSERT_TRUE(redaction);
    run({.read_proc = false, .policies = {.redaction = *redaction}}, "/users/ann@example.com/219-09-9999", 5);
    ASSERT_EQ(file_.transactions().size(), 5U);
    ASSERT_EQ(vault_.transactions().size(), 5U);
    EXPECT_EQ(file_.transactions()[0]->path.view(), "/users/[redacted:email]/[redacted:us_ssn]");
    EXPECT_EQ(vault_.transactions()[0]->path.view(), "/users/ann@example.com/[redacted:us_ssn]");
    EXPECT_EQ(routes_.at(0), "/users/{email}/{id}");
    EXPECT_EQ(emails_, 5U);
}

TEST_F(PipelineOutput, RequestsOfOneTraceAreKeptTogether) {
    const auto sampling = SamplingPolicy::build(
        {.head_rate = 0.5, .keep_slower_than_p99 = false, .keep_new_routes = false, .route_per_second = 0});
    ASSERT_TRUE(sampling);
    run({.read_proc = false, .policies = {.sampling = *sampling}}, "/orders", 200,
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
    const auto kept = file_.transactions().size();
    EXPECT_TRUE(kept == 10 || kept == 200) << kept;  // of 200 ten are errors, which are always kept
}

TEST_F(PipelineOutput, ASampleHasWeightsAndEveryError) {
    const auto sampling =
        SamplingPolicy::build({.head_rate = 0.1, .keep_slower_than_p99 = false, .keep_new_routes = false});
    ASSERT_TRUE(sampling);
    run({.read_proc = false, .policies = {.sampling = *sampling}}, "/orders", 2000);
    EXPECT_EQ(seen_, 2000U);
    double sum = 0;
    int errors = 0;
    for (const auto* t : file_.transactions()) {
        sum += t->sample_weight;
        if (t->status != 500) continue;
        ++errors;
        EXPECT_EQ(t->sample_weight, 1);
    }
    EXPECT_EQ(errors, 100);
    EXPECT_NEAR(sum, 2000, 4 * 10 * std::sqrt(1900 * 0.09));
    EXPECT_EQ(file_.transactions().size() + dropped_, 2000U);
    EXPECT_EQ(vault_.transactions().size(), file_.transactions().size());
}

TEST_F(PipelineOutput, TheReservoirHoldsASecond) {
    const auto sampling = SamplingPolicy::build({.keep_new_routes = false, .route_per_second = 5});
    ASSERT_TRUE(sampling);
    run({.read_proc = false, .policies = {.sampling = *sampling}}, "/orders", 3000);
    double sum = 0;
    std::size_t drawn = 0;
    for (const auto* t : file_.transactions()) {
        sum += t->sample_weight;
        drawn += t->status != 500 ? 1 : 0;
    }
    EXPECT_DOUBLE_EQ(sum, 3000);
    EXPECT_GE(drawn, 15U);
    EXPECT_LE(drawn, 20U);  // the times touch four seconds
}

TEST_F(PipelineOutput, ARecordThatARuleDropsStaysInTheMetrics) {
    const auto redaction = RedactionPolicySet::build({.base = {.actions = {{"email", RedactAction::drop_record}}}});
    ASSERT_TRUE(redaction);
    run({.read_proc = false, .policies = {.redaction = *redaction}}, "/users/ann@example.com", 3);
    EXPECT_EQ(seen_, 3U);
    EXPECT_TRUE(file_.transactions().empty());
}

}  // namespace
}  // namespace sonde
