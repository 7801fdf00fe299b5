#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "agent/http/server.hpp"

namespace sonde {

// Answers that hold until the history moves on: five consoles that ask the same once a second cost one answer.
// Any thread; while one computes an answer, others that ask the cache wait for it.
class ResponseCache {
public:
    Response get(const std::string& target, std::uint64_t generation, const std::function<Response()>& make) {
        const std::lock_guard lock(mutex_);
        if (generation != generation_) {
            entries_.clear();
            generation_ = generation;
        }
        for (const auto& [known, response] : entries_)
            if (known == target) return response;
        auto response = make();
        if (response.body.size() > max_body) return response;
        if (entries_.size() == max_entries) entries_.pop_front();
        entries_.emplace_back(target, response);
        return response;
    }

private:
    static constexpr std::size_t max_entries = 8;
    static constexpr std::size_t max_body = std::size_t{1} << 20;

    std::mutex mutex_;
    std::deque<std::pair<std::string, Response>> entries_;
    std::uint64_t generation_ = 0;
};

}  // namespace sonde
