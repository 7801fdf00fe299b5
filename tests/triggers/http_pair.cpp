// A small HTTP/1.1 server and its client for machines that hold nothing else (tests/kernels): http_pair truth | burst
// N.
//
// The server has one thread and takes one connection after the other, so that what waits is in the kernel. Paths say
// what it does: /sleep/MS, /file/BYTES (sendfile), /missing. Each side prints what it did and when (CLOCK_MONOTONIC,
// ns):
//   sent PATH NS | read PATH NS | answered PATH STATUS BYTES NS | received PATH NS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

long long now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

bool quiet = false;  // a burst: nothing but the requests

template <typename... A>
void say(const char* format, A... arguments) {
    if (quiet) return;
    std::printf(format, arguments...);
    std::fflush(stdout);
}

void send_all(int fd, const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
        const auto n = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (n < 0) die("send");
        done += static_cast<std::size_t>(n);
    }
}

void send_file(int fd, long bytes) {
    const int file = ::memfd_create("body", 0);
    if (file < 0 || ::ftruncate(file, bytes) != 0) die("memfd");
    for (long left = bytes; left > 0;) {
        const auto n = ::sendfile(fd, file, nullptr, static_cast<std::size_t>(left));
        if (n <= 0) die("sendfile");
        left -= n;
    }
    ::close(file);
}

void answer(int fd, const std::string& path) {
    const auto argument = std::strtol(path.c_str() + path.rfind('/') + 1, nullptr, 10);
    const bool missing = path.starts_with("/missing"), file = path.starts_with("/file/");
    if (path.starts_with("/sleep/")) std::this_thread::sleep_for(std::chrono::milliseconds(argument));
    const long body = file ? argument : 2;
    const auto head = std::string("HTTP/1.1 ") + (missing ? "404 Not Found" : "200 OK") +
                      "\r\nContent-Length: " + std::to_string(body) + "\r\n\r\n";
    send_all(fd, file ? head : head + "ok");
    if (file) send_file(fd, body);
    say("answered %s %d %ld %lld\n", path.c_str(), missing ? 404 : 200, static_cast<long>(head.size()) + body,
        now_ns());
}

void serve_connection(int fd) {
    std::string bytes;
    char part[4096];
    for (ssize_t n = 0; (n = ::recv(fd, part, sizeof part, 0)) > 0;) {
        const auto read_ns = now_ns();
        bytes.append(part, static_cast<std::size_t>(n));
        for (std::size_t end = 0; (end = bytes.find("\r\n\r\n")) != std::string::npos; bytes.erase(0, end + 4)) {
            const auto path = bytes.substr(4, bytes.find(' ', 4) - 4);
            say("read %s %lld\n", path.c_str(), read_ns);
            answer(fd, path);
        }
    }
    ::close(fd);
}

void serve(int listener, int connections) {
    while (connections-- > 0) {
        const int fd = ::accept(listener, nullptr, nullptr);
        if (fd < 0) die("accept");
        serve_connection(fd);
    }
}

class Client {
public:
    Client(int family, in_port_t port) : fd_(::socket(family, SOCK_STREAM, 0)) {
        sockaddr_in v4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6, v6.sin6_port = port, v6.sin6_addr = in6addr_loopback;
        const auto* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
        if (::connect(fd_, address, family == AF_INET ? sizeof v4 : sizeof v6) != 0) die("connect");
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(const std::string& path) {
        say("sent %s %lld\n", path.c_str(), now_ns());
        send_all(fd_, "GET " + path + " HTTP/1.1\r\nHost: pair\r\nUser-Agent: http_pair\r\n\r\n");
        path_ = path;
    }
    void receive() {
        std::string bytes;
        char part[65536];
        for (std::size_t wanted = 0; wanted == 0 || bytes.size() < wanted;) {
            const auto n = ::recv(fd_, part, sizeof part, 0);
            if (n <= 0) die("recv");
            bytes.append(part, static_cast<std::size_t>(n));
            const auto end = bytes.find("\r\n\r\n"), length = bytes.find("Content-Length: ");
            if (end != std::string::npos) wanted = end + 4 + std::strtoul(bytes.c_str() + length + 16, nullptr, 10);
        }
        say("received %s %lld\n", path_.c_str(), now_ns());
    }
    void get(const std::string& path) {
        send(path);
        receive();
    }

private:
    int fd_;
    std::string path_;
};

constexpr int truth_connections = 2 + 5 + 3 * 2;

void truth(in_port_t port) {
    for (const int family : {AF_INET, AF_INET6}) {
        Client keep(family, port);
        for (const auto* path : {"/file/1024", "/missing/1", "/file/1000000", "/sleep/20", "/sleep/50"}) keep.get(path);
    }
    for (int i = 0; i < 5; ++i) Client(AF_INET, port).get("/file/10");
    // the second connection waits to be accepted while the first is served
    for (int i = 0; i < 3; ++i) {
        auto first = std::make_unique<Client>(AF_INET, port);
        Client second(AF_INET, port);
        first->send("/sleep/50");
        second.send("/queued/1");
        first->receive();
        first.reset();
        second.receive();
    }
}

}  // namespace

int main(int count, char** arguments) {
    const std::string mode = count > 1 ? arguments[1] : "";
    if (mode != "truth" && (mode != "burst" || count < 3)) {
        std::fprintf(stderr, "http_pair truth | burst N\n");
        return 2;
    }
    quiet = mode == "burst";
    const int listener = ::socket(AF_INET6, SOCK_STREAM, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 16) != 0)
        die("listen");
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
    const auto server = ::fork();
    if (server == 0) {
        serve(listener, quiet ? 1 : truth_connections);
        return 0;
    }
    ::close(listener);
    say("port %d %lld\n", ntohs(address.sin6_port), now_ns());
    if (quiet) {
        Client client(AF_INET, address.sin6_port);
        for (long left = std::strtol(arguments[2], nullptr, 10); left > 0; --left) client.get("/file/1");
    } else {
        truth(address.sin6_port);
    }
    int status = 0;  // the server ends with its last connection, so that nothing it says is cut off
    ::waitpid(server, &status, 0);
    return status == 0 ? 0 : 1;
}
