#include "agent/http/client.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::size_t answer_most = std::size_t{64} << 20;

Error no_agent(const std::string& address, const std::string& why) {
    return fail("no agent answers at " + address + ": " + why,
                "start one with `sonde run`, or name its address with --connect HOST:PORT");
}

std::string host_of(const std::string& address) {
    auto host = address.substr(0, address.rfind(':'));
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
    return host.empty() ? "127.0.0.1" : host;
}

bool wait_for(int fd, short events, int timeout_ms) {
    pollfd waiting{fd, events, 0};
    int got = 0;
    do got = ::poll(&waiting, 1, timeout_ms);
    while (got < 0 && errno == EINTR);
    if (got == 0) errno = ETIMEDOUT;
    return got > 0;
}

Result<UniqueFd> connect_to(const ClientOptions& options) {
    const auto colon = options.address.rfind(':');
    if (colon == std::string::npos)
        return fail("'" + options.address + "' is not an address", "write HOST:PORT, as in 127.0.0.1:9745",
                    ErrorKind::usage);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const auto port = options.address.substr(colon + 1);
    if (const int error = ::getaddrinfo(host_of(options.address).c_str(), port.c_str(), &hints, &found); error != 0)
        return no_agent(options.address, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
    int last_error = 0;
    for (const auto* one = found; one != nullptr; one = one->ai_next) {
        UniqueFd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol));
        if (!fd) continue;
        int error = ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            error = wait_for(fd.get(), POLLOUT, options.timeout_ms) ? 0 : errno;
            socklen_t size = sizeof error;
            if (error == 0) ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (error == 0) return fd;
        last_error = error;
    }
    return no_agent(options.address, std::strerror(last_error));
}

Result<std::string> ask_and_read(const ClientOptions& options, const std::string& request) {
    const auto fd = connect_to(options);
    if (!fd) return fd.error();
    if (::send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        return no_agent(options.address, std::strerror(errno));
    std::string answer;
    std::array<char, 65536> buffer;
    while (answer.size() <= answer_most) {
        const auto got = ::recv(fd->get(), buffer.data(), buffer.size(), 0);
        if (got == 0) return answer;
        if (got > 0) {
            answer.append(buffer.data(), static_cast<std::size_t>(got));
        } else if (errno == EAGAIN) {
            if (!wait_for(fd->get(), POLLIN, options.timeout_ms))
                return no_agent(options.address, "it does not answer");
        } else if (errno != EINTR) {
            return no_agent(options.address, std::strerror(errno));
        }
    }
    return fail("the answer of " + options.address + " is too long");
}

}  // namespace

Result<ClientResponse> http_get(const ClientOptions& options, const std::string& target) {
    return http_send(options, "GET", target);
}

Result<ClientResponse> http_send(const ClientOptions& options, const std::string& method, const std::string& target,
                                 const std::string& body) {
    // a name that points here is not what the agent calls itself: see HttpServer
    auto request = method + " " + target + " HTTP/1.1\r\nHost: " + options.address +
                   "\r\nUser-Agent: sonde\r\nAccept: application/json\r\nConnection: close\r\n";
    if (!options.token.empty()) request += "Authorization: Bearer " + options.token + "\r\n";
    if (!body.empty())
        request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    const auto answer = ask_and_read(options, request + "\r\n" + body);
    if (!answer) return answer.error();
    ClientResponse response;
    const auto end = answer->find("\r\n\r\n");
    const bool is_http = answer->starts_with("HTTP/1.1 ") && end != std::string::npos && answer->size() > 12;
    if (!is_http || std::from_chars(answer->data() + 9, answer->data() + 12, response.status).ec != std::errc{})
        return no_agent(options.address, "what listens there does not speak HTTP");
    response.body = answer->substr(end + 4);
    if (response.status == 401)
        return fail("the agent at " + options.address + " wants a token", "name its file with --token-file");
    return response;
}

std::string url_encode(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += hex[static_cast<unsigned char>(c) >> 4];
            out += hex[static_cast<unsigned char>(c) & 15];
        }
    }
    return out;
}

}  // namespace sonde
