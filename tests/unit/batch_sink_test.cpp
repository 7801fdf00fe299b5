#include "sinks/delivery/batch_sink.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "sinks/capture_sink.hpp"
#include "tests/support/records.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

using Outcome = SendResult::Outcome;

// Bodies: the numbers of the records (their cookies), each with a space. Losses have no form.
class NumberEncoder final : public BatchEncoder {
public:
    bool add(const Record& record) override {
        const auto* transaction = std::get_if<Transaction>(&record);
        if (transaction == nullptr) return false;
        body_ += std::to_string(transaction->cookie) + ' ';
        return true;
    }
    [[nodiscard]] std::size_t bytes() const override { return body_.size(); }
    std::string take() override { return std::exchange(body_, {}); }

private:
    std::string body_;
};

// Of NumberEncoder's bodies.
std::optional<BodyHalves> split_numbers(std::string_view body) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < body.size(); ++i)
        if (body[i] == ' ') ends.push_back(i + 1);
    if (ends.size() < 2) return std::nullopt;
    const auto half = ends.size() / 2, middle = ends[half - 1];
    return BodyHalves{{std::string(body.substr(0, middle)), static_cast<std::uint32_t>(half)},
                      {std::string(body.substr(middle)), static_cast<std::uint32_t>(ends.size() - half)}};
}

// Does what it is told, and delivers when it is told nothing.
class ScriptedTransport final : public Transport {
public:
    struct Log {
        std::vector<std::string> delivered;
        std::deque<SendResult> script;
        std::optional<SendResult> always;
        std::size_t largest_body = SIZE_MAX;  // more bytes are too large
        int calls = 0;
    };
    explicit ScriptedTransport(Log& log) : log_(log) {}
    SendResult send(std::string_view body, std::uint32_t) override {
        ++log_.calls;
        SendResult result{.outcome = Outcome::delivered};
        if (log_.always) result = *log_.always;
        if (!log_.script.empty()) {
            result = log_.script.front();
            log_.script.pop_front();
        }
        if (body.size() > log_.largest_body && result.outcome == Outcome::delivered)
            result = {.outcome = Outcome::too_large, .error = "the answer is 413"};
        if (result.outcome == Outcome::delivered) log_.delivered.emplace_back(body);
        return result;
    }
    void stop_by(std::chrono::steady_clock::time_point) override {}

private:
    Log& log_;
};

class BatchSinkTest : public testing::Test {
protected:
    BatchSenderParts parts() {
        BatchSenderParts parts;
        parts.name = "test";
        parts.transport = std::make_unique<ScriptedTransport>(log_);
        parts.split = split_numbers;
        parts.retry = {.base_delay_ms = 100, .max_delay_ms = 1000, .max_retry_after_ms = 60'000, .max_age_ms = 30'000};
        parts.breaker = {.failures_to_open = 5, .open_ms = 5000, .successes_to_close = 1};
        parts.announce = [this](const std::string& line) { said_.push_back(line); };
        parts.clock = [this] { return clock_; };
        return parts;
    }
    void make(BatchSenderParts with, BatchOptions options = {.records = 3, .bytes = 1 << 20, .time_ms = 1000}) {
        sink_ = std::make_unique<BatchSink>("test", options, std::make_unique<NumberEncoder>(), std::move(with));
    }
    void write(std::uint64_t first, std::uint64_t last) {
        for (auto i = first; i <= last; ++i) {
            Transaction transaction;
            transaction.cookie = i;
            sink_->write(transaction);
        }
    }
    // Lets time pass in small steps, as the sink's thread would see it.
    void pass(std::uint64_t ms) {
        for (std::uint64_t i = 0; i < ms; i += 10) {
            clock_.steady_ms += 10;
            clock_.real_ns += 10'000'000;
            sink_->poll();
            ASSERT_TRUE(adds_up(stats()));
        }
    }
    [[nodiscard]] ExportStats stats() const { return sink_->stats().exported; }
    [[nodiscard]] std::uint64_t dropped(DropReason reason) const { return stats().dropped_for(reason); }
    void stop() {
        sink_->stop_by(std::chrono::steady_clock::now() + std::chrono::seconds(1));
        last_flush_ = static_cast<bool>(sink_->flush());
        EXPECT_TRUE(adds_up(stats()));
        EXPECT_EQ(stats().pending, 0);
    }
    static SendResult unavailable(std::optional<std::uint64_t> retry_after_ms = {}) {
        return {.outcome = Outcome::unavailable, .retry_after_ms = retry_after_ms, .error = "down"};
    }
    std::optional<Spool> spool(std::uint64_t max_bytes = 1 << 20) {
        auto made =
            Spool::open({.directory = directory_.path() + "/spool", .max_bytes = max_bytes, .segment_bytes = 4096});
        EXPECT_TRUE(made);
        return std::move(*made);
    }
    using Bodies = std::vector<std::string>;

