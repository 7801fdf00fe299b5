// A TLS server and its client in one thread, over loopback, for tls_probe.py: tls_exchange CERTIFICATE KEY.
// stdin: "run N" makes N exchanges through OpenSSL, a request of 300 bytes and an answer of 500, with four calls each;
// then N more in which the same records go over a second such connection, but past OpenSSL. Prints the CPU time of one
// of each kind in ns, as [through, past]: packets and reads are alike, so probes of OpenSSL are in the first alone.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/unique_fd.hpp"

namespace {

using sonde::UniqueFd;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL, decltype(&SSL_free)>;

constexpr std::size_t record_head_bytes = 5;
constexpr std::size_t seal_bytes = 17;  // TLS 1.3: the content's type and the tag (RFC 8446 §5.2)

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "tls_exchange: %s\n", what);
    std::exit(1);
}

double cpu_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// A message of `size` bytes: the head is filled up to it.
std::string message(std::string_view first_lines, std::string_view body, std::size_t size) {
    std::string text(first_lines);
    text.append("X-Filler: ");
    text.append(size - text.size() - body.size() - 4, 'x');
    return text.append("\r\n\r\n").append(body);
}

// A record of application data that holds as many bytes; what is in it is nobody's business.
std::string sealed(const std::string& text) {
    const auto length = text.size() + seal_bytes;
    std::string record{23, 3, 3, static_cast<char>(length >> 8U), static_cast<char>(length & 0xffU)};
    return record.append(length, 'x');
}

struct Connection {
    UniqueFd client_fd, server_fd;
    Session client{nullptr, SSL_free}, server{nullptr, SSL_free};
};

void connect_sockets(Connection& connection) {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    connection.client_fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener.get(), any, size) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::getsockname(listener.get(), any, &size) != 0 || ::connect(connection.client_fd.get(), any, size) != 0)
        fail("no connection over loopback");
    connection.server_fd.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    constexpr int on = 1;
    for (const auto& fd : {connection.client_fd.get(), connection.server_fd.get()})
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Flights of the handshake by hand: one thread plays both sides, so neither may wait.
void shake_hands(Connection& connection, const Context& client, const Context& server) {
    connection.client.reset(SSL_new(client.get()));
    connection.server.reset(SSL_new(server.get()));
    SSL_set_fd(connection.client.get(), connection.client_fd.get());
    SSL_set_fd(connection.server.get(), connection.server_fd.get());
    SSL_set_connect_state(connection.client.get());
    SSL_set_accept_state(connection.server.get());
    for (const auto& fd : {connection.client_fd.get(), connection.server_fd.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int open = 0, flights = 0; open < 2; ++flights) {
        open = (SSL_do_handshake(connection.client.get()) == 1) + (SSL_do_handshake(connection.server.get()) == 1);
        if (flights > 1'000'000) fail("no handshake");
    }
    for (const auto& fd : {connection.client_fd.get(), connection.server_fd.get()}) ::fcntl(fd, F_SETFL, 0);
}

void pass_through(SSL* from, SSL* to, const std::string& text) {
    std::array<char, 4096> buffer;
    if (SSL_write(from, text.data(), static_cast<int>(text.size())) <= 0 ||
        SSL_read(to, buffer.data(), buffer.size()) != static_cast<int>(text.size()))
        fail("no exchange through OpenSSL");
}

// Two reads, as OpenSSL makes them: the record's head, then the rest.
void pass_by(const UniqueFd& from, const UniqueFd& to, const std::string& record) {
    std::array<char, 4096> buffer;
    const auto rest = record.size() - record_head_bytes;
    if (::write(from.get(), record.data(), record.size()) < 0 ||
        ::read(to.get(), buffer.data(), record_head_bytes) != static_cast<ssize_t>(record_head_bytes) ||
        ::read(to.get(), buffer.data(), rest) != static_cast<ssize_t>(rest))
        fail("no exchange past OpenSSL");
}

template <typename Exchange>
double cost_ns(int count, Exchange exchange) {
    const auto from = cpu_ns();
    for (int i = 0; i < count; ++i) exchange();
    return (cpu_ns() - from) / count;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("usage: tls_exchange CERTIFICATE KEY");
    const Context client(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    const Context server(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (SSL_CTX_use_certificate_file(server.get(), argv[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(server.get(), argv[2], SSL_FILETYPE_PEM) != 1)
        fail("cannot read certificate and key");
    SSL_CTX_set_num_tickets(server.get(), 0);  // nothing is to lie unread where the records go past OpenSSL
    const auto request = message("GET /orders/42 HTTP/1.1\r\nHost: shop.test\r\n", {}, 300);
    const auto answer = message("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n", "order\n", 500);
    const auto request_record = sealed(request), answer_record = sealed(answer);

    std::array<char, 64> command{};
    while (std::fgets(command.data(), command.size(), stdin) != nullptr) {
        const int count = std::atoi(command.data() + 4);
        Connection through, past;
        for (auto* each : {&through, &past}) {
            connect_sockets(*each);
            shake_hands(*each, client, server);
        }
        const auto tls = cost_ns(count, [&] {
            pass_through(through.client.get(), through.server.get(), request);
            pass_through(through.server.get(), through.client.get(), answer);
        });
        const auto plain = cost_ns(count, [&] {
            pass_by(past.client_fd, past.server_fd, request_record);
            pass_by(past.server_fd, past.client_fd, answer_record);
        });
        std::printf("[%f,%f]\n", tls, plain);
        std::fflush(stdout);
    }
}
