// A small HTTP/1.1 server that does all of its socket I/O through io_uring: accept, recv, send, and splice for /big.
//
//   uring_server PORT LOG [default | defer | async | sqpoll]
//
// What the ring does with a socket depends on how it was made, and so does the context that a probe sees:
//   default  a completion interrupts the thread, which then receives, wherever it stands
//   defer    the thread receives when it asks for completions (IORING_SETUP_DEFER_TASKRUN, Linux 6.1)
//   async    a worker thread of the process (iou-wrk) receives, blocked in the call
//   sqpoll   a thread of the kernel (iou-sqp) submits and receives
//
// /ok, /echo (tells how much it got), /big (200 KiB from a file, by splice), /sleep/MS (the one thread sleeps),
// anything else: 404. LOG gets a line per answer, written when its last byte was handed over:
// METHOD PATH STATUS BYTES STARTED_NS DONE_NS, bytes of head and body, times CLOCK_MONOTONIC.

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr std::size_t head_max = 16384;
constexpr std::size_t big_bytes = 200 * 1024;
constexpr std::size_t pipe_bytes = 65536;  // the capacity of a new pipe (pipe(7))

[[noreturn]] void die(const char* what, int error) {
    std::fprintf(stderr, "uring_server: %s: %s\n", what, std::strerror(error));
    std::exit(1);
}

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return (x | 32) == (y | 32); });
}

struct Connection {
    enum class Stage { head, request_body, send, fill_pipe, drain_pipe };

    int fd = -1;
    Stage stage = Stage::head;
    std::array<char, head_max> in{};
    std::size_t used = 0;       // bytes of `in`
    std::size_t body_left = 0;  // request body bytes that have not come yet
    std::size_t body_size = 0;
    std::string method;
    std::string path;
    bool keep_alive = false;
    std::string out;  // head, and the body unless it is spliced
    std::size_t sent = 0;
    std::size_t file_sent = 0;  // bytes of the big file that are in the pipe or beyond
    std::size_t file_left = 0;
    std::size_t in_pipe = 0;
    int status = 0;
    std::size_t total = 0;
    std::uint64_t started_ns = 0;
    std::array<int, 2> pipe{-1, -1};

    ~Connection() {
        for (const int each : {fd, pipe[0], pipe[1]})
            if (each >= 0) ::close(each);
    }
};

class Server {
public:
    Server(std::uint16_t port, const char* log_path, std::string_view mode) : async_(mode == "async") {
        log_ = std::fopen(log_path, "w");
        if (log_ == nullptr) die(log_path, errno);
        std::setvbuf(log_, nullptr, _IOLBF, BUFSIZ);
        listen_on(port);
        make_big_file();
        io_uring_params params{};
        if (mode == "defer") params.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
        if (mode == "sqpoll") {
            params.flags = IORING_SETUP_SQPOLL;
            params.sq_thread_idle = 100;  // ms
        }
        if (const int result = io_uring_queue_init_params(1024, &ring_, &params); result < 0) die("ring", -result);
    }