    TemporaryDirectory directory_;
    SendClock clock_{1'000'000, 1'700'000'000'000'000'000ULL};
    ScriptedTransport::Log log_;
    std::vector<std::string> said_;
    std::unique_ptr<BatchSink> sink_;
    bool last_flush_ = false;
};

TEST_F(BatchSinkTest, ABatchIsClosedByItsNumberOfRecords) {
    make(parts());
    write(1, 7);
    EXPECT_EQ(stats().pending, 7);
    pass(20);
    EXPECT_EQ(log_.delivered, (Bodies{"1 2 3 ", "4 5 6 "}));
    EXPECT_EQ(stats().pending, 1);
    EXPECT_EQ(stats().batches, 2);
    EXPECT_EQ(stats().delivered_bytes, 12);
    EXPECT_EQ(stats().last_success_ns / 1'000'000'000, 1'700'000'000);
}

TEST_F(BatchSinkTest, ByItsAge) {
    make(parts());
    write(1, 1);
    pass(990);
    EXPECT_TRUE(log_.delivered.empty());
    pass(20);
    EXPECT_EQ(log_.delivered, Bodies{"1 "});
}

TEST_F(BatchSinkTest, ByItsBytes) {
    make(parts(), {.records = 100, .bytes = 4, .time_ms = 1000});
    write(1, 4);
    pass(20);
    EXPECT_EQ(log_.delivered, (Bodies{"1 2 ", "3 4 "}));
}

TEST_F(BatchSinkTest, WhatTheProtocolHasNoFormForIsCounted) {
    make(parts());
    sink_->write(LossRecord{});
    write(1, 3);
    pass(10);
    EXPECT_EQ(stats().skipped, 1);
    EXPECT_EQ(stats().delivered, 3);
}

TEST_F(BatchSinkTest, ABatchIsTriedAgainUntilItIsDelivered) {
    make(parts());
    log_.script = {unavailable(), unavailable(), unavailable()};
    write(1, 3);
    pass(10);
    EXPECT_FALSE(sink_->stats().able);
    pass(3000);
    EXPECT_EQ(log_.delivered, Bodies{"1 2 3 "});
    EXPECT_EQ(stats().attempts, 4);
    EXPECT_EQ(stats().retries, 3);
    EXPECT_EQ(stats().failures, 3);
    EXPECT_TRUE(sink_->stats().able);
    EXPECT_EQ(said_, (std::vector<std::string>{"sonde: sink test: down; records wait", "sonde: sink test: recovered"}));
}

