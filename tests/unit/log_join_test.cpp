#include "agent/correlate/log_join.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sonde {
namespace {

// 2,000 lines a second for ten seconds, each joined 250 ms later: some 500 wait at a time.
TEST(LogJoin, ThePoolHoldsHardlyMoreLinesThanAreInUse) {
    std::size_t joined = 0;
    LogJoin logs({}, {.redact = [](LogLine&) { return true; },
                      .on_line = [&](const std::shared_ptr<LogLine>&) { ++joined; },
                      .on_transaction = [](Transaction&) {}});
    LogWrite write;
    write.pid = 10;
    write.fd = 2;
    std::uint64_t now_ns = 1'000'000'000;
    for (int i = 0; i < 20'000; ++i) {
        const auto text = "line " + std::to_string(i) + "\n";
        write.length = static_cast<std::uint32_t>(text.size());
        write.bytes = {text.data(), text.size()};
        write.tid = 10 + static_cast<std::uint32_t>(i % 7);
        write.time_ns = now_ns += 500'000;
        logs.on(write);
        if (i % 20 == 0) logs.advance(now_ns);
    }
    EXPECT_GT(joined, 19'000U);
    EXPECT_LT(logs.pooled(), 1500U);
    logs.finish();
    EXPECT_EQ(joined, 20'000U);
}

}  // namespace
}  // namespace sonde
