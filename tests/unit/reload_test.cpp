// What a reload does to each part: policies are swapped as a whole, counts go on, files are noticed.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/config/watch.hpp"
#include "agent/identity/container.hpp"
#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"
#include "sinks/capture_sink.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const RedactionPolicySet> hiding(const std::string& name, const std::string& regex) {
    return *RedactionPolicySet::build({.base = {.patterns = {{name, regex, RedactAction::mask}}}});
}

TEST(Reload, CountsOfFormerRulesStay) {
    RecordRedactor redactor(hiding("order", "ORDER-[0-9]+")->common());
    Transaction transaction;
    const auto path_of = [&](std::string_view path) {
        transaction.path.assign(path);
        redactor.redact(transaction);
        return std::string(transaction.path.view());
    };
    EXPECT_EQ(path_of("/ORDER-1/TICKET-1/a@example.com"), "/[redacted:order]/TICKET-1/[redacted:email]");
    redactor.adopt(std::make_unique<RecordRedactor>(hiding("ticket", "TICKET-[0-9]+")->common()));
    EXPECT_EQ(path_of("/ORDER-1/TICKET-1/a@example.com"), "/ORDER-1/[redacted:ticket]/[redacted:email]");
    std::map<std::string, std::uint64_t> counts;
    for (const auto& [rule, place, count] : redactor.counts()) counts[rule] += count;
    EXPECT_EQ(counts, (std::map<std::string, std::uint64_t>{{"email", 2}, {"order", 1}, {"ticket", 1}}));
}

TEST(Reload, FormerRulesAreBounded) {
    RecordRedactor redactor(RedactionPolicySet::defaults()->common());
    for (int i = 0; i < 30; ++i) {
        RedactionConfig config;
        std::string path;
        for (int j = 0; j < 64; ++j) {
            config.patterns.push_back(
                {"p" + std::to_string(i) + "_" + std::to_string(j), "X" + std::to_string(j) + "Y"});
            path += "/X" + std::to_string(j) + "Y";
        }
        redactor.adopt(std::make_unique<RecordRedactor>((*RedactionPolicySet::build({.base = config}))->common()));
        Transaction transaction;
        transaction.path.assign(path);
        redactor.redact(transaction);
    }
    const auto counts = redactor.counts();
    EXPECT_LE(counts.size(), RecordRedactor::max_retired + 1);
    std::uint64_t sum = 0, retired = 0;
    for (const auto& [rule, place, count] : counts) {
        sum += count;
        if (rule == "{retired}") retired += count;
    }
    EXPECT_GT(retired, 0U);
    EXPECT_GE(sum, 30U * 40U);  // a path is cut at its capacity
}

