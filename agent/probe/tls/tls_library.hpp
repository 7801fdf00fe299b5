#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/probe/tls/elf_file.hpp"

namespace sonde {

enum class TlsKind : std::uint8_t { openssl, gnutls, go };

constexpr std::string_view to_string(TlsKind kind) {
    switch (kind) {
        case TlsKind::openssl:
            return "openssl";
        case TlsKind::gnutls:
            return "gnutls";
        case TlsKind::go:
            break;
    }
    return "go";
}

// Programs of bpf/tls.bpf.c.
enum class TlsProgram : std::uint8_t {
    read,
    read_ex,
    read_inner,
    write,
    write_ex,
    sendfile,
    handshake,
    shutdown,
    free,
    returned,  // a return probe; all others are entries
    go_read,
    go_write,
    go_handshake,
    go_close,
    go_returned,  // on an instruction: Go's stacks move, which return probes do not survive
    go_handshake_returned,
};

struct ProbePoint {
    TlsProgram program;
    std::uint64_t offset;  // in the file
};

// What to attach where in one file so that its plaintext is seen. Returns come before the entries they belong to:
// attached in this order, no call is noted whose end is missed.
struct TlsPlan {
    TlsKind kind = TlsKind::openssl;
    std::vector<ProbePoint> points;
};

// The plan of a library, or of an executable with the library inside (its symbols present). OpenSSL 1.1 and 3 and
// BoringSSL share their names; LibreSSL too. Go programs from 1.18 on, amd64 only. Nothing where the file has no TLS
// that is known.
std::optional<TlsPlan> plan_probes(const ElfFile& file);

}  // namespace sonde
