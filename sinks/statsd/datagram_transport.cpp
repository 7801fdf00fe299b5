#include "sinks/statsd/datagram_transport.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <system_error>
#include <utility>

namespace sonde {
namespace {

constexpr std::size_t udp_packet_bytes = 1432;   // 1500 of Ethernet, less IPv6, UDP and a little for tunnels
constexpr std::size_t unix_packet_bytes = 8192;  // what DogStatsD's clients use
constexpr int room_timeout_ms = 100;             // a Unix socket's reader that is this slow counts as down
constexpr std::string_view unix_scheme = "unix:";

std::string why(int error) { return std::generic_category().message(error); }

}  // namespace

Result<std::unique_ptr<DatagramTransport>> DatagramTransport::create(const std::string& address,
                                                                     std::uint32_t max_packet_bytes) {
    const auto bad = [&](const char* what) {
        return fail("\"" + address + "\" is no address for statsd: " + what, "HOST:PORT, [V6]:PORT or unix:/PATH",
                    ErrorKind::usage);
    };
    if (std::string_view(address).starts_with(unix_scheme)) {
        auto path = address.substr(unix_scheme.size());
        while (path.starts_with("//")) path.erase(0, 1);
        if (!path.starts_with('/')) return bad("the path is not absolute");
        if (path.size() >= sizeof(sockaddr_un::sun_path)) return bad("the path is longer than 107 bytes");
        return std::unique_ptr<DatagramTransport>(
            new DatagramTransport({}, {}, path, max_packet_bytes != 0 ? max_packet_bytes : unix_packet_bytes));
    }
    const auto colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return bad("no port");
    auto host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const auto port = address.substr(colon + 1);
    if (port.find_first_not_of("0123456789") != std::string::npos) return bad("the port is no number");
    return std::unique_ptr<DatagramTransport>(
        new DatagramTransport(host, port, {}, max_packet_bytes != 0 ? max_packet_bytes : udp_packet_bytes));
}

DatagramTransport::DatagramTransport(std::string host, std::string port, std::string path, std::size_t max_packet_bytes)
    : host_(std::move(host)), port_(std::move(port)), path_(std::move(path)), max_packet_bytes_(max_packet_bytes) {}

std::string DatagramTransport::connect() { return path_.empty() ? connect_udp() : connect_unix(); }

std::string DatagramTransport::connect_udp() {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(host_.c_str(), port_.c_str(), &hints, &found); error != 0)
        return host_ + ": " + ::gai_strerror(error);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
    std::string reason = host_ + ": no address";
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        UniqueFd socket(::socket(entry->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (socket && ::connect(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0) {
            socket_ = std::move(socket);
            return {};
        }
        reason = host_ + ": " + why(errno);
    }
    return reason;
}

std::string DatagramTransport::connect_unix() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return path_ + ": " + why(errno);
    socket_ = std::move(socket);
    return {};
}

// 0 or errno.
int DatagramTransport::send_packet(std::string_view packet) {
    while (::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
        const int error = errno;
        if (error == EINTR) continue;
        if (error != EAGAIN && error != ENOBUFS) return error;
        pollfd entry{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
        if (::poll(&entry, 1, room_timeout_ms) == 0) return EAGAIN;
    }
    return 0;
}

SendResult DatagramTransport::send(std::string_view body, std::uint32_t) {
    SendResult result;
    const auto hash = std::hash<std::string_view>()(body);
    auto at = hash == resume_hash_ ? std::exchange(resume_at_, 0) : 0;
    if (!socket_) result.error = connect();
    while (socket_ && at < body.size()) {
        auto size = std::min(max_packet_bytes_, body.size() - at);
        if (at + size < body.size()) {
            const auto last_end = body.substr(at, size).rfind('\n');
            // a line longer than a packet goes alone: the kernel or the network says what it thinks of it
            const auto end = last_end != std::string_view::npos ? at + last_end : body.find('\n', at);
            size = (end == std::string_view::npos ? body.size() : end + 1) - at;
        }
        const auto packet = body.substr(at, size);
        const auto error = send_packet(packet.ends_with('\n') ? packet.substr(0, size - 1) : packet);
        if (error == EMSGSIZE) {
            result.outcome = SendResult::Outcome::rejected;
            result.error = "a packet of " + std::to_string(size) + " bytes is too large for the way";
            return result;
        }
        if (error != 0) {
            result.error = (path_.empty() ? host_ + ":" + port_ : path_) + ": " + why(error);
            socket_.reset();  // the name may have another address by now, the socket another owner
            break;
        }
        at += size;
    }
    if (at >= body.size()) {
        result.outcome = SendResult::Outcome::delivered;
        return result;
    }
    resume_at_ = at;
    resume_hash_ = hash;
    return result;
}

}  // namespace sonde