TEST(Reload, TheSamplerLetsGoOfWhatWaits) {
    std::size_t kept = 0;
    Sampler sampler(
        *SamplingPolicy::build({.keep_new_routes = false, .rules = {{.name = "all"}}, .route_per_second = 10}),
        [&](const Transaction&, bool) { ++kept; });
    Transaction t;
    t.service = "shop";
    t.route = "/";
    t.status = 200;
    for (int i = 0; i < 5; ++i) {
        t.cookie = static_cast<std::uint64_t>(i);
        sampler.offer(t, {.transaction = t}, 1'000'000'000);
    }
    EXPECT_EQ(kept, 0U);
    sampler.adopt(*SamplingPolicy::build({.head_rate = 0, .keep_new_routes = false}));
    EXPECT_EQ(kept, 5U);
    sampler.offer(t, {.transaction = t}, 1'000'000'000);
    EXPECT_EQ(kept, 5U);
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counts;
    for (const auto& [rule, keeps, drops] : sampler.counts())
        if (keeps + drops > 0) counts[rule] = {keeps, drops};
    const std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> want{{"all", {5, 0}}, {"head", {0, 1}}};
    EXPECT_EQ(counts, want);
}

TEST(Reload, RoutesLoseWhatIsHiddenNow) {
    std::string hidden;
    RouteTable routes({}, [&](std::string_view segment) { return segment == hidden; });
    EXPECT_EQ(routes.route("shop", "/users/alice/orders"), "/users/alice/orders");
    EXPECT_EQ(routes.route("shop", "/users/bob"), "/users/bob");
    hidden = "alice";
    routes.hide_again();
    EXPECT_EQ(routes.route("shop", "/users/alice/orders"), "/users/{redacted}/orders");
    EXPECT_EQ(routes.route("shop", "/users/bob"), "/users/bob");
    hidden = "";
    routes.hide_again();
    EXPECT_EQ(routes.route("shop", "/users/alice/orders"), "/users/alice/orders");
    routes.set_limits({.max_routes = 1});
    EXPECT_EQ(routes.route("shop", "/never/seen"), overflow_route);
}

class Named final : public Sink {
public:
    Named(std::string name, std::vector<Record>& records) : name_(std::move(name)), capture_(records) {}
    [[nodiscard]] std::string_view name() const override { return name_; }
    void write(const Record& record) override { capture_.write(record); }
    Status flush() override { return capture_.flush(); }
    [[nodiscard]] SinkStats stats() const override { return capture_.stats(); }

private:
    const std::string name_;
    CaptureSink capture_;
};

// Sinks gain and lose redaction of their own while transactions pass.
TEST(Reload, ThePipelineSwapsAllPoliciesAtOnce) {
    std::vector<Record> file_records, vault_records;
    HttpMetrics metrics;
    Delivery file(std::make_unique<Named>("file", file_records));
    Delivery vault(std::make_unique<Named>("vault", vault_records));
    Pipeline pipeline({.read_proc = false}, metrics);
    pipeline.add(file);
    pipeline.add(vault);
    const std::string request = "GET /ORDER-1/TICKET-1 HTTP/1.1\r\nHost: shop\r\n\r\n";
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    std::uint64_t connection = 0;
    const auto ask = [&] {
        SyntheticSource source;
        const auto time_ns = 1'000'000 * ++connection;
        source.conn_open(connection, time_ns, true, 8080);
        source.request({.cookie = connection, .time_ns = time_ns, .seq = 1, .ack = 1, .bytes = request});
        source.response({.cookie = connection,
                         .time_ns = time_ns + 1000,
                         .outgoing = true,
                         .seq = 1,
                         .ack = 1 + static_cast<std::uint32_t>(request.size()),
                         .bytes = response});
        source.conn_close(connection, time_ns + 2000);
        while (!source.finished()) ASSERT_TRUE(source.poll(pipeline, 0));
    };
    ask();
    PipelinePolicies policies;
    RedactionSetup setup{.base = {.patterns = {{"order", "ORDER-[0-9]+", RedactAction::mask}}},
                         .sinks = {{"vault", true, {{"order", RedactAction::off}}}}};
    policies.redaction = *RedactionPolicySet::build(setup);
    pipeline.adopt(pipeline.prepare(policies));
    ask();
    policies.redaction = hiding("ticket", "TICKET-[0-9]+");
    pipeline.adopt(pipeline.prepare(policies));
    ask();
    policies.discovery = *DiscoveryRules::build({.exclude = {{.ports = {8080}}}});
    pipeline.adopt(pipeline.prepare(policies));
    ask();
    file.stop();
    vault.stop();
    const auto paths = [](const std::vector<Record>& records) {
        std::vector<std::string> out;
        for (const auto& record : records)
            if (const auto* t = std::get_if<Transaction>(&record)) out.emplace_back(t->path.view());
        return out;
    };
    EXPECT_EQ(paths(file_records), (std::vector<std::string>{"/ORDER-1/TICKET-1", "/[redacted:order]/TICKET-1",
                                                             "/ORDER-1/[redacted:ticket]"}));
    EXPECT_EQ(paths(vault_records),
              (std::vector<std::string>{"/ORDER-1/TICKET-1", "/ORDER-1/TICKET-1", "/ORDER-1/[redacted:ticket]"}));
    EXPECT_EQ(pipeline.stats().unwatched_transactions.load(), 1U);
}

class FileWatches : public testing::Test {
protected:
    FileWatches() {
        auto name = (fs::temp_directory_path() / "sonde-watch-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~FileWatches() override { fs::remove_all(folder_); }
    void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
    // Follows the watch as its owner does, for so long.
    static bool changes(FileWatch& watch, std::chrono::milliseconds within) {
        const auto end = std::chrono::steady_clock::now() + within;
        while (std::chrono::steady_clock::now() < end) {
            pollfd fd{watch.fd(), POLLIN, 0};
            ::poll(&fd, 1, static_cast<int>(std::min(watch.next_look(), within).count()));
            if (watch.changed()) return true;
        }
        return false;
    }
    static constexpr auto long_enough = std::chrono::seconds(20);
    static constexpr auto short_time = std::chrono::milliseconds(500);
    fs::path folder_;
};

TEST_F(FileWatches, WrittenReplacedRemovedMadeAgain) {
    const auto file = folder_ / "a.yaml";
    write(file, "1");
    FileWatch watch(file);
    EXPECT_FALSE(changes(watch, short_time));
    write(file, "22");
    EXPECT_TRUE(changes(watch, long_enough));
    EXPECT_FALSE(changes(watch, short_time));  // once
    write(folder_ / "b.yaml", "333");
    EXPECT_FALSE(changes(watch, short_time));  // a neighbour
    fs::rename(folder_ / "b.yaml", file);
    EXPECT_TRUE(changes(watch, long_enough));
    fs::remove(file);
    EXPECT_TRUE(changes(watch, long_enough));
    write(file, "4444");
    EXPECT_TRUE(changes(watch, long_enough));
}

TEST_F(FileWatches, LinksThatAreSwapped) {
    fs::create_directory(folder_ / "..1");
    fs::create_directory(folder_ / "..2");
    write(folder_ / "..1/a.yaml", "1");
    write(folder_ / "..2/a.yaml", "2");
    fs::create_directory_symlink("..1", folder_ / "..data");
    fs::create_symlink("..data/a.yaml", folder_ / "a.yaml");
    FileWatch watch(folder_ / "a.yaml");
    fs::create_directory_symlink("..2", folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
    EXPECT_TRUE(changes(watch, long_enough));
    write(folder_ / "..2/a.yaml", "three");  // behind the links
    EXPECT_TRUE(changes(watch, long_enough));
}

TEST(CgroupPath, UnifiedFirst) {
    EXPECT_EQ(cgroup_path("0::/system.slice/nginx.service\n"), "/system.slice/nginx.service");
    EXPECT_EQ(cgroup_path("12:cpu:/a\n0::/b\n"), "/b");
    EXPECT_EQ(cgroup_path("12:cpu,cpuacct:/a:b\n11:memory:/c\n"), "/a:b");
    EXPECT_EQ(cgroup_path(""), "");
    EXPECT_EQ(cgroup_path("x"), "");
}

}  // namespace
}  // namespace sonde
