#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/pipeline/http2_session.hpp"
#include "tests/support/http2_wire.hpp"

namespace sonde::test {

// One HTTP/2 connection: what both ends send goes through the kernel's walk into a session.
class Http2Peer {
public:
    static constexpr std::uint32_t client_seq = 1000, server_seq = 5000;

    explicit Http2Peer(Side side, const Http2Limits& limits = {})
        : side_(side), session(side, limits, stats, [this](Transaction& t, std::uint32_t pid) {
              done.push_back(t);
              pids.push_back(pid);
          }) {}

    // One segment from either end, cut into pieces of `cut` bytes. Returns where it began.
    std::uint32_t client(std::string_view bytes, std::uint64_t time_ns, std::size_t cut = 1 << 16) {
        return send(true, client_, client_at, bytes, time_ns, cut);
    }
    std::uint32_t server(std::string_view bytes, std::uint64_t time_ns, std::size_t cut = 1 << 16) {
        return send(false, server_, server_at, bytes, time_ns, cut);
    }
    // Segments of the server that come in this order.
    void server_reordered(const std::vector<std::string>& segments, const std::vector<std::size_t>& order,
                          std::uint64_t time_ns) {
        std::vector<std::uint32_t> seqs;
        for (const auto& bytes : segments) {
            seqs.push_back(server_at);
            server_at += static_cast<std::uint32_t>(bytes.size());
        }
        for (const auto i : order)
            for (const auto& piece : server_.segment(seqs[i], segments[i]))
                session.on(event_of(piece, false, time_ns++));
    }
    // The next segment is walked, but its records do not arrive.
    void lose_next() { lose_ = true; }
    // The application has read what the other end sent so far.
    void read(std::uint64_t time_ns, std::uint32_t pid, std::uint32_t tid) {
        SocketRead event;
        event.cookie = 7;
        event.time_ns = time_ns;
        event.copied_seq = side_ == Side::server ? client_at : server_at;
        event.thread.pid = pid;
        event.thread.tid = tid;
        session.on(event);
    }

    Http2Stats stats;
    std::vector<Transaction> done;
    std::vector<std::uint32_t> pids;
    Deflater request_table, response_table;
    std::uint32_t client_at = client_seq, server_at = server_seq;

private:
    std::uint32_t send(bool from_client, Walker& walker, std::uint32_t& at, std::string_view bytes,
                       std::uint64_t time_ns, std::size_t cut) {
        const auto begin = at;
        for (std::size_t i = 0; i < bytes.size(); i += cut) {
            const auto part = bytes.substr(i, cut);
            const auto pieces = walker.segment(at, part);
            at += static_cast<std::uint32_t>(part.size());
            if (lose_) continue;
            for (const auto& piece : pieces) session.on(event_of(piece, from_client, time_ns));
        }
        lose_ = false;
        return begin;
    }
    Http2Frames event_of(const WalkedPiece& piece, bool from_client, std::uint64_t time_ns) const {
        Http2Frames event;
        event.cookie = 7;
        event.time_ns = time_ns;
        event.outgoing = from_client == (side_ == Side::client);
        event.starts = piece.begin.started == 0;
        event.ahead = piece.ahead;
        event.lost = piece.lost;
        event.carried = piece.begin.carried;
        std::memcpy(event.carry.data(), piece.begin.carry, sizeof piece.begin.carry);
        event.seq = piece.begin.next_seq;
        event.length = piece.length;
        event.left = piece.begin.left;
        event.keep = piece.begin.keep;
        event.thread.pid = 42;
        event.thread.tid = 43;
        event.bytes = piece.bytes;
        return event;
    }

    const Side side_;
    Walker client_{client_seq, true}, server_{server_seq};
    bool lose_ = false;

public:
    Http2Session session;
};

}  // namespace sonde::test
