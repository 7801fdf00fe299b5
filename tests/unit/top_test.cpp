#include "agent/command/top.hpp"

#include <gtest/gtest.h>

#include "agent/command/tail.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/command/top_keys.hpp"

namespace sonde {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out(1);
    for (const char c : text) {
        if (c == '\n')
            out.emplace_back();
        else
            out.back() += c;
    }
    return out;
}

TopState busy() {
    TopState state;
    state.health = "ok";
    state.transactions = 123'456;
    state.total = 60;
    for (int i = 0; i < 60; ++i) {
        TopEndpoint row;
        row.service = "a-service-with-a-long-name:" + std::to_string(8000 + i);
        row.endpoint = "GET /a/very/long/route/that/does/not/fit/{id}/" + std::to_string(i);
        row.rate_per_s = 123456.7;
        row.error_percent = 100;
        row.p50_ns = 999'000'000;
        row.p95_ns = row.p99_ns = 1'099'000'000'000;
        row.queue_percent = row.cpu_percent = row.runqueue_percent = row.blocked_percent = 100;
        row.slower = 1234.5;
        row.sparkline.assign(30, 1);
        state.endpoints.push_back(row);
    }
    TopProcess process;
    process.pid = "4194304";
    process.name = "a-command-name-that-is-long";
    process.service = "a-service-with-a-long-name:8000";
    process.cpu_percent = 1234;
    process.resident_bytes = 1e12;
    process.threads = process.descriptors = 99'999;
    process.received_per_s = process.sent_per_s = process.disk_per_s = 1e12;
    state.processes.assign(60, process);
    return state;
}

TEST(TopPicture, FitsEveryTerminal) {
    for (const auto view : {TopView::endpoints, TopView::processes, TopView::help})
        for (const auto& [columns, rows] :
             std::initializer_list<std::pair<int, int>>{{80, 24}, {119, 10}, {120, 30}, {200, 50}}) {
            auto state = busy();
            state.view = view;
            const auto lines = lines_of(top_picture(state, columns, rows, false));
            EXPECT_EQ(lines.size(), static_cast<std::size_t>(rows));
            for (const auto& line : lines) EXPECT_LE(width_of(line), static_cast<std::size_t>(columns)) << line;
            EXPECT_NE(lines.back().find("q quit"), std::string::npos);
            // the title is not cut: every number has its column
            if (view != TopView::help) {
                EXPECT_EQ(lines[2].find("…"), std::string::npos) << lines[2];
            }
        }
}

TEST(TopPicture, SaysWhatIsNotThere) {
    TopState state;
    state.message = "no agent answers at 127.0.0.1:9745";
    const auto picture = top_picture(state, 80, 24, false);
    EXPECT_NE(picture.find("no agent answers"), std::string::npos);
    EXPECT_NE(picture.find("no HTTP requests"), std::string::npos);
    auto some = busy();
    EXPECT_NE(top_picture(some, 80, 24, false).find("… and 41 more"), std::string::npos);
    some.endpoints[0].queue_percent = -1;
    EXPECT_NE(lines_of(top_picture(some, 80, 24, false))[3].find("      -"), std::string::npos);
}

TEST(TopPicture, StrangersDoNotReachTheTerminal) {
    TopState state;
    TopEndpoint row;
    row.service = "\x1b[31mred";
    row.endpoint = "GET /\xe2\x80\xae\x07";
    state.endpoints.push_back(row);
    state.total = 1;
    state.filter = "\x1b]0;title\x07";
    const auto picture = top_picture(state, 200, 24, false);
    EXPECT_EQ(picture.find('\x1b'), std::string::npos);
    EXPECT_EQ(picture.find('\x07'), std::string::npos);
    EXPECT_EQ(picture.find("\xe2\x80\xae"), std::string::npos);
}

TEST(TopKeys, Sequences) {
    auto state = busy();
    std::string_view keys = "\x1b[B\x1b[B\x1b[6~\x1b[1;5Dt";
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::redraw);
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::redraw);
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::redraw);
    EXPECT_EQ(state.first, 12U);
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::nothing) << "Ctrl-Left is not ours";
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::refetch);
    EXPECT_EQ(state.view, TopView::processes);
    EXPECT_TRUE(keys.empty());
}

TEST(TopKeys, FilterSortAndQuit) {
    auto state = busy();
    std::string_view keys = "/qs\x7f\r";
    while (!keys.empty()) EXPECT_NE(press_key(state, keys, 10), KeyResult::quit) << "q is text here";
    EXPECT_EQ(state.filter, "q");
    EXPECT_FALSE(state.typing);
    keys = "u";
    press_key(state, keys, 10);
    EXPECT_EQ(state.sort, "queue");
    keys = "s";
    press_key(state, keys, 10);
    EXPECT_EQ(state.sort, "cpu");
    keys = "wi q";
    press_key(state, keys, 10);
    EXPECT_EQ(state.window_s, 60U);
    press_key(state, keys, 10);
    EXPECT_EQ(state.side, "server");
    press_key(state, keys, 10);
    EXPECT_TRUE(state.paused);
    EXPECT_EQ(press_key(state, keys, 10), KeyResult::quit);
}

TEST(TailLine, Shapes) {
    const auto transaction =
        boost::json::parse(
            R"({"type":"transaction","time":"2026-01-02T03:04:05.678901234Z","side":"server","service":"shop:8080",)"
            R"("method":"GET","route":"/orders/{id}","path":"/orders/42\u001b[31m","status":200,"outcome":"ok",)"
            R"("duration_ns":3000000,"phases":{"queue_ns":100000,"cpu_ns":900000,"runqueue_ns":null,"blocked_ns":2000000}})")
            .as_object();
    const auto wide = tail_line(transaction, 200, false);
    EXPECT_TRUE(wide.starts_with("03:04:05.678 in  shop:8080")) << wide;
    EXPECT_NE(wide.find("GET /orders/42?[31m"), std::string::npos) << wide;
    EXPECT_NE(wide.find("queue 100 µs  cpu 900 µs  blocked 2.0 ms"), std::string::npos) << wide;
    const auto narrow = tail_line(transaction, 80, false);
    EXPECT_LE(width_of(narrow), 80U) << narrow;
    EXPECT_NE(narrow.find("blocked 67%"), std::string::npos) << narrow;
    EXPECT_EQ(tail_line(transaction, 0, false).find("…"), std::string::npos) << "for a pipe nothing is cut";
}

TEST(TerminalText, Fits) {
    EXPECT_EQ(fit_left("abc", 5), "abc  ");
    EXPECT_EQ(fit_left("abcdef", 5), "abcd…");
    EXPECT_EQ(fit_left("µµµµµµ", 5), "µµµµ…");
    EXPECT_EQ(width_of(fit_left("µs is long", 3)), 3U);
    EXPECT_EQ(fit_right("1 µs", 6), "  1 µs");
    EXPECT_EQ(readable_bytes(1536), "1.5 KiB");
    EXPECT_EQ(readable_count(12'345), "12.3k");
}

}  // namespace
}  // namespace sonde
