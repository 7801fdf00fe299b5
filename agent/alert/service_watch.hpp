#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/alert/alert_inputs.hpp"
#include "agent/pipeline/pipeline.hpp"

namespace sonde {

// Which file a process runs from: another one at the same path is another one.
struct ExecutableIdentity {
    std::uint64_t device = 0, inode = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const ExecutableIdentity&) const = default;
};

// What the machine says about processes; a test's, or /proc.
struct ProcessFacts {
    std::function<bool(const Process& process)> alive;                               // this very one, not its number
    std::function<std::optional<ExecutableIdentity>(std::uint32_t pid)> executable;  // nothing: it cannot be told
    static ProcessFacts of_proc();
};

// Sees services come back as other processes. The pipeline's thread notes each process of a service when it serves its
// first request; the alert thread asks what became of those before it:
//
//   others of the service live on, same executable   another worker: nothing
//   others live on or not, another executable         deployment
//   all others have ended, same executable            restart
class ServiceWatch final : public TransactionObserver {
public:
    explicit ServiceWatch(ProcessFacts facts = ProcessFacts::of_proc()) : facts_(std::move(facts)) {}

    // Pipeline thread: a comparison for a process that is known, never a wait.
    void observe(const Transaction& transaction) override;
    // Alert thread.
    std::vector<AlertServiceChange> take(std::uint64_t now_ns);

private:
    static constexpr std::size_t cache_size = 256, seen_max = 256, workers_max = 64, services_max = 4096;
    struct Worker {
        ProcessPtr process;
        std::optional<ExecutableIdentity> executable;
    };
    std::optional<AlertServiceChange> judge(const std::string& service, const ProcessPtr& process,
                                            std::uint64_t now_ns);

    const ProcessFacts facts_;
    // pipeline thread: processes that were handed over, by pid; the pointers keep their addresses from being used again
    std::array<std::pair<ProcessPtr, std::string_view>, cache_size> known_;
    std::mutex mutex_;  // of seen_
    std::vector<std::pair<std::string_view, ProcessPtr>> seen_;
    std::map<std::string, std::vector<Worker>> services_;  // alert thread
};

}  // namespace sonde
