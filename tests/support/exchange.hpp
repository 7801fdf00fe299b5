#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pipeline/connection_tracker.hpp"
#include "agent/source/synthetic_source.hpp"
#include "tests/support/kernel_double.h"

namespace sonde::test {

inline constexpr std::uint64_t ms = 1'000'000;

// What happens on one connection, in order. Times are milliseconds.
struct Step {
    enum class Kind : std::uint8_t { request, response, read, close };

    Kind kind = Kind::request;
    std::uint64_t time_ms = 0;
    std::string bytes;
    bool fin = false;  // request, response: the last segment carries FIN
    int error = 0;     // close
};

inline Step request(std::uint64_t time_ms, std::string_view bytes, bool fin = false) {
    return {Step::Kind::request, time_ms, std::string(bytes), fin, 0};
}
inline Step response(std::uint64_t time_ms, std::string_view bytes, bool fin = false) {
    return {Step::Kind::response, time_ms, std::string(bytes), fin, 0};
}
inline Step close(std::uint64_t time_ms, int error = 0) { return {Step::Kind::close, time_ms, {}, false, error}; }

using Script = std::vector<Step>;

// How the bytes of a script become segments.
struct Delivery {
    std::size_t cut_request = 0;   // a segment ends at this byte of the request stream; 0: none does
    std::size_t cut_response = 0;  // and of the response stream
    std::size_t segment_max = 0;   // no segment is longer; 0: as long as the step
    bool push_each = true;         // PSH on every segment, or on the last of a step only
    bool twice = false;            // every segment is sent again
    bool swapped = false;          // segments of a step in pairs, the later one first
    bool progress_waits = true;    // as with the flush iterator
    Side side = Side::server;
};

// Plays scripts through the kernel's code and the tracker, and collects the transactions; of WebSockets that of the
// whole connection.
class Exchange final : public WebSocketEvents {
public:
    explicit Exchange(const Delivery& delivery = {});
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    void play(const Script& script);
    // About a second later, nothing having happened.
    void quiet();

    [[nodiscard]] const std::vector<Transaction>& done() const { return done_; }
    [[nodiscard]] ConnectionTracker& tracker() { return *tracker_; }

private:
    struct Stream {
        std::uint32_t start;
        std::size_t sent = 0;
    };

    void opened(WebSocketSession&) override {}
    void moved(const WebSocketSession&, bool, const WebSocketSession::Moved&) override {}
    void closed(const WebSocketSession&, Transaction& transaction) override { done_.push_back(transaction); }
    void send(const Step& step);
    void segment(const Step& step, Stream& stream, std::size_t from, std::size_t to);
    void record(std::span<const std::byte> bytes);

    const Delivery delivery_;
    Stream requests_{4'294'967'290};  // the sequence numbers wrap early on
    Stream responses_{1000};
    std::uint64_t now_ns_ = 0;
    std::vector<Transaction> done_;
    std::unique_ptr<ConnectionTracker> tracker_;
    kernel_double* kernel_;
};

std::vector<Transaction> play(const Script& script, const Delivery& delivery = {});

}  // namespace sonde::test
