#include "agent/command/doctor.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include "agent/command/agent_checks.hpp"
#include "agent/command/bench.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/machine_checks.hpp"
#include "agent/command/terminal.hpp"
#include "agent/http/server.hpp"
#include "agent/probe/other_agents.hpp"
#include "agent/probe/probe.hpp"
#include "agent/probe/resource_probe.hpp"
#include "sinks/file/write_channel.hpp"

namespace sonde {
namespace {

void add(std::vector<Check>& out, std::vector<Check> more) {
    for (auto& check : more) out.push_back(std::move(check));
}

void add_features(std::vector<Check>& out, const std::vector<Feature>& features) {
    for (const auto& feature : features)
        out.push_back({feature.name,
                       feature.enabled ? CheckState::ok : CheckState::missing,
                       feature.enabled ? feature.detail : feature.detail + "; missing: " + feature.without,
                       {}});
}

// Libraries and executables with TLS inside that the standard places and the running processes have.
void add_tls_files(std::vector<Check>& out, const Probe& probe) {
    if (probe.tls() == nullptr) return;
    probe.tls()->wait_first_look(std::chrono::seconds(10));
    for (const auto& file : probe.tls()->files())
        out.push_back({"tls_library",
                       file.attached ? CheckState::ok : CheckState::missing,
                       file.path + " (" + std::string(to_string(file.kind)) + "): " + file.detail,
                       {}});
}

// Loads and attaches every hook for a moment: what it says is what `run` would get.
void check_probes(const Config& config, std::vector<Check>& out) {
    auto probe = Probe::prepare({.capture_bytes = config.capture_bytes, .ring_bytes = config.ring_kib << 10});
    if (!probe) {
        out.push_back({"probes", CheckState::missing, probe.error().what, probe.error().hint});
        return;
    }
    if (const auto watched = (*probe)->watch_traffic(); !watched) {
        out.push_back({"probes", CheckState::missing, watched.error().what, watched.error().hint});
        return;
    }
    add_features(out, (*probe)->features());
    if (const auto resources = ResourceProbe::attach((*probe)->scheduler_offset_fd()))
        add_features(out, (*resources)->features());
    else
        out.push_back({"process_usage", CheckState::missing, resources.error().what, resources.error().hint});
    add_tls_files(out, **probe);
}

Check check_file_writer() {
    std::array<char, 4096> memory{};
    std::string why;
    const std::string writer(make_channel(FileIo::system(), memory, &why)->name());
    if (why.empty()) return {"file_writer", CheckState::ok, writer, {}};
    return {"file_writer", CheckState::warn, writer + ", which costs more: " + why, "allow io_uring to this process"};
}

Check check_address(const std::string& listen) {
    const auto server = HttpServer::start(listen, {}, {.token = "", .allow_anonymous = true, .open_paths = {}});
    if (server) return {"address", CheckState::ok, listen + " is free", {}};
    return {"address", CheckState::problem, server.error().what, server.error().hint};
}

// own: those that are meant to be there.
Check check_agents(unsigned own) {
    const auto agents = count_agents();
    if (!agents) return {"agents", CheckState::ok, "not to be seen without CAP_SYS_ADMIN", {}};
    if (*agents <= own)
        return {"agents", CheckState::ok, own == 0 ? "none watches this machine yet" : "it is the only one", {}};
    return {"agents", CheckState::warn,
            std::to_string(*agents - own) + (own == 0 ? " watch" : " more watch") +
                " this machine: each costs its traffic again",
            "stop all but one; those of containers have a cgroup of their own in /proc/PID/cgroup of `pidof sonde`"};
}

}  // namespace

int doctor_command(const DoctorOptions& options) {
    const auto& config = options.config;
    ClientOptions agent;
    agent.address = config.listen;
    agent.token = options.token;
    agent.certificate_file = config.http.tls.certificate_file;
    agent.timeout_ms = 2000;
    if (options.bench) {
        const auto measured = run_bench(config, agent_answers(agent));
        options.json ? print_bench_json(measured) : print_bench(measured);
        return 0;
    }
    auto checks = check_machine();
    // a second set of programs beside a running agent's would watch everything twice
    if (agent_answers(agent)) {
        checks.push_back(check_agents(1));
        add(checks, check_agent(agent));
    } else {
        checks.push_back(check_agents(0));
        check_probes(config, checks);
        checks.push_back(check_address(config.listen));
        checks.push_back(check_file_writer());
        if (!config.events_directory.empty()) checks.push_back(check_events_directory(config.events_directory));
    }
    if (options.json) {
        print_checks_json(checks);
        return all_well(checks) ? 0 : 1;
    }
    print_checks(checks, wants_colour(STDOUT_FILENO));
    std::printf(
        "\nnot observable by design: QUIC, sockets that bypass the TCP stack (AF_XDP, sockmap), Unix sockets used\n"
        "through io_uring, sendmmsg or 32-bit system calls, plaintext of TLS libraries without symbols (JSSE, rustls,\n"
        "stripped static builds): counted by server name\n");
    return all_well(checks) ? 0 : 1;
}

}  // namespace sonde
