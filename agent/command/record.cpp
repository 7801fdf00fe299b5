#include <chrono>
#include <cstdio>
#include <unordered_set>

#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/identity/process_table.hpp"
#include "agent/pipeline/decoder.hpp"
#include "agent/probe/probe.hpp"
#include "agent/probe/ring_source.hpp"
#include "agent/redact/record_redactor.hpp"
#include "agent/source/recorder.hpp"

namespace sonde {
namespace {

// Copies records into the file, each process described before it is first mentioned.
class Copy final : public RecordHandler {
public:
    Copy(Recorder& recorder, const RedactionPolicySet& redaction)
        : recorder_(recorder), redactor_(redaction.common()) {}
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;

    void on_record(std::span<const std::byte> record) override {
        const auto event = decode(record);
        if (!event) return;
        if (const auto* exec = std::get_if<ProcExec>(&*event)) {
            processes_.on_exec(exec->pid, exec->parent_pid, exec->comm, exec->filename);
            described_.erase(exec->pid);
        }
        if (const auto* head = std::get_if<Head>(&*event)) describe(head->thread.pid);
        if (const auto* read = std::get_if<SocketRead>(&*event)) describe(read->thread.pid);
        if (const auto* exit = std::get_if<ProcExit>(&*event)) described_.erase(exit->pid);
        recorder_.on_record(record);
        ++records_;
    }
    [[nodiscard]] std::uint64_t records() const { return records_; }

private:
    void describe(std::uint32_t pid) {
        if (pid == 0 || !described_.insert(pid).second) return;
        if (const auto process = processes_.find(pid)) recorder_.process(*process);
    }

    Recorder& recorder_;
    RecordRedactor redactor_;
    ProcessTable processes_{{.redact = [this](Process& process) { redactor_.redact(process); }}};
    std::unordered_set<std::uint32_t> described_;  // of the processes that live
    std::uint64_t records_ = 0;
};

}  // namespace

int record_command(const Config& config, const std::string& file, double seconds) {
    using Clock = std::chrono::steady_clock;
    const StopSignals signals;
    const auto redaction = RedactionPolicySet::build(config.redaction);
    if (!redaction) return report(redaction.error());
    auto probe = Probe::prepare({.capture_bytes = config.capture_bytes, .ring_bytes = config.ring_kib << 10});
    if (!probe) return report(probe.error());
    auto source = RingSource::open(**probe);
    if (!source) return report(source.error());
    auto recorder = Recorder::open(file, (*source)->realtime_offset_ns(), (*redaction)->common().front().policy);
    if (!recorder) return report(recorder.error());
    Copy copy(**recorder, **redaction);
    if (const auto watched = (*probe)->watch_traffic(); !watched) return report(watched.error());
    std::fprintf(stderr, "recording to %s; stop with Ctrl-C\n", file.c_str());
    const auto started = Clock::now();
    while (!StopSignals::stop_requested()) {
        if (auto polled = (*source)->poll(copy, 20); !polled) return report(polled.error());
        if (seconds > 0 && std::chrono::duration<double>(Clock::now() - started).count() >= seconds) break;
    }
    (*source)->poll_all(copy);
    if (auto closed = (*recorder)->close((*source)->losses()); !closed) return report(closed.error());
    std::fprintf(stderr, "%llu records in %s\n", static_cast<unsigned long long>(copy.records()), file.c_str());
    return 0;
}

}  // namespace sonde
