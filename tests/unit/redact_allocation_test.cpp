// Counts allocations of the redactor by replacing operator new for the whole test program; only this test looks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "agent/redact/record_redactor.hpp"

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they bring their own
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace sonde {
namespace {

TEST(RedactionAllocations, NoneAfterWarmUp) {
    Redactor redactor(RedactionPolicy::defaults());
    const auto redact_all = [&] {
        for (const std::string_view line :
             {"order 71829 placed in 12 ms", "user ann@example.com paid with 4111 1111 1111 1111",
              R"({"level":"info","password":"hunter2","nested":{"api_key":"abc"}})", "call +49 30 1234567",
              "postgres://app:hunter2@db/x Bearer abcDEF123456789 AKIAIOSFODNN7EXAMPLE"})
            redactor.text(line, Place::message);
        redactor.path("/users/ann%40example.com/orders/42?page=2&token=abc");
        redactor.header("Authorization", "Basic abc");
        redactor.field("user.apiKey", "abc");
    };
    for (int i = 0; i < 20; ++i) redact_all();
    const auto before = allocations;
    for (int i = 0; i < 1000; ++i) redact_all();
    EXPECT_EQ(allocations - before, 0U);
}

TEST(RedactionAllocations, NoneForATransactionAfterWarmUp) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    std::size_t before = 0;
    for (int i = 0; i < 1000; ++i) {
        if (i == 20) before = allocations;
        Transaction transaction;
        transaction.path.assign("/users/ann@example.com/orders");
        transaction.host.assign("shop.local:8080");
        transaction.user_agent.assign("Mozilla/5.0 (X11; Linux x86_64) password=hunter2");
        ASSERT_TRUE(redactor.redact(transaction));
        ASSERT_EQ(transaction.path.view(), "/users/[redacted:email]/orders");
    }
    EXPECT_EQ(allocations - before, 0U);
}

}  // namespace
}  // namespace sonde
