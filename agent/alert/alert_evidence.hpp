#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/alert/alert_evaluator.hpp"
#include "agent/history/history.hpp"
#include "agent/model/alert.hpp"

namespace sonde {

struct AlertEvidenceSources {
    const History* history = nullptr;  // null: no transactions
    const AlertEvaluator* evaluator = nullptr;
    std::string console_url;  // without '/' at the end
    std::uint64_t now_s = 0;  // CLOCK_MONOTONIC
    std::uint64_t now_ns = 0;
};

// Collects why the alert fires: takes some milliseconds, for a firing alert only. It reads what has passed the redactor
// and adds nothing but numbers and names.
std::shared_ptr<const AlertEvidence> gather_alert_evidence(const ActiveAlert& alert,
                                                           const AlertEvidenceSources& sources);

// A transaction of the events file, as far as waiting is concerned. Times: CLOCK_REALTIME.
struct WaitingLine {
    std::uint32_t pid = 0, tid = 0;                       // 0: not observed
    std::uint64_t begin_ns = 0, read_ns = 0, end_ns = 0;  // read: the application took it up
    bool server = true;
    std::string_view service, route;
    struct Message {
        std::string level, message;
    };
    std::vector<Message> logs;
};

// Who had the thread while these waited to be read; and what the same processes called meanwhile. Waits that nobody's
// transaction explains count for nobody.
struct WaitingCulprit {
    std::string name;  // "/sleep" or, for calls, "GET /x of db"
    double share = 0;  // of the waiting time
};
WaitingCulprit find_thread_holder(const std::vector<WaitingLine>& waiting, const std::vector<WaitingLine>& others);
WaitingCulprit find_blocking_call(const std::vector<WaitingLine>& waiting, const std::vector<WaitingLine>& others);

// In words, several lines: what notifiers show below the summary.
std::string alert_evidence_text(const AlertInfo& alert);

}  // namespace sonde
