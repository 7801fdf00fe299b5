#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "agent/model/event.hpp"
#include "agent/model/transaction.hpp"

namespace sonde {

// A request that waits for its response, or is getting it.
struct PendingRequest {
    Transaction transaction;
    std::uint64_t first_ns = 0;  // CLOCK_MONOTONIC of the first request byte
    std::uint64_t last_ns = 0;   // of the last request byte seen
    std::uint32_t start_seq = 0;
    std::uint32_t ack = 0;  // where the response was to begin, had nothing been outstanding
    bool request_complete = false;
    bool has_read = false;
    bool arrival_known = true;
    bool shares_read = false;  // an earlier request of the pipeline was read by the same call
    bool response_seen = false;
    bool is_connect_or_upgrade = false;
    bool ambiguous = false;  // messages passed beside it whose heads were not captured: order does not pair it
    std::uint64_t read_ns = 0;
    ThreadClock read;
    std::uint32_t reads_on_thread = 0;  // the thread's count of request reads just after this one
    std::uint64_t response_first_ns = 0;
    ThreadClock responded;                     // clock of the thread that sent the response's first byte
    std::uint32_t reads_on_thread_at_end = 0;  // equal to reads_on_thread: nothing else was taken up in between
    bool on_sole_thread = false;               // all that its process serves is served by the thread that answered
};

// Those of one connection, oldest first. A request takes a kilobyte and a half, most connections wait most of the time:
// what a request was kept in goes to the next one of any connection, by a pool.
class PendingRequests {
    using Place = std::unique_ptr<PendingRequest>;

public:
    class Pool {
    public:
        Place take() {
            if (spare_.empty()) return std::make_unique<PendingRequest>();
            auto place = std::move(spare_.back());
            spare_.pop_back();
            *place = PendingRequest{};
            return place;
        }
        void give(Place place) {
            if (spare_.size() < spare_max) spare_.push_back(std::move(place));
        }

    private:
        static constexpr std::size_t spare_max = 512;
        std::vector<Place> spare_;
    };

    class Iterator {
    public:
        explicit Iterator(Place* at) : at_(at) {}
        PendingRequest& operator*() const { return **at_; }
        Iterator& operator++() {
            ++at_;
            return *this;
        }
        bool operator==(const Iterator& other) const = default;

    private:
        Place* at_;
    };

    PendingRequest& add(Pool& pool) { return *places_.emplace_back(pool.take()); }
    void pop_front(Pool& pool) {
        pool.give(std::move(places_.front()));
        places_.erase(places_.begin());
    }
    void clear() { places_.clear(); }

    [[nodiscard]] bool empty() const { return places_.empty(); }
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    PendingRequest& operator[](std::size_t i) { return *places_[i]; }
    PendingRequest& front() { return *places_.front(); }
    PendingRequest& back() { return *places_.back(); }
    Iterator begin() { return Iterator(places_.data()); }
    Iterator end() { return Iterator(places_.data() + places_.size()); }

private:
    std::vector<Place> places_;
};

}  // namespace sonde
