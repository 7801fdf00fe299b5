#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <thread>

#include "agent/privilege/capabilities.hpp"
#include "agent/privilege/privileges.hpp"
#include "agent/privilege/service_manager.hpp"
#include "agent/privilege/system_call_filter.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t mask_of(unsigned bit) { return std::uint64_t{1} << bit; }

// What a process gives up it never gets back: each such test runs in a child.
int exit_code_of(const std::function<int()>& run) {
    const auto child = ::fork();
    if (child == 0) ::_exit(run());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Capabilities, AreReadFromAStatusFile) {
    const std::string status = "Name:\tx\nCapPrm:\t0000000000000001\nCapEff:\t000000c000081004\nCapBnd:\t0\n";
    EXPECT_EQ(capabilities_in(status, "CapEff:"), 0xc000081004U);
    EXPECT_EQ(capabilities_in(status, "CapPrm:"), 1U);
    EXPECT_EQ(capabilities_in(status, "CapAmb:"), 0U);
    EXPECT_EQ(capabilities_in("CapEff:", "CapEff:"), 0U);
}

TEST(Capabilities, HaveNames) {
    EXPECT_EQ(capability_names(0), "none");
    EXPECT_EQ(capability_names(mask_of(CAP_BPF) | mask_of(CAP_SYS_PTRACE)), "CAP_BPF, CAP_SYS_PTRACE");
    EXPECT_EQ(capability_names(mask_of(CAP_DAC_OVERRIDE) | mask_of(CAP_SYS_BOOT)), "CAP_DAC_OVERRIDE, capability 22");
}

TEST(Capabilities, NetAdminIsNotKept) {
    EXPECT_EQ(kept_capabilities(),
              mask_of(CAP_BPF) | mask_of(CAP_PERFMON) | mask_of(CAP_SYS_PTRACE) | mask_of(CAP_DAC_READ_SEARCH));
}

TEST(Capabilities, AreGivenUpForGoodByTheThreadAndThoseItStarts) {
    EXPECT_EQ(exit_code_of([] {
                  if (!keep_capabilities(mask_of(CAP_PERFMON))) return 1;
                  if ((effective_capabilities() & ~mask_of(CAP_PERFMON)) != 0) return 2;
                  std::uint64_t of_thread = ~0ULL;
                  std::thread([&] { of_thread = effective_capabilities(); }).join();
                  if (of_thread != effective_capabilities()) return 3;
                  // asking for more gives no more
                  if (!keep_capabilities(~0ULL) || (effective_capabilities() & ~mask_of(CAP_PERFMON)) != 0) return 4;
                  return 0;
              }),
              0);
}

TEST(Capabilities, OtherUsersDirectoriesNeedMore) {
    const TemporaryDirectory directory;
    EXPECT_FALSE(needs_dac_override(directory.path()));
    EXPECT_FALSE(needs_dac_override(directory.path() + "/is/made"));
    ::chmod(directory.path().c_str(), 0500);
    EXPECT_TRUE(needs_dac_override(directory.path()));
    ::chmod(directory.path().c_str(), 0700);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown(directory.path().c_str(), 65534, 65534), 0);
    EXPECT_TRUE(needs_dac_override(directory.path() + "/is/made"));
    const auto plan = plan_privileges({"", directory.path()}, false);
    EXPECT_EQ(plan.kept, kept_capabilities() | (effective_capabilities() & mask_of(CAP_DAC_OVERRIDE)));
    ::chmod(directory.path().c_str(), 0777);
    EXPECT_FALSE(needs_dac_override(directory.path()));
}

TEST(SystemCalls, WhatIsNotOnTheListIsRefusedAndCounted) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    EXPECT_FALSE(filter_system_calls());
#else
    EXPECT_EQ(exit_code_of([] {
                  std::atomic<int> refused_in_thread{0};
                  std::atomic<bool> go{false};
                  std::thread earlier([&] {
                      while (!go) std::this_thread::yield();
                      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == -1 && errno == EPERM) refused_in_thread = 1;
                  });
                  const auto set = filter_system_calls();
                  go = true;
                  earlier.join();
                  if (!set) return 1;
                  if (refused_in_thread != 1) return 2;  // threads that ran already are held, too
                  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != -1 || errno != EPERM) return 3;
                  if (::fork() != -1 || errno != EPERM) return 4;
                  char* const arguments[] = {nullptr};
                  if (::execve("/bin/true", arguments, arguments) != -1 || errno != EPERM) return 5;
                  if (::kill(1, 0) != -1 || errno != EPERM || ::kill(::getpid(), 0) != 0) return 6;
                  if (::socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != EPERM) return 7;
                  bool ran = false;
                  std::thread([&] { ran = ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }).join();
                  if (!ran) return 8;
                  for (const auto& [name, count] : refused_system_calls())
                      if (name == "ptrace") return count == 2 ? 0 : 9;
                  return 10;
              }),
              0);
#endif
}

class Listener {
public:
    explicit Listener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
        if (path[0] == '@') address.sun_path[0] = '\0';
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    }
    std::string heard() {
        std::array<char, 512> text{};
        const auto n = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return n < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(n));
    }

private:
    UniqueFd fd_;
};

TEST(Manager, IsToldHowItIs) {
    const TemporaryDirectory directory;
    const auto path = directory.path() + "/notify";
    Listener listener(path);
    ServiceManager manager(path, std::chrono::milliseconds(20));
    manager.status("loading");
    manager.status("loading");
    manager.ready("all is\nwell");
    manager.alive();
    manager.alive();  // too early for another
    EXPECT_EQ(listener.heard(), "STATUS=loading");
    EXPECT_EQ(listener.heard(), "READY=1\nSTATUS=all is well");
    EXPECT_EQ(listener.heard(), "WATCHDOG=1");
    EXPECT_EQ(listener.heard(), "");
    std::this_thread::sleep_for(std::chrono::milliseconds(11));
    manager.alive();
    manager.stopping();
    EXPECT_EQ(listener.heard(), "WATCHDOG=1");
    EXPECT_EQ(listener.heard(), "STOPPING=1");
}

TEST(Manager, StandsInTheEnvironment) {
    const auto name = "@sonde-test-" + std::to_string(::getpid());
    Listener listener(name);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    auto manager = ServiceManager::from_environment();
    EXPECT_EQ(manager.watchdog(), std::chrono::seconds(2));
    EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
    manager.ready("up");
    EXPECT_EQ(listener.heard(), "READY=1\nSTATUS=up");

    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_EQ(ServiceManager::from_environment().watchdog(), std::chrono::seconds(0));  // another's watchdog
}

TEST(Manager, NobodyToTell) {
    for (const char* socket : {"", "/", "relative", "/nobody/listens"}) {
        ServiceManager manager(socket, std::chrono::seconds(1));
        EXPECT_FALSE(manager.connected()) << socket;
        manager.ready("up");
        manager.alive();
    }
}

}  // namespace
}  // namespace sonde