TEST_F(BatchSinkTest, RetryAfterIsHonoured) {
    make(parts());
    log_.script = {unavailable(20'000)};
    write(1, 3);
    pass(19'990);
    EXPECT_EQ(log_.calls, 1);
    pass(30);
    EXPECT_EQ(log_.calls, 2);
    EXPECT_EQ(stats().delivered, 3);
}

TEST_F(BatchSinkTest, WhatIsRefusedForGoodIsNotTriedAgain) {
    make(parts());
    log_.script = {{.outcome = Outcome::rejected, .error = "the answer is 400"}};
    write(1, 6);
    pass(5000);
    EXPECT_EQ(log_.delivered, Bodies{"4 5 6 "});
    EXPECT_EQ(dropped(DropReason::rejected), 3);
    EXPECT_EQ(log_.calls, 2);
    ASSERT_EQ(said_.size(), 1);
    EXPECT_EQ(said_[0], "sonde: sink test: 3 records are lost (rejected): the answer is 400");
}

TEST_F(BatchSinkTest, APartOfABatchMayBeRefused) {
    make(parts());
    log_.script = {{.outcome = Outcome::delivered, .rejected_records = 2, .error = "too old"}};
    write(1, 3);
    pass(10);
    EXPECT_EQ(stats().delivered, 1);
    EXPECT_EQ(dropped(DropReason::rejected), 2);
}

TEST_F(BatchSinkTest, WhatIsTooLargeIsSentByHalves) {
    make(parts(), {.records = 8, .bytes = 1 << 20, .time_ms = 1000});
    log_.largest_body = 4;
    write(1, 8);
    pass(10);
    EXPECT_EQ(log_.delivered, (Bodies{"1 2 ", "3 4 ", "5 6 ", "7 8 "}));
    EXPECT_EQ(stats().delivered, 8);
    EXPECT_EQ(stats().batches, 4);
    EXPECT_EQ(stats().attempts, 7);
    EXPECT_EQ(stats().dropped_total(), 0);
    EXPECT_TRUE(said_.empty());
}

TEST_F(BatchSinkTest, ASingleRecordThatIsTooLargeIsRefused) {
    make(parts());
    log_.largest_body = 4;
    write(1, 2);
    write(12345, 12345);
    write(4, 6);
    pass(20);
    EXPECT_EQ(log_.delivered, (Bodies{"1 ", "2 ", "4 ", "5 6 "}));
    EXPECT_EQ(stats().delivered, 5);
    EXPECT_EQ(dropped(DropReason::rejected), 1);
    ASSERT_EQ(said_.size(), 1);
    EXPECT_EQ(said_[0], "sonde: sink test: 1 records are lost (rejected): the answer is 413");
}

TEST_F(BatchSinkTest, WhatCannotBeDividedIsRefused) {
    auto with = parts();
    with.split = {};
    make(std::move(with));
    log_.largest_body = 4;
    write(1, 3);
    pass(10);
    EXPECT_EQ(dropped(DropReason::rejected), 3);
}

TEST_F(BatchSinkTest, HalvesThatMustWaitAreTriedAgain) {
    for (const bool with_spool : {false, true}) {
        log_ = {};
        auto with = parts();
        if (with_spool) with.spool = spool();
        make(std::move(with), {.records = 8, .bytes = 1 << 20, .time_ms = 1000});
        log_.largest_body = 8;
        // the whole, its first half, then trouble
        log_.script = {{.outcome = Outcome::too_large}, {.outcome = Outcome::delivered}, unavailable()};
        write(1, 8);
        pass(10);
        EXPECT_EQ(stats().delivered, 4);
        EXPECT_EQ(stats().pending + stats().spooled, 4);
        pass(5000);
        EXPECT_EQ(log_.delivered, (Bodies{"1 2 3 4 ", "5 6 7 8 "}));
        EXPECT_EQ(stats().delivered, 8);
        stop();
        sink_.reset();
    }
}

TEST_F(BatchSinkTest, TheSpoolKeepsABatchWholeUntilAllOfItsPartsAreGone) {
    auto with = parts();
    with.spool = spool();
    make(std::move(with), {.records = 8, .bytes = 1 << 20, .time_ms = 1000});
    log_.script = {unavailable()};
    write(1, 8);
    pass(10);
    ASSERT_EQ(stats().spooled, 8);
    log_.largest_body = 4;
    log_.script = {{.outcome = Outcome::too_large},
                   {.outcome = Outcome::too_large},
                   {.outcome = Outcome::delivered},
                   unavailable(60'000)};
    pass(2000);
    EXPECT_EQ(stats().delivered, 2);
    EXPECT_EQ(stats().spooled, 6);
    log_.always = unavailable();
    stop();
    EXPECT_EQ(stats().spooled, 6);
    sink_.reset();  // as if it were killed: the next life sends all of it
    log_ = {};
    with = parts();
    with.spool = spool();
    make(std::move(with));
    EXPECT_EQ(stats().recovered, 8);
    pass(1000);
    EXPECT_EQ(log_.delivered, Bodies{"1 2 3 4 5 6 7 8 "});
}

TEST_F(BatchSinkTest, WithoutASpoolItTakesNoMoreUntilSomethingLeft) {
    make(parts());
    log_.always = unavailable();
    write(1, 12);
    EXPECT_FALSE(sink_->poll());
    log_.always.reset();
    pass(10'000);
    EXPECT_TRUE(sink_->poll());
    EXPECT_EQ(stats().delivered, 12);
}

TEST_F(BatchSinkTest, WhatIsTooOldIsGivenUp) {
    make(parts());
    log_.always = unavailable();
    write(1, 3);
    pass(29'900);
    EXPECT_EQ(stats().pending, 3);
    pass(200);
    EXPECT_EQ(dropped(DropReason::expired), 3);
    EXPECT_EQ(stats().pending, 0);
}

TEST_F(BatchSinkTest, TheLastLineTellsWhyEachWasLost) {
    make(parts());
    log_.always = unavailable();
    write(1, 3);
    pass(5'000);
    write(4, 6);
    pass(31'000);  // the second loss follows the first within the pause between two lines
    write(7, 7);
    stop();
    EXPECT_EQ(dropped(DropReason::expired), 6);
    EXPECT_EQ(dropped(DropReason::shutdown), 1);
    ASSERT_GE(said_.size(), 2);
    EXPECT_NE(said_[said_.size() - 2].find("3 records are lost (expired): "), std::string::npos)
        << said_[said_.size() - 2];
    EXPECT_NE(said_.back().find("4 records are lost (3 expired, 1 shutdown): "), std::string::npos) << said_.back();
}

TEST_F(BatchSinkTest, SoIsWhatWasTriedTooOften) {
    auto with = parts();
    with.retry.max_attempts = 2;
    make(std::move(with));
    log_.always = unavailable();
    write(1, 3);
    pass(3000);
    EXPECT_EQ(log_.calls, 2);
    EXPECT_EQ(dropped(DropReason::expired), 3);
}

TEST_F(BatchSinkTest, TheBreakerSparesADestinationThatIsDown) {
    make(parts());
    log_.always = unavailable();
    write(1, 3);
    pass(5000);  // enough for five failures, whatever the jitter
    ASSERT_EQ(stats().breaker, BreakerState::open);
    const auto calls = log_.calls;
    EXPECT_EQ(calls, 5);
    log_.always.reset();
    pass(5020);
    EXPECT_EQ(stats().breaker, BreakerState::closed);
    EXPECT_EQ(log_.calls, calls + 1);
    EXPECT_EQ(stats().breaker_opened, 1);
    EXPECT_EQ(stats().delivered, 3);
}

TEST_F(BatchSinkTest, TroubleGoesToTheSpoolAndComesBackInOrder) {
    auto with = parts();
    with.spool = spool();
    make(std::move(with));
    log_.always = unavailable();
    write(1, 30);
    pass(20'000);
    EXPECT_TRUE(sink_->poll());
    EXPECT_EQ(stats().spooled, 30);
    EXPECT_GT(stats().spool_bytes, 0);
    log_.always.reset();
    write(31, 33);  // behind the others
    pass(60'000);
    ASSERT_EQ(log_.delivered.size(), 11);
    EXPECT_EQ(log_.delivered.front(), "1 2 3 ");
    EXPECT_EQ(log_.delivered.back(), "31 32 33 ");
    EXPECT_EQ(stats().spooled, 0);
    EXPECT_EQ(stats().spool_bytes, 0);
    EXPECT_EQ(stats().delivered, 33);
}

TEST_F(BatchSinkTest, TheSpoolOutlivesTheSink) {
    auto with = parts();
    with.spool = spool();
    make(std::move(with));
    log_.always = unavailable();
    write(1, 8);
    pass(100);
    stop();
    EXPECT_TRUE(last_flush_);  // nothing is lost
    EXPECT_EQ(stats().spooled, 8);
    sink_.reset();
    log_.always.reset();
    with = parts();
    with.spool = spool();
    make(std::move(with));
    EXPECT_EQ(stats().recovered, 8);
    pass(1000);
    EXPECT_EQ(log_.delivered, (Bodies{"1 2 3 ", "4 5 6 ", "7 8 "}));
}

TEST_F(BatchSinkTest, AFullSpoolIsALossWithItsReason) {
    auto with = parts();
    with.spool = spool(8192);
    make(std::move(with));
    log_.always = unavailable();
    write(1, 3000);
    pass(100);
    EXPECT_GT(dropped(DropReason::spool_full), 0);
    EXPECT_EQ(dropped(DropReason::spool_full) + stats().spooled, 3000);
    log_.always.reset();
    pass(120'000);
    EXPECT_EQ(stats().spooled, 0);
    EXPECT_EQ(stats().delivered + dropped(DropReason::spool_full), 3000);
}

TEST_F(BatchSinkTest, WhatIsTooOldInTheSpoolIsGivenUp) {
    auto with = parts();
    with.spool = spool();
    with.spool_max_age_ms = 50'000;
    make(std::move(with));
    log_.always = unavailable();
    write(1, 3);
    pass(60'000);
    log_.always.reset();
    pass(10'000);
    EXPECT_EQ(dropped(DropReason::expired), 3);
    EXPECT_TRUE(log_.delivered.empty());
}

TEST_F(BatchSinkTest, TheFallbackGetsWhatWouldBeLost) {
    std::vector<Record> captured;
    auto with = parts();
    with.fallback = std::make_unique<CaptureSink>(captured);
    make(std::move(with));
    log_.always = unavailable();
    write(1, 30);
    pass(10);
    EXPECT_EQ(stats().diverted, 0);  // first it looks as if they only had to wait
    write(31, 60);
    EXPECT_EQ(stats().diverted, 48);
    pass(40'000);
    EXPECT_EQ(stats().diverted, 60);
    ASSERT_EQ(captured.size(), 60);
    for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(std::get<Transaction>(captured[i]).cookie, i + 1);
    EXPECT_TRUE(stats().degraded);
    log_.always.reset();
    write(61, 63);
    pass(20'000);
    EXPECT_EQ(log_.delivered, Bodies{"61 62 63 "});
    EXPECT_FALSE(stats().degraded);
    ASSERT_EQ(said_.size(), 3);
    EXPECT_EQ(said_[1], "sonde: sink test: degraded, records go to its fallback capture: down");
    EXPECT_EQ(said_[2], "sonde: sink test: recovered");
}

TEST_F(BatchSinkTest, TheEndTriesOnceMoreAndCountsTheRest) {
    make(parts());
    log_.script = {unavailable(60'000)};
    write(1, 4);
    pass(10);
    stop();
    EXPECT_TRUE(last_flush_);
    EXPECT_EQ(log_.delivered, (Bodies{"1 2 3 ", "4 "}));
    log_.always = unavailable();
    write(5, 8);
    stop();
    EXPECT_FALSE(last_flush_);
    EXPECT_EQ(dropped(DropReason::shutdown), 4);
}

// Any mixture of troubles: the counts add up at every step (pass() looks), and what came out came in.
TEST_F(BatchSinkTest, CountsAddUpWhateverHappens) {
    std::minstd_rand random(99);
    for (int round = 0; round < 60; ++round) {
        const TemporaryDirectory directory;
        std::vector<Record> captured;
        auto with = parts();
        with.seed = random();
        if (round % 2 == 0)
            with.spool =
                std::move(*Spool::open({.directory = directory.path(),
                                        .max_bytes = 8192,
                                        .segment_bytes = 1024,
                                        .full = round % 4 == 0 ? SpoolFull::drop_newest : SpoolFull::drop_oldest}));
        if (round % 3 == 0) with.fallback = std::make_unique<CaptureSink>(captured);
        make(std::move(with));
        log_.delivered.clear();
        std::uint64_t next = 1;
        for (int step = 0; step < 200; ++step) {
            const auto what = random() % 6;
            if (what == 0)
                log_.always =
                    unavailable(random() % 3 == 0 ? std::optional<std::uint64_t>(random() % 9000) : std::nullopt);
            if (what == 1) log_.always = SendResult{.outcome = Outcome::rejected, .error = "no"};
            if (what == 2)
                log_.always = SendResult{.outcome = Outcome::delivered,
                                         .rejected_records = static_cast<std::uint32_t>(random() % 3)};
            if (what > 3) log_.always.reset();
            log_.largest_body = random() % 4 == 0 ? 1 + random() % 8 : SIZE_MAX;
            if (sink_->poll()) {
                const auto count = random() % 12;
                write(next, next + count - 1);
                next += count;
            }
            pass(random() % 3000);
        }
        stop();
        const auto end = stats();
        EXPECT_EQ(end.written, next - 1);
        EXPECT_EQ(end.diverted, captured.size());
    }
}

}  // namespace
}  // namespace sonde
