// A request, the call that it made and the request that the call was, from records to transactions.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/model/downstream.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"

namespace sonde {
namespace {

class Collected final : public TransactionObserver {
public:
    void observe(const Transaction& transaction) override { done.push_back(transaction); }
    void websocket_opened(const Transaction& upgrade) override { opened.push_back(upgrade); }
    std::vector<Transaction> done;
    std::vector<Transaction> opened;
};

class PipelineLinks : public testing::Test {
protected:
    static constexpr std::uint64_t ms = 1'000'000;
    static constexpr sonde_thread_clock shop{7, 7, 1, 1};

    PipelineLinks() {
        options_.read_proc = false;
        pipeline_ = std::make_unique<Pipeline>(options_, metrics_);
        pipeline_->add(collected_);
    }
    const std::vector<Transaction>& play() {
        while (!source_.finished()) EXPECT_TRUE(source_.poll(*pipeline_, 0));
        return collected_.done;
    }
    void ask(std::uint64_t cookie, std::uint64_t at_ms, bool outgoing, std::string_view head,
             const sonde_thread_clock& thread = {}) {
        source_.request({.cookie = cookie,
                         .time_ns = at_ms * ms,
                         .outgoing = outgoing,
                         .seq = 100,
                         .ack = 500,
                         .bytes = head,
                         .thread = thread});
    }
    void answer(std::uint64_t cookie, std::uint64_t at_ms, bool outgoing, const sonde_thread_clock& thread = {},
                std::string_view head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {
        source_.response({.cookie = cookie,
                          .time_ns = at_ms * ms,
                          .outgoing = outgoing,
                          .seq = 500,
                          .ack = 200,
                          .bytes = head,
                          .thread = thread});
    }

    SyntheticSource source_;
    PipelineOptions options_;
    HttpMetrics metrics_;
    std::unique_ptr<Pipeline> pipeline_;
    Collected collected_;
};

TEST_F(PipelineLinks, TheCallIsPartOfTheRequest) {
    source_.conn_open(1, 1, true, 8080);
    ask(1, 10, false, "GET /orders/1 HTTP/1.1\r\n\r\n");
    source_.read(1, 11 * ms, 200, shop);
    source_.conn_open(2, 1, false, 8081);
    ask(2, 12, true, "GET /stock/1 HTTP/1.1\r\n\r\n", shop);
    answer(2, 18, false);
    answer(1, 20, true, shop);
    const auto& done = play();
    ASSERT_EQ(done.size(), 2u);
    const auto& call = done[0];
    const auto& request = done[1];
    EXPECT_EQ(call.trace.parent, request.trace.span_id);
    EXPECT_EQ(call.trace.parent_match, ParentMatch::process);
    ASSERT_TRUE(request.downstream);
    ASSERT_EQ(request.downstream->count, 1u);
    EXPECT_EQ(request.downstream->calls[0].span_id, call.trace.span_id);
    EXPECT_EQ(request.downstream->calls[0].start_ns, 2 * ms);
    EXPECT_EQ(request.downstream->waited_ns, 6 * ms);
    EXPECT_EQ(pipeline_->link_stats().calls[static_cast<std::size_t>(ParentMatch::process)].load(), 1u);
}

TEST_F(PipelineLinks, ARequestWhoseConnectionEndsIsNobodysParent) {
    source_.conn_open(1, 1, true, 8080);
    ask(1, 10, false, "GET /orders/1 HTTP/1.1\r\n\r\n");
    source_.read(1, 11 * ms, 200, shop);
    source_.conn_close(1, 12 * ms, 104);
    source_.conn_open(2, 1, false, 8081);
    ask(2, 13, true, "GET /stock/1 HTTP/1.1\r\n\r\n", shop);
    answer(2, 18, false);
    const auto& done = play();
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[1].trace.parent, 0u);
}

TEST_F(PipelineLinks, AnOpenWebSocketMakesItsProcessDoubtful) {
    source_.conn_open(1, 1, true, 8080);
    ask(1, 10, false, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    source_.read(1, 11 * ms, 200, shop);
    answer(1, 12, true, shop,
           "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n");
    source_.conn_open(3, 1, true, 8080);
    ask(3, 13, false, "GET /orders/1 HTTP/1.1\r\n\r\n");
    source_.read(3, 14 * ms, 200, shop);
    source_.conn_open(2, 1, false, 8081);
    ask(2, 15, true, "GET /stock/1 HTTP/1.1\r\n\r\n", shop);
    answer(2, 18, false);
    answer(3, 20, true, shop);
    const auto& done = play();
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[0].trace.parent, 0u);
    EXPECT_FALSE(done[1].downstream);
    ASSERT_EQ(collected_.opened.size(), 1u);
    EXPECT_EQ(collected_.opened[0].status, 101);
    pipeline_->finish(source_);
    ASSERT_EQ(collected_.done.size(), 3u);  // nobody saw its end
    EXPECT_EQ(collected_.done[2].protocol, Protocol::websocket);
    EXPECT_EQ(collected_.done[2].outcome, Outcome::unobserved);
}

}  // namespace
}  // namespace sonde