    [[noreturn]] void run() {
        accept();
        for (;;) {
            if (const int result = io_uring_submit_and_wait(&ring_, 1); result < 0 && result != -EINTR)
                die("submit", -result);
            io_uring_cqe* completion = nullptr;
            while (io_uring_peek_cqe(&ring_, &completion) == 0) {
                auto* connection = static_cast<Connection*>(io_uring_cqe_get_data(completion));
                const int result = completion->res;
                io_uring_cqe_seen(&ring_, completion);
                if (connection == nullptr)
                    accepted(result);
                else
                    completed(*connection, result);
            }
        }
    }

private:
    void listen_on(std::uint16_t port) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener_ < 0) die("socket", errno);
        const int on = 1;
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind", errno);
        if (::listen(listener_, 128) != 0) die("listen", errno);
    }

    void make_big_file() {
        big_file_ = ::memfd_create("big", MFD_CLOEXEC);
        if (big_file_ < 0) die("memfd_create", errno);
        const std::string bytes(big_bytes, 'b');
        if (::write(big_file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) die("write", errno);
    }

    io_uring_sqe* next_entry() {
        io_uring_sqe* entry = io_uring_get_sqe(&ring_);
        while (entry == nullptr) {
            io_uring_submit(&ring_);
            io_uring_sqring_wait(&ring_);
            entry = io_uring_get_sqe(&ring_);
        }
        return entry;
    }

    // After the prep functions, which write over the entry. connection: null for the listener.
    void arm(io_uring_sqe* entry, Connection* connection) {
        io_uring_sqe_set_data(entry, connection);
        if (async_ && connection != nullptr) entry->flags |= IOSQE_ASYNC;
    }

    void accept() {
        auto* entry = next_entry();
        io_uring_prep_accept(entry, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        arm(entry, nullptr);
    }

    void accepted(int fd) {
        accept();
        if (fd < 0) return;
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto connection = std::make_unique<Connection>();
        connection->fd = fd;
        auto& made = *connection;
        connections_.emplace(&made, std::move(connection));
        receive(made);
    }

    void end(Connection& c) { connections_.erase(&c); }

    void receive(Connection& c) {
        auto* entry = next_entry();
        io_uring_prep_recv(entry, c.fd, c.in.data() + c.used, c.in.size() - c.used, 0);
        arm(entry, &c);
    }

    void send(Connection& c) {
        c.stage = Connection::Stage::send;
        auto* entry = next_entry();
        const int more = c.file_left > 0 ? MSG_MORE : 0;
        io_uring_prep_send(entry, c.fd, c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL | more);
        arm(entry, &c);
    }

    // file → pipe → socket: splice(2) wants a pipe on one side
    void fill_pipe(Connection& c) {
        if (c.pipe[0] < 0 && ::pipe2(c.pipe.data(), O_CLOEXEC) != 0) die("pipe", errno);
        c.stage = Connection::Stage::fill_pipe;
        auto* entry = next_entry();
        const auto count = static_cast<unsigned>(std::min(c.file_left, pipe_bytes));
        io_uring_prep_splice(entry, big_file_, static_cast<std::int64_t>(c.file_sent), c.pipe[1], -1, count, 0);
        arm(entry, &c);
    }

    void drain_pipe(Connection& c) {
        c.stage = Connection::Stage::drain_pipe;
        auto* entry = next_entry();
        io_uring_prep_splice(entry, c.pipe[0], -1, c.fd, -1, static_cast<unsigned>(c.in_pipe), 0);
        arm(entry, &c);
    }

    void completed(Connection& c, int result) {
        if (result <= 0) return end(c);
        const auto bytes = static_cast<std::size_t>(result);
        switch (c.stage) {
            case Connection::Stage::head:
                c.used += bytes;
                return take_head(c);
            case Connection::Stage::request_body: {
                const auto taken = std::min(bytes, c.body_left);
                c.body_left -= taken;
                c.used = bytes - taken;  // the next request has begun
                std::memmove(c.in.data(), c.in.data() + taken, c.used);
                return c.body_left > 0 ? receive(c) : answer(c);
            }
            case Connection::Stage::send:
                c.sent += bytes;
                if (c.sent < c.out.size()) return send(c);
                return c.file_left > 0 ? fill_pipe(c) : answered(c);
            case Connection::Stage::fill_pipe:
                c.file_sent += bytes;
                c.file_left -= bytes;
                c.in_pipe += bytes;
                return drain_pipe(c);
            case Connection::Stage::drain_pipe:
                c.in_pipe -= bytes;
                if (c.in_pipe > 0) return drain_pipe(c);
                return c.file_left > 0 ? fill_pipe(c) : answered(c);
        }
    }

    void take_head(Connection& c) {
        const std::string_view bytes(c.in.data(), c.used);
        const auto end_of_head = bytes.find("\r\n\r\n");
        if (end_of_head == std::string_view::npos) return c.used == c.in.size() ? end(c) : receive(c);
        c.started_ns = now_ns();
        parse(c, bytes.substr(0, end_of_head + 2));
        const std::size_t head = end_of_head + 4;
        const std::size_t body = std::min(c.used - head, c.body_size);
        c.body_left = c.body_size - body;
        c.used -= head + body;
        std::memmove(c.in.data(), c.in.data() + head + body, c.used);
        if (c.body_left == 0) return answer(c);
        c.stage = Connection::Stage::request_body;
        receive(c);
    }

    // Only what its clients in the tests send; head: the request line and each field, with their line ends.
    static void parse(Connection& c, std::string_view head) {
        const auto line = head.substr(0, head.find("\r\n"));
        const auto method_end = std::min(line.find(' '), line.size());
        const auto target = line.substr(std::min(method_end + 1, line.size()));
        c.method = line.substr(0, method_end);
        c.path = target.substr(0, target.find_first_of(" ?"));
        c.keep_alive = line.ends_with("HTTP/1.1");
        c.body_size = 0;
        for (auto rest = head.substr(line.size() + 2); !rest.empty();) {
            const auto field = rest.substr(0, rest.find("\r\n"));
            rest.remove_prefix(field.size() + 2);
            const auto colon = field.find(':');
            if (colon == std::string_view::npos) continue;
            auto value = field.substr(colon + 1);
            while (value.starts_with(' ')) value.remove_prefix(1);
            if (same_ignoring_case(field.substr(0, colon), "content-length"))
                c.body_size = std::strtoull(std::string(value).c_str(), nullptr, 10);
            if (same_ignoring_case(field.substr(0, colon), "connection"))
                c.keep_alive = same_ignoring_case(value, "keep-alive");
        }
    }

    void answer(Connection& c) {
        std::string body;
        bool spliced = false;
        c.status = 200;
        if (c.path == "/ok") {
            body = "ok\n";
        } else if (c.path == "/echo") {
            body = "received " + std::to_string(c.body_size) + "\n";
        } else if (c.path == "/big") {
            spliced = true;
        } else if (c.path.starts_with("/sleep/")) {
            const long ms = std::strtol(c.path.c_str() + 7, nullptr, 10);
            timespec left{ms / 1000, ms % 1000 * 1'000'000};
            while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
            }
            body = "slept\n";
        } else {
            c.status = 404;
            body = "no\n";
        }
        const std::size_t length = spliced ? big_bytes : body.size();
        c.out = "HTTP/1.1 " + std::string(c.status == 200 ? "200 OK" : "404 Not Found") +
                "\r\nContent-Length: " + std::to_string(length) +
                "\r\nConnection: " + (c.keep_alive ? "keep-alive" : "close") + "\r\n\r\n";
        const bool has_body = c.method != "HEAD";
        if (has_body) c.out += body;
        c.file_left = has_body && spliced ? length : 0;
        c.total = c.out.size() + c.file_left;
        c.sent = c.file_sent = c.in_pipe = 0;
        send(c);
    }

    void answered(Connection& c) {
        std::fprintf(log_, "%s %s %d %zu %llu %llu\n", c.method.c_str(), c.path.c_str(), c.status, c.total,
                     static_cast<unsigned long long>(c.started_ns), static_cast<unsigned long long>(now_ns()));
        if (!c.keep_alive) return end(c);
        c.stage = Connection::Stage::head;
        if (c.used > 0)
            take_head(c);
        else
            receive(c);
    }

    io_uring ring_{};
    const bool async_;
    int listener_ = -1;
    int big_file_ = -1;
    std::FILE* log_ = nullptr;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc > 3 ? argv[3] : "default";
    if (argc < 3 || argc > 4 || (mode != "default" && mode != "defer" && mode != "async" && mode != "sqpoll")) {
        std::fprintf(stderr, "usage: uring_server PORT LOG [default | defer | async | sqpoll]\n");
        return 2;
    }
    Server(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], mode).run();
}
