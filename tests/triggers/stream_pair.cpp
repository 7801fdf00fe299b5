// A small HTTP/2 server and its client, also for machines that hold nothing else (tests/kernels): stream_pair
// CONNECTIONS.
//
// The server's SETTINGS cross the client's preface, as they may (RFC 9113 §3.4): each side has a CPU of its own where
// there are two, and the client waits a random while before it speaks, so some of the time both write at once. Each
// connection carries three requests, one after the other; each is answered with 200 or the run fails. Prints
//   port PORT | answered REQUESTS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t header_bytes = 9;
constexpr std::uint32_t streams[] = {1, 3, 5};
enum Type : std::uint8_t { headers_frame = 1, settings_frame = 4 };
constexpr std::uint8_t ack = 1, end_stream = 1, end_headers = 4;
// fields of the static table (RFC 7541 appendix A)
constexpr std::string_view request_block = "\x82\x86\x84";  // :method GET, :scheme http, :path /
constexpr std::string_view answer_block = "\x88";           // :status 200
constexpr int longest_wait_ns = 60'000;                     // about what a server needs to wake up and accept

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    std::string out{
        '\0', '\0', static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags), '\0',
        '\0', '\0', static_cast<char>(stream)};
    return out.append(payload);
}

std::string headers(std::uint32_t stream, std::string_view block) {
    return frame(headers_frame, end_stream | end_headers, stream, block);
}

// The n-th CPU of those that this program may use.
void run_on(int n) {
    cpu_set_t may, one;
    if (::sched_getaffinity(0, sizeof may, &may) != 0) die("sched_getaffinity");
    n %= CPU_COUNT(&may);
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
        if (CPU_ISSET(cpu, &may) && n-- == 0) CPU_SET(cpu, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) die("sched_setaffinity");
}

void wait_awake(std::chrono::nanoseconds time) {
    for (const auto until = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < until;) {
    }
}

class Connection {
public:
    explicit Connection(int fd) : fd_(fd) {
        const int on = 1;
        if (fd < 0 || ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("socket");
    }
    ~Connection() { ::close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(std::string_view bytes) {
        if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) die("send");
    }
    // The next n bytes; empty: the other side has closed.
    std::string take(std::size_t n) {
        while (bytes_.size() < n) {
            char part[1024];
            const auto got = ::recv(fd_, part, sizeof part, 0);
            if (got < 0) die("recv");
            if (got == 0) return {};
            bytes_.append(part, static_cast<std::size_t>(got));
        }
        auto out = bytes_.substr(0, n);
        bytes_.erase(0, n);
        return out;
    }
    // The stream of the next HEADERS; 0: the other side has closed. Acknowledges SETTINGS on the way.
    std::uint32_t next_headers(std::string_view expected_block) {
        for (;;) {
            const auto header = take(header_bytes);
            if (header.empty()) return 0;
            const auto block = header[2] == 0 ? std::string() : take(static_cast<std::size_t>(header[2]));
            if (header[3] == settings_frame && header[4] == 0) send(frame(settings_frame, ack, 0, ""));
            if (header[3] != headers_frame) continue;
            if (block != expected_block) die("another block than expected");
            return static_cast<unsigned char>(header[8]);
        }
    }

private:
    int fd_;
    std::string bytes_;
};

// Asleep, it would always come too late.
int accept_awake(int listener) {
    for (;;) {
        const int fd = ::accept(listener, nullptr, nullptr);
        if (fd >= 0 || errno != EAGAIN) return fd;
    }
}

void serve(int listener, long connections) {
    run_on(1);
    for (; connections > 0; --connections) {
        Connection client(accept_awake(listener));
        client.send(frame(settings_frame, 0, 0, ""));
        if (client.take(preface.size()) != preface) die("no preface");
        while (const auto stream = client.next_headers(request_block)) client.send(headers(stream, answer_block));
    }
}

long ask(in_port_t port, long connections) {
    long answered = 0;
    std::minstd_rand random(static_cast<unsigned>(::getpid()));
    run_on(0);
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    for (; connections > 0; --connections) {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("connect");
        Connection server(fd);
        wait_awake(std::chrono::nanoseconds(random() % longest_wait_ns));
        server.send(std::string(preface) + frame(settings_frame, 0, 0, ""));
        for (const auto stream : streams) {
            server.send(headers(stream, request_block));
            if (server.next_headers(answer_block) != stream) die("no answer");
            ++answered;
        }
    }
    return answered;
}

}  // namespace

int main(int count, char** arguments) {
    const long connections = count == 2 ? std::strtol(arguments[1], nullptr, 10) : 0;
    if (connections <= 0) {
        std::fprintf(stderr, "stream_pair CONNECTIONS\n");
        return 2;
    }
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 16) != 0)
        die("listen");
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
    const auto server = ::fork();
    if (server == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, connections);
        return 0;
    }
    ::close(listener);
    std::printf("port %d\n", ntohs(address.sin_port));
    std::printf("answered %ld\n", ask(address.sin_port, connections));
    int status = 0;
    ::waitpid(server, &status, 0);
    return status == 0 ? 0 : 1;
}
