#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/event.hpp"
#include "agent/model/request_observer.hpp"
#include "agent/pipeline/http2_stream.hpp"
#include "agent/protocol/forwarded.hpp"
#include "agent/protocol/hpack_inflater.hpp"
#include "agent/protocol/http2_frame.hpp"
#include "agent/protocol/trace_context.hpp"

namespace sonde {

struct Http2Limits {
    std::size_t max_streams = 1024;          // open at once on one connection; the oldest leaves for a further one
    std::size_t max_held = 64;               // records of a direction that wait for bytes before them
    std::size_t max_block_bytes = 65'536;    // of one header block, CONTINUATION included
    std::uint64_t quiet_ns = 2'000'000'000;  // a stream whose end was missed ends after this silence
    const TraceHeaderNames* trace_headers = &TraceHeaderNames::defaults();  // outlive the session
};

// Number of things over all sessions; single writer, readable from any thread.
struct Http2Stats {
    std::atomic<std::uint64_t> connections{0};          // taken up
    std::atomic<std::uint64_t> orphan_records{0};       // of connections that are not known, or no HTTP/2
    std::atomic<std::uint64_t> joined_connections{0};   // directions whose beginning was not seen
    std::atomic<std::uint64_t> reordered_records{0};    // came before the bytes that precede them, and waited
    std::atomic<std::uint64_t> gaps{0};                 // times that frames were missing in a direction
    std::atomic<std::uint64_t> unknown_fields{0};       // header fields that stand in a table nobody has seen
    std::atomic<std::uint64_t> unreadable_blocks{0};    // header blocks that could not be read to their end
    std::atomic<std::uint64_t> headless_streams{0};     // streams of which nothing but request trailers was seen
    std::atomic<std::uint64_t> unmatched_responses{0};  // response heads whose request was not seen
    std::atomic<std::uint64_t> evicted_streams{0};      // left for want of room, outcome unobserved
    std::atomic<std::uint64_t> pushed_streams{0};       // promised by a server: not followed
};

// One HTTP/2 connection as seen from one of its sockets: frames in, transactions out. It does not care whether its
// frames came from packets or from a TLS library. Owned by the pipeline thread; no allocation per event once its
// streams and buffers have been used.
class Http2Session {
public:
    // Called for each finished stream. time_ns is still CLOCK_MONOTONIC; addresses, route and service are open.
    using Deliver = std::function<void(Transaction&, std::uint32_t pid)>;

    // Tells who asked by what proxies say, called for each stream that opens; none: that stays unobserved.
    using ClientOf = std::function<Endpoint(const ForwardedHeaders& forwarded, bool whole_head)>;

    Http2Session(Side side, const Http2Limits& limits, Http2Stats& stats, Deliver deliver, ClientOf client_of = {});
    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;

    // Who is told of requests, and the ends of the connection to name to it; all outlive the session.
    void set_observer(RequestObserver* observer, const Endpoint& local, const Endpoint& remote) {
        observer_ = observer, local_ = &local, remote_ = &remote;
    }
    void on(const Http2Frames& event);
    void on(const SocketRead& event);
    // The connection is gone: what is open was aborted.
    void on_close();
    // A stream that began elsewhere: the request that an upgrade made stream 1. Before any frame.
    void adopt(const Http2Stream& stream);
    // Nothing will come of the streams that are open.
    void drop();
    // Ends what has been silent and whose end may have been missed. now_ns: CLOCK_MONOTONIC of the records.
    void tick(std::uint64_t now_ns);

    [[nodiscard]] std::size_t open_streams() const { return open_.size(); }

private:
    // Collects what one direction carries.
    class Direction final : public Http2FrameHandler, public HpackFieldHandler {
    public:
        Direction(Http2Session& session, bool is_request) : session_(session), is_request_(is_request) {}
        void read(const Http2Frames& event);
        // What waits for bytes that will not come any more is dropped.
        void give_up_hole();

        void on_frame(const sonde_http2_header& header) override;
        void on_kept(const sonde_http2_header& header, std::span<const char> bytes) override;
        void on_payload(const sonde_http2_header& header, std::uint32_t count) override;
        void on_frame_end(const sonde_http2_header& header) override;
        void on_gap() override;
        void on_field(const HpackField& field) override;

    private:
        // A piece that came before the bytes that precede it.
        struct Held {
            Http2Frames event;
            std::string bytes;
        };
        void take(const Http2Frames& event);
        void hold(const Http2Frames& event);
        void release_held();
        void begin_block(const sonde_http2_header& header);
        bool strip_block(const sonde_http2_header& header);
        void end_block();
        void end_data(const sonde_http2_header& header);
        Http2Stream* target(bool& opens);
        bool inflate(Http2Stream* stream, bool opens);
        void take_other_field(std::string_view name, std::string_view value);

        Http2Session& session_;
        const bool is_request_;
        bool begun_ = false;
        Http2FrameReader reader_;
        HpackInflater inflater_;
        std::vector<Held> held_;             // by position
        std::uint64_t header_first_ns_ = 0;  // of the first byte of the next frame header
        std::uint64_t frame_first_ns_ = 0;   // of the current frame

        // the header block under way (RFC 9113 §4.3): one frame, or several without anything in between
        bool in_block_ = false;
        bool block_promises_ = false;  // PUSH_PROMISE
        bool block_ends_stream_ = false;
        std::uint32_t block_stream_ = 0;
        std::uint32_t block_seq_ = 0;
        std::uint64_t block_first_ns_ = 0;
        std::uint64_t block_wire_bytes_ = 0;
        std::size_t block_frame_at_ = 0;  // where the current frame's payload begins in block_
        std::string block_;

        std::string payload_;  // kept bytes of another frame: pad length, error codes
        // of the block being inflated
        Http2Stream* fields_of_ = nullptr;
        std::uint16_t status_ = 0;
        bool has_pseudo_field_ = false;
        TraceHeaders trace_;  // these two are views into text_, since a field lives for one call
        ForwardedHeaders forwarded_;
        std::array<char, 2048> text_;
        std::size_t text_used_ = 0;
    };

    struct Open {
        std::uint32_t id;
        std::unique_ptr<Http2Stream> stream;
    };

    Http2Stream* find(std::uint32_t id);
    Http2Stream& open(std::uint32_t id);
    void finish_if_ended(Http2Stream& stream);
    void on_reset(std::uint32_t id, std::uint32_t error, bool by_client);
    void on_goaway(std::uint32_t last_stream);
    void assign_read(Http2Stream& stream, const SocketRead& event);
    void tell_sent(Http2Stream& stream, const ThreadClock& by, std::uint64_t first_ns);
    void forget(Http2Stream& stream);
    // Delivers the stream and forgets it.
    void finish(Http2Stream& stream, Outcome outcome);

    const Side side_;
    const Http2Limits limits_;
    Http2Stats& stats_;
    const Deliver deliver_;
    const ClientOf client_of_;
    RequestObserver* observer_ = nullptr;  // null: nobody
    const Endpoint* local_ = nullptr;      // with observer_
    const Endpoint* remote_ = nullptr;
    const Http2Frames* now_ = nullptr;  // while it is being read
    Direction requests_{*this, true};
    Direction responses_{*this, false};
    std::vector<Open> open_;  // by id, rising: as a client must open them (RFC 9113 §5.1.1)
    std::vector<std::unique_ptr<Http2Stream>> spare_;
    std::uint32_t newest_stream_ = 0;
    bool has_read_ = false;
    SocketRead last_read_;
};

}  // namespace sonde
