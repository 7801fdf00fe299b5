#include <gtest/gtest.h>

#include <cstring>

#include "agent/resource/process_account.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ms = 1'000'000;

sonde_task_sample thread(std::uint32_t tgid, std::uint32_t tid, std::uint64_t cpu_ns, std::uint64_t start_ns = 1) {
    sonde_task_sample out{};
    out.tgid = tgid;
    out.tid = tid;
    out.start_ns = start_ns;
    out.usage.cpu_ns = cpu_ns;
    std::memcpy(out.comm, "worker", 7);
    return out;
}

sonde_exit_sample ended(std::uint32_t tgid, std::uint64_t cpu_ns, std::uint64_t start_ns = 1) {
    sonde_exit_sample out{};
    out.tgid = tgid;
    out.start_ns = start_ns;
    out.usage.cpu_ns = cpu_ns;
    std::memcpy(out.comm, "worker", 7);
    return out;
}

// Every process's delta and what has no process, in milliseconds of CPU time.
std::uint64_t used_ms(const ProcessAccount& account) {
    auto sum = account.unnamed().cpu_ns();
    for (const auto& [pid, process] : account.processes()) sum += process.delta().cpu_ns();
    return sum / ms;
}

ResourceReading reading_of(std::vector<sonde_task_sample> tasks, std::vector<sonde_exit_sample> exits = {}) {
    ResourceReading out;
    out.tasks = std::move(tasks);
    out.exits = std::move(exits);
    return out;
}

TEST(ProcessAccount, FirstRoundIsTheBaseline) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 500 * ms), thread(10, 11, 100 * ms)}));
    EXPECT_EQ(used_ms(account), 0);
    EXPECT_EQ(account.processes().at(10).totals.cpu_ns(), 600 * ms);
    EXPECT_EQ(account.processes().at(10).now.threads, 2);
    account.update(reading_of({thread(10, 10, 520 * ms), thread(10, 11, 130 * ms)}));
    EXPECT_EQ(used_ms(account), 50);
}

TEST(ProcessAccount, ProcessesBetweenTwoRoundsAreCountedWhole) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 0)}));
    std::vector<sonde_exit_sample> exits;
    for (std::uint32_t pid = 100; pid < 600; ++pid) exits.push_back(ended(pid, 5 * ms));
    account.update(reading_of({thread(10, 10, 0)}, exits));
    EXPECT_EQ(used_ms(account), 2500);
    EXPECT_EQ(account.exits().size(), 500);
    account.update(reading_of({thread(10, 10, 0)}));
    EXPECT_EQ(used_ms(account), 0);  // once only
    account.update(reading_of({thread(10, 10, 0)}));
    EXPECT_EQ(account.processes().size(), 1);
    EXPECT_EQ(account.forgettable().size(), 500);
}

TEST(ProcessAccount, LastSliceOfAKnownProcess) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 100 * ms)}));
    account.update(reading_of({thread(10, 10, 130 * ms)}));
    account.update(reading_of({}, {ended(10, 137 * ms)}));
    EXPECT_EQ(used_ms(account), 7);
    EXPECT_TRUE(account.processes().at(10).ended);
}

TEST(ProcessAccount, TwoRecordsOfOneEndAreOneEnd) {
    ProcessAccount account;
    account.update(reading_of({}));
    account.update(reading_of({}, {ended(10, 5 * ms), ended(10, 6 * ms)}));
    EXPECT_EQ(account.exits().size(), 1);
    EXPECT_EQ(used_ms(account), 6);
}

TEST(ProcessAccount, ANumberThatLivesAgain) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 100 * ms, 1)}));
    account.update(reading_of({thread(10, 10, 8 * ms, 2)}));  // the old one's end was lost
    EXPECT_EQ(used_ms(account), 8);
    EXPECT_EQ(account.processes().at(10).totals.cpu_ns(), 8 * ms);
    account.update(reading_of({}, {ended(10, 9 * ms, 2), ended(10, 3 * ms, 3)}));
    EXPECT_EQ(used_ms(account), 1 + 3);
}

TEST(ProcessAccount, EndsWithoutARecordKeepTheSumWhole) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 100 * ms)}));
    account.update(reading_of({thread(10, 10, 120 * ms)}));
    std::uint64_t used = used_ms(account);
    for (int round = 0; round < 4; ++round) {
        auto reading = reading_of({});
        reading.lost_usage.cpu_ns = 125 * ms + 40 * ms;  // its end, and that of one that nobody knew
        account.update(reading);
        used += used_ms(account);
    }
    EXPECT_EQ(used, 20 + 5 + 40);
}

TEST(ProcessAccount, CountersNeverGoBack) {
    UsageTotals totals;
    sonde_usage usage{};
    std::uint64_t user = 0, system = 0;
    for (std::uint64_t step = 1; step < 200; ++step) {
        usage.cpu_ns = step * 3 * ms;
        (step % 3 == 0 ? usage.user_ns : usage.system_ns) += (step % 7) * ms;  // a tick that guesses
        take_usage(usage, totals);
        EXPECT_EQ(totals.cpu_ns(), usage.cpu_ns);
        EXPECT_GE(totals.user_ns, user);
        EXPECT_GE(totals.system_ns, system);
        user = totals.user_ns;
        system = totals.system_ns;
    }
    usage.cpu_ns = 1;
    take_usage(usage, totals);
    EXPECT_EQ(totals.user_ns, user);
}

TEST(ProcessAccount, SocketsCloseAfterTheirProcess) {
    ProcessAccount account;
    account.update(reading_of({thread(10, 10, 0)}));
    auto reading = reading_of({}, {ended(10, 0)});
    account.update(reading);
    sonde_process_extra extra{};
    extra.closed.sent_bytes = 1000;
    reading = reading_of({});
    reading.extras.emplace_back(10, extra);
    account.update(reading);
    EXPECT_EQ(account.processes().at(10).delta().sent_bytes, 1000);
    account.update(reading);
    EXPECT_FALSE(account.processes().contains(10));
    ASSERT_EQ(account.forgettable().size(), 1);
    EXPECT_EQ(account.forgettable()[0], 10);
}

TEST(ProcessAccount, FullTableRefusesAndCounts) {
    ProcessAccount account(2);
    account.update(reading_of({thread(1, 1, 0), thread(2, 2, 0), thread(3, 3, 0)}));
    EXPECT_EQ(account.processes().size(), 2);
    EXPECT_EQ(account.refused(), 1);
}

}  // namespace
}  // namespace sonde
