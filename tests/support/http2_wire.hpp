#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/shared/http2_walk.h"

// HTTP/2 as it stands on the wire, made by hand and by libnghttp2's deflater, and the kernel's walk over it.
namespace sonde::test {

constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string big_endian(std::uint32_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
    return out;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    std::string out = big_endian(static_cast<std::uint32_t>(payload.size()), 3);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    return out.append(big_endian(stream, 4)).append(payload);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// One direction's encoder.
class Deflater {
public:
    explicit Deflater(std::size_t table_bytes = 4096) {
        nghttp2_hd_deflater* made = nullptr;
        if (nghttp2_hd_deflate_new(&made, table_bytes) != 0) throw std::bad_alloc();
        deflater_.reset(made);
    }
    std::string block(const Fields& fields) {
        std::vector<nghttp2_nv> list;
        for (const auto& [name, value] : fields)
            list.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        std::string out(nghttp2_hd_deflate_bound(deflater_.get(), list.data(), list.size()), '\0');
        const auto used = nghttp2_hd_deflate_hd(deflater_.get(), bytes(out), out.size(), list.data(), list.size());
        if (used < 0) throw std::bad_alloc();
        out.resize(static_cast<std::size_t>(used));
        return out;
    }
    std::string headers(std::uint32_t stream, const Fields& fields, std::uint8_t flags = 0) {
        return frame(SONDE_HTTP2_HEADERS, flags | SONDE_HTTP2_END_HEADERS, stream, block(fields));
    }
    void change_table_size(std::size_t bytes) { nghttp2_hd_deflate_change_table_size(deflater_.get(), bytes); }

private:
    struct Delete {
        void operator()(nghttp2_hd_deflater* deflater) const { nghttp2_hd_deflate_del(deflater); }
    };
    static std::uint8_t* bytes(const std::string& text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    }
    std::unique_ptr<nghttp2_hd_deflater, Delete> deflater_;
};

inline Fields request_fields(std::string_view path, std::string_view method = "GET") {
    return {{":method", std::string(method)},
            {":scheme", "http"},
            {":authority", "shop.local"},
            {":path", std::string(path)},
            {"user-agent", "test/1"}};
}

// A record that the kernel would send; header and thread are left to the test.
struct WalkedPiece {
    bool ahead = false;
    bool lost = false;
    sonde_http2_direction begin{};
    std::uint32_t length = 0;
    std::string bytes;
};

// The kernel's part for one direction: http2.bpf.h without its loops.
class Walker {
public:
    // preface: bytes to be skipped first
    explicit Walker(std::uint32_t seq, bool preface = false) : walk_(std::make_unique<sonde_http2_walk>()) {
        at_.next_seq = seq;
        at_.left = preface ? SONDE_HTTP2_PREFACE_BYTES : 0;
        at_.sync = SONDE_HTTP2_SYNCED;
    }

    // The records that one segment makes.
    std::vector<WalkedPiece> segment(std::uint32_t seq, std::string_view payload, bool push = true) {
        std::vector<WalkedPiece> out;
        std::uint32_t offset = 0;
        const auto length = static_cast<std::uint32_t>(payload.size());
        if (sonde_http2_hole_open(&hole_) && static_cast<std::int32_t>(seq - hole_.end) < 0) {
            const auto end = std::min(length, hole_.end - seq);
            if (sonde_http2_align(&hole_.at, seq, end, &offset) == SONDE_HTTP2_NEXT)
                walk(hole_.at, payload.substr(0, end), offset, push, false, out);
            if (sonde_http2_hole_check(&hole_, &at_) != 0) {
                sonde_http2_walk_begin(walk_.get(), &hole_.at, 0, 0);
                walk_->at = at_;
                out.push_back(take(false));
            }
            if (at_.sync == SONDE_HTTP2_LOST) lost(out);
        }
        if (place(seq, payload, offset, out)) walk(at_, payload, offset, push, sonde_http2_hole_open(&hole_) != 0, out);
        return out;
    }
    [[nodiscard]] bool synced() const { return at_.sync == SONDE_HTTP2_SYNCED; }

private:
    static long load(void* source, std::uint32_t offset, void* to, std::uint32_t n) {
        const auto& payload = *static_cast<const std::string_view*>(source);
        if (offset > payload.size() || n > payload.size() - offset) return -1;
        std::memcpy(to, payload.data() + offset, n);
        return 0;
    }
    void lost(std::vector<WalkedPiece>& out) {
        sonde_http2_walk_begin(walk_.get(), &at_, 0, 0);
        out.push_back(take(false));
        out.back().lost = true;
    }
    bool search(std::string_view payload) {
        sonde_http2_search search{};
        search.end = static_cast<std::uint32_t>(payload.size());
        while (sonde_http2_search_step(&search, walk_->bytes, &payload, load) == 0) {
        }
        return sonde_http2_hole_searched(&hole_, &at_, &search, search.end) != 0;
    }
    bool resync(std::uint32_t seq, std::string_view payload) {
        sonde_http2_probe probe{};
        probe.end = static_cast<std::uint32_t>(payload.size());
        while (sonde_http2_probe_step(&probe, &payload, load) == 0) {
        }
        if (probe.found != 0) sonde_http2_resync(&at_, seq);
        return probe.found != 0;
    }
    bool place(std::uint32_t seq, std::string_view payload, std::uint32_t& offset, std::vector<WalkedPiece>& out) {
        offset = 0;
        if (sonde_http2_hole_is_stale(&hole_, &at_) != 0) {
            hole_.at.sync = SONDE_HTTP2_LOST;
            at_.sync = SONDE_HTTP2_LOST;
        } else if (at_.sync == SONDE_HTTP2_LOST) {
            return resync(seq, payload);
        } else if (at_.sync == SONDE_HTTP2_UNKNOWN) {
            if (seq == at_.next_seq) return search(payload);
            if (static_cast<std::int32_t>(seq - at_.next_seq) < 0) return false;
            at_.sync = SONDE_HTTP2_LOST;
        } else {
            const auto align = sonde_http2_align(&at_, seq, static_cast<std::uint32_t>(payload.size()), &offset);
            if (align != SONDE_HTTP2_GAP) return align == SONDE_HTTP2_NEXT;
            if (!sonde_http2_hole_open(&hole_)) {
                sonde_http2_hole_begin(&hole_, &at_, seq);
                return search(payload);
            }
        }
        if (resync(seq, payload)) return true;
        lost(out);
        return false;
    }
    void walk(sonde_http2_direction& at, std::string_view payload, std::uint32_t offset, bool push, bool ahead,
              std::vector<WalkedPiece>& out) {
        sonde_http2_walk_begin(walk_.get(), &at, offset, static_cast<std::uint32_t>(payload.size()));
        for (;;) {
            const auto step = sonde_http2_step(walk_.get(), &payload, load);
            if (step == SONDE_HTTP2_FULL) out.push_back(take(ahead));
            if (step == SONDE_HTTP2_END) break;
            if (step == SONDE_HTTP2_FAULT) {
                walk_->at.sync = SONDE_HTTP2_LOST;
                break;
            }
        }
        if (sonde_http2_has_news(walk_.get()) || push) out.push_back(take(ahead));
        at = walk_->at;
    }
    WalkedPiece take(bool ahead) {
        WalkedPiece piece;
        piece.ahead = ahead;
        piece.begin = walk_->begin;
        piece.length = walk_->at.next_seq - walk_->begin.next_seq;
        piece.bytes.assign(reinterpret_cast<const char*>(walk_->bytes), walk_->used);
        walk_->at.started = 1;
        sonde_http2_record_taken(walk_.get());
        return piece;
    }

    sonde_http2_direction at_{};
    sonde_http2_hole hole_{};
    std::unique_ptr<sonde_http2_walk> walk_;
};

}  // namespace sonde::test
