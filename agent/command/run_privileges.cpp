#include "agent/command/run_privileges.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <atomic>
#include <thread>

#include "agent/command/terminal.hpp"
#include "agent/privilege/capabilities.hpp"
#include "agent/privilege/system_call_filter.hpp"

namespace sonde {
namespace {

std::atomic<bool> filtered{false};

PrivilegePlan plan_for(const Config& config, bool needs_admin) {
    std::vector<std::string> written{config.events_directory};
    bool chowns = false;
    for (const auto& sink : config.sinks) {
        written.push_back(sink.file.directory);
        written.push_back(sink.spool.directory);
        written.push_back(sink.fallback_directory);
        chowns = chowns || sink.file.file.owner || sink.file.file.group;
    }
    auto plan = plan_privileges(written, chowns);
    if (needs_admin) keep_also(plan, CAP_SYS_ADMIN, "before Linux 6.6 attaching uprobes takes it");
    return plan;
}

}  // namespace

RunPrivileges::RunPrivileges(const Config& config, bool needs_admin)
    : options_(config.privileges), plan_(plan_for(config, needs_admin)) {}

Status RunPrivileges::start_limited(const std::function<void()>& start) const {
    Status limited = done();
    std::thread helper([&] {
        ::prctl(PR_SET_NAME, "start");
        limited = limit_this_thread();
        if (limited) start();
    });
    helper.join();
    return limited;
}

Status RunPrivileges::limit_this_thread() const { return options_.drop ? keep_capabilities(plan_.kept) : done(); }

void RunPrivileges::filter() const {
    if (options_.drop)
        for (const auto& note : plan_.notes) say("sonde " + note);
    if (!options_.seccomp) return;
    const auto set = filter_system_calls();
    filtered.store(static_cast<bool>(set), std::memory_order_relaxed);
    if (!set) say("sonde: " + set.error().message());
}

void RunPrivileges::tell_refusals() {
    const auto refused = refused_system_calls();
    if (refused.size() == told_) return;
    told_ = refused.size();
    std::string names;
    for (const auto& [name, count] : refused) names += (names.empty() ? "" : ", ") + name;
    say("sonde: system calls that its filter refused: " + names +
        ": please report this; privileges.seccomp=false runs without the filter");
}

void add_privileges(std::vector<Sample>& out) {
    out.push_back({"sonde_system_calls_filtered",
                   "1 when only the system calls that the agent needs are allowed to it.",
                   SampleType::gauge,
                   {},
                   filtered.load(std::memory_order_relaxed) ? 1.0 : 0.0});
    for (const auto& [name, count] : refused_system_calls())
        out.push_back({"sonde_system_calls_refused_total",
                       "Number of system calls that the agent made and its filter refused.",
                       SampleType::counter,
                       {{"system_call", name}},
                       static_cast<double>(count)});
}

}  // namespace sonde
