#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/alert/alert_options.hpp"
#include "agent/base/result.hpp"
#include "agent/model/alert.hpp"
#include "sinks/delivery.hpp"
#include "sinks/delivery/transport.hpp"

namespace sonde {

// One destination of notices: a queue with the thread `sink/<name>`, retries, breaker and fallback, as sinks have them;
// one notice is one request. A destination that hangs costs its own queue only. One thread, but for delivery().
class Notifier {
public:
    // Errors (usage): options that contradict themselves; a fallback that cannot be opened. Sends nothing.
    static Result<std::unique_ptr<Notifier>> create(const NotifierOptions& options);

    // Sends a notice at once, without queue and retries: a test. Returns what the destination said.
    static SendResult send_once(const NotifierOptions& options, const AlertNotice& notice, std::uint64_t now_ns);

    // False: the queue is full.
    bool tell(std::shared_ptr<const AlertNotice> notice, std::uint64_t now_ns);
    // What has become of notices since the last call, oldest first: the group, and whether it arrived (or went to the
    // fallback).
    std::vector<std::pair<std::string, bool>> settle();
    [[nodiscard]] const std::string& name() const { return options_.name; }
    [[nodiscard]] Delivery& delivery() { return *delivery_; }
    [[nodiscard]] const Delivery& delivery() const { return *delivery_; }

private:
    Notifier(NotifierOptions options, std::unique_ptr<Delivery> delivery)
        : options_(std::move(options)), delivery_(std::move(delivery)) {}

    const NotifierOptions options_;
    const std::unique_ptr<Delivery> delivery_;
    std::deque<std::string> told_;  // groups of the notices that are not settled
    std::uint64_t settled_ = 0, dropped_ = 0;
};

}  // namespace sonde
