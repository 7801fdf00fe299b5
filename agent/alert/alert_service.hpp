#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/alert/alert_dispatcher.hpp"
#include "agent/alert/alert_evaluator.hpp"
#include "agent/alert/alert_state_file.hpp"
#include "agent/alert/notifier.hpp"
#include "agent/alert/service_watch.hpp"
#include "agent/metric/self_metrics.hpp"

namespace sonde {

struct AlertServiceParts {
    AlertOptions options;
    std::string machine;      // name of this machine
    std::string console_url;  // without '/' at the end
    std::string state_path;   // empty: nothing outlives the agent
    const History* history = nullptr;
    ServiceWatch* watch = nullptr;
    // Everything but times and changes of services; called on the alert thread.
    std::function<AlertInputs()> inputs;
    std::function<double(std::uint32_t pid)> descriptor_limit;
};

// What the API shows, made at each evaluation.
struct AlertView {
    struct Shown {
        AlertInfo info;
        AlertMute mute = AlertMute::none;
    };
    std::vector<Shown> alerts;    // pending, firing, and resolved ones that are still being told
    std::vector<AlertInfo> past;  // newest first
    std::vector<AlertSilence> silences;
    std::uint64_t now_ns = 0;
};

// Evaluates the rules on the thread `alert`, about once a second, and tells notifiers:
//
//   history, metrics, sinks' states ─► evaluator ─► alerts ─► dispatcher ─► notifiers (a thread each)
//                                                     │  └──► state file
//                                                     └─────► events ─► pipeline thread ─► sinks
//
// Nothing here is waited for by the pipeline: events are taken with try_lock.
class AlertService {
public:
    // Errors: notifiers that cannot be made. A state file that cannot be read is said on stderr, put aside and begun
    // anew. Sends nothing.
    static Result<std::unique_ptr<AlertService>> create(AlertServiceParts parts);
    ~AlertService();
    AlertService(const AlertService&) = delete;
    AlertService& operator=(const AlertService&) = delete;

    void start();
    // Stores the state, delivers what waits for at most five seconds. Its owner's thread.
    void stop();
    // One evaluation; the thread's, or a test's that has not called start().
    void evaluate(std::uint64_t now_s, std::uint64_t now_ns);

    // Pipeline thread: changes of state since the last call, as records for the sinks; bounded, never a wait.
    void take_events(const std::function<void(const Record&)>& offer);

    // Any thread.
    [[nodiscard]] std::shared_ptr<const AlertView> view() const;
    Result<std::string> add_silence(AlertSilence silence);
    bool end_silence(std::string_view id);
    // sonde_alerts*, sonde_alert_*.
    [[nodiscard]] std::vector<Sample> samples() const;
    [[nodiscard]] std::vector<const Delivery*> deliveries() const;
    [[nodiscard]] const std::vector<AlertRule>& rules() const { return evaluator_.rules(); }

private:
    static constexpr std::size_t past_max = 200, events_max = 1000;

    AlertService(AlertServiceParts parts, std::vector<std::unique_ptr<Notifier>> notifiers);
    void run(const std::stop_token& stop);
    void restore();
    void take_transitions(std::uint64_t now_s, std::uint64_t now_ns);
    void settle();
    void tell(std::uint64_t now_ns);
    void note_open();
    void remember_past();
    void save(std::uint64_t now_ns);
    void publish(std::uint64_t now_ns);

    const AlertServiceParts parts_;
    const std::vector<std::unique_ptr<Notifier>> notifiers_;
    mutable std::mutex mutex_;  // of what follows, down to the view; held for an evaluation
    AlertEvaluator evaluator_;
    AlertDispatcher dispatcher_;
    AlertSilences silences_;
    std::deque<AlertInfo> past_;
    std::map<std::string, AlertInfo> open_;  // firing or resolved, as of the last evaluation
    bool changed_ = false;                   // since the last save
    bool save_failed_ = false;
    mutable std::mutex view_mutex_;
    std::shared_ptr<const AlertView> view_;
    std::mutex events_mutex_;
    std::deque<AlertRecord> events_;

    std::atomic<std::uint64_t> evaluations_{0}, evaluation_ns_{0}, overflowed_{0}, events_lost_{0}, told_{0},
        not_told_{0}, bytes_{0};
    std::mutex sleep_mutex_;
    std::condition_variable_any sleep_;
    std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sonde
