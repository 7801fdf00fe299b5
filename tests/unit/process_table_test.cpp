#include "agent/identity/process_table.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sonde {
namespace {

namespace fs = std::filesystem;

class ProcessTableTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "sonde_proc_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(std::uint32_t pid, const char* file, std::string_view text) const {
        std::ofstream(root_ / std::to_string(pid) / file, std::ios::binary) << text;
    }
    void start(std::uint32_t pid, const std::string& program, int start_ticks, char state = 'S') const {
        const auto directory = root_ / std::to_string(pid);
        fs::remove_all(directory);
        fs::create_directory(directory);
        write(pid, "comm", program + "\n");
        fs::create_symlink("/usr/bin/" + program, directory / "exe");
        write(pid, "cmdline", std::string_view("x\0y\0", 4));
        write(pid, "cgroup", "0::/system.slice/" + program + "-unit.service\n");
        std::string stat = std::to_string(pid) + " (a) b (c)) " + state;
        for (int field = 4; field < 22; ++field) stat += " 0";
        write(pid, "stat", stat + " " + std::to_string(start_ticks) + " 0 0\n");
    }
    void end(std::uint32_t pid) const { fs::remove_all(root_ / std::to_string(pid)); }
    [[nodiscard]] ProcessTable table(std::size_t max_processes = 100, std::size_t max_exited = 10) const {
        return ProcessTable({.max_processes = max_processes, .max_exited = max_exited, .proc_root = root_.string()});
    }

    fs::path root_;
};

TEST_F(ProcessTableTest, ReadsProcOnce) {
    start(7, "shop", 200);
    auto processes = table();
    const auto process = processes.find(7);
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->pid, 7U);
    EXPECT_EQ(process->comm, "shop");
    EXPECT_EQ(process->exe, "/usr/bin/shop");
    EXPECT_EQ(process->program, "shop");
    EXPECT_EQ(process->unit, "shop-unit");
    EXPECT_EQ(process->container_id, "");
    EXPECT_EQ(process->start_time_ns, 200 * (1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK))));
    start(7, "other", 200);
    EXPECT_EQ(processes.find(7), process);
}

TEST_F(ProcessTableTest, GoneAndUnknownIsNullAndTakesNoRoom) {
    auto processes = table();
    EXPECT_EQ(processes.find(7), nullptr);
    EXPECT_EQ(processes.size(), 0U);
    start(7, "late", 1);
    ASSERT_NE(processes.find(7), nullptr);
}

TEST_F(ProcessTableTest, ShortLivedProcessIsKnownFromItsExec) {
    auto processes = table();
    processes.on_exec(7, 1, "curl", "/usr/bin/curl");
    processes.on_exit(7);
    const auto process = processes.find(7);
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->program, "curl");
    EXPECT_EQ(process->exe, "/usr/bin/curl");
}

TEST_F(ProcessTableTest, ExecMakesItAnotherProgram) {
    start(7, "sh", 1);
    auto processes = table();
    ASSERT_EQ(processes.find(7)->program, "y");  // the script of the shell
    start(7, "shop", 1);
    processes.on_exec(7, 1, "shop", "/usr/bin/shop");
    EXPECT_EQ(processes.find(7)->unit, "shop-unit");
}

TEST_F(ProcessTableTest, ExitedProcessStaysForItsLastRecords) {
    start(7, "shop", 1);
    auto processes = table();
    ASSERT_NE(processes.find(7), nullptr);
    processes.on_exit(7);
    EXPECT_EQ(processes.find(7)->program, "shop");  // still in /proc, the same start time
    end(7);
    EXPECT_EQ(processes.find(7)->program, "shop");
}

TEST_F(ProcessTableTest, PidReusedWithoutExecIsReadAnew) {
    start(7, "shop", 1);
    auto processes = table();
    ASSERT_NE(processes.find(7), nullptr);
    processes.on_exit(7);
    start(7, "worker", 2);
    EXPECT_EQ(processes.find(7)->program, "worker");
    end(7);
    EXPECT_EQ(processes.find(7)->program, "worker");
}

TEST_F(ProcessTableTest, ZombieIsNoSuccessor) {
    auto processes = table();
    processes.on_exec(7, 1, "curl", "/usr/bin/curl");
    processes.on_exit(7);
    start(7, "curl-zombie", 9, 'Z');
    EXPECT_EQ(processes.find(7)->program, "curl");
    start(7, "worker", 9, 'R');
    EXPECT_EQ(processes.find(7)->program, "worker");
}

TEST_F(ProcessTableTest, GraceIsBounded) {
    auto processes = table(100, 2);
    for (std::uint32_t pid = 1; pid <= 3; ++pid) processes.on_exec(pid, 1, "x", "/x");
    for (std::uint32_t pid = 1; pid <= 3; ++pid) processes.on_exit(pid);
    EXPECT_EQ(processes.find(1), nullptr);
    EXPECT_NE(processes.find(2), nullptr);
    EXPECT_NE(processes.find(3), nullptr);
}

TEST_F(ProcessTableTest, EarlierExitOfAReusedPidDoesNotEndItsGrace) {
    auto processes = table(100, 2);
    processes.on_exec(1, 1, "a", "/a");
    processes.on_exit(1);
    processes.on_exec(1, 1, "b", "/b");
    processes.on_exec(2, 1, "c", "/c");
    processes.on_exit(2);
    processes.on_exit(1);  // pushes out the first exit of 1
    ASSERT_NE(processes.find(1), nullptr);
    EXPECT_EQ(processes.find(1)->program, "b");
}

TEST_F(ProcessTableTest, FullTableForgetsTheLeastUsed) {
    for (std::uint32_t pid = 1; pid <= 3; ++pid) start(pid, "p" + std::to_string(pid), 1);
    auto processes = table(2);
    processes.find(1);
    processes.find(2);
    processes.find(1);
    processes.find(3);
    EXPECT_EQ(processes.size(), 2U);
    EXPECT_EQ(processes.evictions(), 1U);
    end(1);
    end(2);
    EXPECT_NE(processes.find(1), nullptr);
    EXPECT_EQ(processes.find(2), nullptr);
}

TEST_F(ProcessTableTest, ReplayNeverAsksProc) {
    start(7, "mine", 1);
    ProcessTable processes({.read_proc = false, .proc_root = root_.string()});
    EXPECT_EQ(processes.find(7), nullptr);
    auto recorded = std::make_shared<Process>();
    recorded->pid = 7;
    recorded->program = "theirs";
    processes.put(recorded);
    EXPECT_EQ(processes.find(7)->program, "theirs");
    processes.on_exit(7);
    EXPECT_EQ(processes.find(7)->program, "theirs");
}

TEST_F(ProcessTableTest, DamagedProcFiles) {
    fs::create_directory(root_ / "7");
    write(7, "comm", "\n");
    write(7, "stat", "7 (x");
    auto processes = table();
    ASSERT_NE(processes.find(7), nullptr);
    EXPECT_EQ(processes.find(7)->program, "");
    EXPECT_EQ(processes.find(7)->start_time_ns, 0U);
}

}  // namespace
}  // namespace sonde
