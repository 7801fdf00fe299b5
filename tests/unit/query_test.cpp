#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "agent/query/groups.hpp"
#include "agent/query/line_source.hpp"
#include "agent/query/scan.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

std::string line(std::string_view route, int status, std::uint64_t duration_ns, double weight = 1,
                 std::string_view time = "2026-01-02T03:04:05.5Z") {
    return R"({"type":"transaction","time":")" + std::string(time) +
           R"(","side":"server","service":"shop","method":"GET","route":")" + std::string(route) +
           R"(","path":"/orders/42","status":)" + std::to_string(status) + R"(,"outcome":")" +
           (status >= 500 ? "error" : "ok") + R"(","duration_ns":)" + std::to_string(duration_ns) +
           R"(,"phases":{"queue_ns":1,"cpu_ns":null},"sample_weight":)" + std::to_string(weight) +
           R"(,"unobserved":["cpu"]})" + "\n";
}

class QueryTest : public testing::Test {
protected:
    void SetUp() override {
        auto name = testing::TempDir() + "sonde_query_XXXXXX";  // tests run side by side
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string write(const std::string& name, const std::string& bytes) {
        const auto path = (directory_ / name).string();
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }
    static std::string zstd(const std::string& text) {
        std::string out(ZSTD_compressBound(text.size()), '\0');
        out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
        return out;
    }
    static std::string gzip(const std::string& text) {
        z_stream stream{};
        deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
        std::string out(deflateBound(&stream, text.size()) + 64, '\0');
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
        stream.avail_in = static_cast<uInt>(text.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data());
        stream.avail_out = static_cast<uInt>(out.size());
        deflate(&stream, Z_FINISH);
        out.resize(stream.total_out);
        deflateEnd(&stream);
        return out;
    }
    struct Answer {
        ScanStats stats;
        std::vector<std::string> lines;
    };
    static Answer ask(const std::vector<std::string>& paths, const LineFilterOptions& options = {}) {
        const auto files = find_event_files(paths);
        EXPECT_TRUE(files) << files.error().message();
        auto filter = LineFilter::make(options, 1'767'323'045'000'000'000);  // 2026-01-02T03:04:05Z
        EXPECT_TRUE(filter) << filter.error().message();
        Answer answer;
        answer.stats = scan(*files, *filter, [&](std::string_view one, const EventFields&) {
            answer.lines.emplace_back(one);
            return true;
        });
        return answer;
    }
    fs::path directory_;
};

TEST_F(QueryTest, PlainGzipAndZstdAreTheSame) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += line("/r" + std::to_string(i % 7), 200, static_cast<std::uint64_t>(i));
    write("a.jsonl", text);
    // two members and two frames, and names that lie
    write("b.jsonl.gz", gzip(text.substr(0, 1000)) + gzip(text.substr(1000)));
    write("c.jsonl.zst", zstd(text.substr(0, 777)) + zstd(text.substr(777)));
    write("d.jsonl", zstd(text));
    write("ignored.txt", text);
    const auto answer = ask({directory_.string()});
    EXPECT_EQ(answer.stats.lines, 80'000U);
    EXPECT_EQ(answer.stats.matched, 80'000U);
    EXPECT_EQ(answer.stats.bytes, 4 * text.size());
    EXPECT_EQ(answer.stats.damaged + answer.stats.torn, 0U);
    for (int i = 0; i < 20'000; ++i)
        EXPECT_EQ(answer.lines[static_cast<std::size_t>(i)], answer.lines[static_cast<std::size_t>(60'000 + i)]);
}

TEST_F(QueryTest, DamageIsCountedAndTheRestIsRead) {
    const auto good = line("/a", 200, 1000);
    write("a.jsonl", good + "{\"type\":\"transaction\",\"time\n" + std::string(5000, '\0') + "\n" + good +
                         std::string(3 << 20, 'x') + "\n" + good + good.substr(0, 200));
    const auto answer = ask({directory_.string()});
    EXPECT_EQ(answer.stats.matched, 3U);
    EXPECT_EQ(answer.stats.damaged, 3U);
    EXPECT_EQ(answer.stats.torn, 1U);
    ASSERT_EQ(answer.stats.where.size(), 4U);
    EXPECT_TRUE(answer.stats.where[0].ends_with("a.jsonl:2: not JSON")) << answer.stats.where[0];
    EXPECT_TRUE(answer.stats.where[2].ends_with("a.jsonl:5: longer than 1 MiB")) << answer.stats.where[2];
    EXPECT_TRUE(answer.stats.where[3].ends_with("a.jsonl:7: cut off at the end")) << answer.stats.where[3];
}

TEST_F(QueryTest, DamagedCompressionIsReportedAndTheNextFileIsRead) {
    std::string text;
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) text += line("/" + std::to_string(random()), 200, random());
    const auto whole_gz = gzip(text), whole_zst = zstd(text);
    auto flipped = whole_gz;
    flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x55);
    write("1.jsonl.gz", whole_gz.substr(0, whole_gz.size() / 2));
    write("2.jsonl.zst", whole_zst.substr(0, whole_zst.size() / 2));
    write("3.jsonl.gz", flipped);
    write("4.jsonl", line("/last", 200, 1));
    LineFilterOptions last;
    last.route = "/last";
    const auto answer = ask({(directory_ / "1.jsonl.gz").string(), (directory_ / "2.jsonl.zst").string(),
                             (directory_ / "3.jsonl.gz").string(), (directory_ / "4.jsonl").string()},
                            last);
    EXPECT_EQ(answer.stats.matched, 1U);
    ASSERT_GE(answer.stats.where.size(), 3U);
    EXPECT_NE(answer.stats.where[0].find("middle of its gzip data"), std::string::npos) << answer.stats.where[0];
    EXPECT_NE(answer.stats.where[1].find("middle of its zstd data"), std::string::npos) << answer.stats.where[1];
    EXPECT_NE(answer.stats.where[2].find("is damaged"), std::string::npos) << answer.stats.where[2];
}

TEST_F(QueryTest, MissingThings) {
    EXPECT_EQ(find_event_files({"/nonexistent"}).error().what, "there is no /nonexistent");
    const auto empty = find_event_files({directory_.string()});
    ASSERT_FALSE(empty);
    EXPECT_NE(empty.error().what.find("no events file"), std::string::npos);
}

TEST_F(QueryTest, Filters) {
    const auto path = write("a.jsonl", line("/orders/{id}", 200, 50'000'000, 1, "2026-01-02T03:00:00Z") +
                                           line("/orders/{id}", 503, 150'000'000, 1, "2026-01-02T03:04:00Z") +
                                           line("/pay", 404, 1'500'000'000, 1, "2026-01-03T00:00:00Z") +
                                           R"({"type":"loss","time":"2026-01-02T03:04:05Z","lost":[],"in_flight":0})"
                                           "\n");
    const auto count = [&](LineFilterOptions options) { return ask({path}, options).stats.matched; };
    LineFilterOptions any;
    any.type = "any";
    EXPECT_EQ(count({}), 3U);
    EXPECT_EQ(count(any), 4U);
    for (const auto& [status, expected] : std::initializer_list<std::pair<const char*, std::uint64_t>>{
             {"200", 1}, {"5xx", 1}, {"4xx,503", 2}, {"2xx,4xx,5xx", 3}, {"201", 0}}) {
        LineFilterOptions options;
        options.status = status;
        EXPECT_EQ(count(options), expected) << status;
    }
    for (const auto& [duration, expected] :
         std::initializer_list<std::pair<const char*, std::uint64_t>>{{">100ms", 2},
                                                                      {">=150ms", 2},
                                                                      {">150ms", 1},
                                                                      {"<50ms", 0},
                                                                      {"<=50ms", 1},
                                                                      {"1s", 1},
                                                                      {"40ms..200ms", 2}}) {
        LineFilterOptions options;
        options.duration = duration;
        EXPECT_EQ(count(options), expected) << duration;
    }
    for (const auto& [from, to, expected] : std::initializer_list<std::tuple<const char*, const char*, std::uint64_t>>{
             {"2026-01-02T03:04", "", 2},
             {"2026-01-02 03:04:00", "2026-01-03", 1},
             {"5m", "", 3},
             {"", "now", 2},
             {"2026-01-04", "", 0},
             {"-1h", "now", 2}}) {
        LineFilterOptions options;
        options.from = from;
        options.to = to;
        EXPECT_EQ(count(options), expected) << from << ".." << to;
    }
    LineFilterOptions route;
    route.route = "/orders/{id}";
    EXPECT_EQ(count(route), 2U);
    LineFilterOptions text;
    text.text = "/pay";
    EXPECT_EQ(count(text), 1U);
}

TEST(LineFilter, BadOptionsAreNamed) {
    const auto refused = [](auto set) {
        LineFilterOptions options;
        set(options);
        const auto made = LineFilter::make(options, 0);
        EXPECT_FALSE(made);
        EXPECT_EQ(made.error().exit_code(), 2);
        return made.error().message();
    };
    EXPECT_NE(refused([](auto& o) { o.status = "6"; }).find("--status '6'"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.duration = ">100"; }).find("100ms"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.from = "yesterday"; }).find("15m"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.from = "2026-02-30"; }).find("2026-02-30"), std::string::npos);
    EXPECT_NE(refused([](auto& o) { o.from = "2026-02-02", o.to = "2026-02-01"; }).find("after"), std::string::npos);
    EXPECT_NE(parse_group_by("route,colour").error().message().find("colour"), std::string::npos);
}

TEST(EventLine, EscapesSpacesAndStrangeTypes) {
    EventLineParser parser;
    ASSERT_EQ(parser.parse(R"( { "ty\u0070e" : "transaction", "service":"a\"b\u00e9", "status": 2e2, "route":null,)"
                           R"("process":{"service":"other"}, "duration_ns": 12.0, "logs":[{"status":500}] } )"),
              LineState::good);
    EXPECT_EQ(parser.fields().type, "transaction");
    EXPECT_EQ(parser.fields().service, "a\"b\xc3\xa9");
    EXPECT_EQ(parser.fields().status, 200);
    EXPECT_EQ(parser.fields().route, "");
    EXPECT_EQ(parser.fields().duration_ns, 12U);
    for (const char* bad : {"", "{", "{}}", "nonsense", "{\"a\":}", "{\"a\":1}{\"a\":1}"})
        EXPECT_EQ(parser.parse(bad), LineState::damaged) << bad;
}

TEST(EventLine, Times) {
    EXPECT_EQ(parse_event_time("1970-01-01T00:00:01Z"), 1'000'000'000U);
    EXPECT_EQ(parse_event_time("2026-01-02T03:04:05.678901234Z"), 1'767'323'045'678'901'234U);
    for (const char* bad : {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T25:04:05Z", "2026-01-02T03:04:05",
                            "2026-01-02T03:04:05+01:00", "x026-01-02T03:04:05Z"})
        EXPECT_EQ(parse_event_time(bad), 0U) << bad;
}

TEST(Groups, WeightsCountForWhatWasSampledAway) {
    Groups groups(parse_group_by("route,status").value());
    EventLineParser parser;
    std::vector<std::uint64_t> truth;
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) {
        // slow ones are all kept, one in ten of the others
        const bool slow = i % 50 == 0;
        const auto ns = slow ? 200'000'000 + random() % 100'000'000 : 1'000'000 + random() % 1'000'000;
        truth.insert(truth.end(), slow ? 1 : 10, ns);
        const auto text = line("/a", 200, ns, slow ? 1 : 10);
        ASSERT_EQ(parser.parse(text), LineState::good);
        groups.add(parser.fields());
    }
    std::sort(truth.begin(), truth.end());
    const auto rows = groups.sorted("");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]->names, (std::vector<std::string>{"/a", "200"}));
    EXPECT_EQ(rows[0]->lines, 5000U);
    EXPECT_DOUBLE_EQ(rows[0]->count, static_cast<double>(truth.size()));
    for (const double q : {0.5, 0.95, 0.99, 0.999}) {
        const auto exact =
            static_cast<double>(truth[static_cast<std::size_t>(q * static_cast<double>(truth.size())) - 1]);
        EXPECT_NEAR(static_cast<double>(rows[0]->durations.quantile_ns(q)), exact, exact * 0.032) << q;
    }
    EXPECT_EQ(rows[0]->durations.max_ns(), truth.back());
}

TEST(Groups, BoundedAndHostileNames) {
    Groups groups({GroupBy::path, GroupBy::minute}, 10);
    EventFields fields;
    fields.time = "2026-01-02T03:04:05Z";
    std::vector<std::string> paths;
    for (int i = 0; i < 100; ++i) paths.push_back(std::string("/a\0b", 4) + std::to_string(i));
    for (const auto& path : paths) {
        fields.path = path;
        groups.add(fields);
    }
    const auto rows = groups.sorted("");
    ASSERT_EQ(rows.size(), 11U);
    EXPECT_EQ(rows.back()->names, (std::vector<std::string>{"{other}", "{other}"}));
    EXPECT_EQ(groups.overflowed(), 90U);
    for (const auto* row : rows) EXPECT_EQ(row->names.size(), 2U);
}

}  // namespace
}  // namespace sonde
