#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "agent/history/history.hpp"
#include "agent/http/server.hpp"

namespace sonde {

// The last window that was asked for, until the history moves on: a page asks for the list and for the worst over the
// same time, and adding that up is most of the work. Any thread.
class SharedWindow {
public:
    std::shared_ptr<const HistoryWindow> get(const History& history, std::uint64_t window_s, std::size_t parts);

private:
    std::mutex mutex_;
    std::shared_ptr<const HistoryWindow> window_;
    std::uint64_t generation_ = 0, window_s_ = 0;
    std::size_t parts_ = 0;
};

// /api/v1/endpoints: all endpoints over the last seconds, beside their own past hour.
Response endpoints_answer(const History& history, SharedWindow& windows, const Request& request);
// /api/v1/endpoint: those that the parameters pick, summed, over time, with the heat map's buckets.
Response endpoint_answer(const History& history, const Request& request);

}  // namespace sonde
