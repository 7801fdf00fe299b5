#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/http/server.hpp"
#include "agent/probe/probe.hpp"
#include "agent/probe/resource_probe.hpp"
#include "sinks/file/write_channel.hpp"

namespace sonde {
namespace {

void line(bool good, const char* name, const std::string& text) {
    const bool colour = wants_colour(STDOUT_FILENO);
    const char* mark = good ? "ok" : "MISSING";
    std::printf("%s%-8s%s%-18s%s\n", colour ? (good ? "\x1b[32m" : "\x1b[31m") : "", mark, colour ? "\x1b[0m" : "",
                name, text.c_str());
}

// True: the kernel offers all of them.
bool show(const std::vector<Feature>& features) {
    bool good = true;
    for (const auto& feature : features) {
        line(feature.enabled, feature.name.c_str(),
             feature.enabled ? feature.detail : feature.detail + "; missing: " + feature.without);
        good = good && feature.enabled;
    }
    return good;
}

// Libraries and executables with TLS inside that the standard places and the running processes have.
std::vector<TlsFileState> tls_files(const Probe& probe) {
    if (probe.tls() == nullptr) return {};
    probe.tls()->wait_first_look(std::chrono::seconds(10));
    return probe.tls()->files();
}

}  // namespace

// Loads and attaches every hook for a moment: what it says is what `run` would get.
int doctor_command(const Config& config) {
    utsname system{};
    ::uname(&system);
    line(true, "kernel", std::string(system.release) + " " + system.machine);
    bool good = true;
    auto probe = Probe::prepare({.capture_bytes = config.capture_bytes, .ring_bytes = config.ring_kib << 10});
    if (!probe) {
        good = false;
        line(false, "probes", probe.error().message());
    } else if (const auto watched = (*probe)->watch_traffic(); !watched) {
        good = false;
        line(false, "probes", watched.error().message());
    } else {
        good = show((*probe)->features());
        if (const auto resources = ResourceProbe::attach((*probe)->scheduler_offset_fd())) {
            good = show((*resources)->features()) && good;
        } else {
            good = false;
            line(false, "process_usage", resources.error().message());
        }
        for (const auto& file : tls_files(**probe)) {
            line(file.attached, "tls_library",
                 file.path + " (" + std::string(to_string(file.kind)) + "): " + file.detail);
            good = good && file.attached;
        }
    }
    if (auto server = HttpServer::start(config.listen, {}); server) {
        line(true, "address", config.listen + " is free");
    } else {
        good = false;
        line(false, "address", server.error().message());
    }
    std::array<char, 4096> memory{};
    std::string why;
    const std::string writer(make_channel(FileIo::system(), memory, &why)->name());
    line(true, "file_writer", why.empty() ? writer : writer + ", which costs more: " + why);
    std::printf(
        "\nnot observable by design: QUIC, sockets that bypass the TCP stack (AF_XDP, sockmap), Unix sockets used\n"
        "through io_uring, sendmmsg or 32-bit system calls, plaintext of TLS libraries without symbols (JSSE, rustls,\n"
        "stripped static builds): counted by server name\n");
    return good ? 0 : 1;
}

}  // namespace sonde
