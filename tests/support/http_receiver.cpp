#include "tests/support/http_receiver.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <stdexcept>

namespace sonde {
namespace {

constexpr int poll_ms = 20;  // how often a waiting thread looks whether the test is over

bool readable(int socket, int timeout_ms) {
    pollfd entry{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, timeout_ms) > 0;
}

}  // namespace

// Plain or TLS.
class HttpReceiver::Connection {
public:
    Connection(UniqueFd socket, SSL_CTX* context) : socket_(std::move(socket)) {
        if (context == nullptr) return;
        ssl_ = ::SSL_new(context);
        ::SSL_set_fd(ssl_, socket_.get());
        good_ = ::SSL_accept(ssl_) == 1;
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        if (ssl_ != nullptr) ::SSL_free(ssl_);
    }
    [[nodiscard]] bool good() const { return good_; }
    // Appends what comes; false: the other side has left, or the test is over.
    bool read(std::string& out, const std::atomic<bool>& stopping) {
        while (ssl_ == nullptr || ::SSL_pending(ssl_) == 0) {
            if (stopping) return false;
            if (readable(socket_.get(), poll_ms)) break;
        }
        char bytes[16 * 1024];
        const auto got = ssl_ != nullptr ? ::SSL_read(ssl_, bytes, sizeof bytes)
                                         : static_cast<int>(::recv(socket_.get(), bytes, sizeof bytes, 0));
        if (got <= 0) return false;
        out.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    void write(std::string_view text) {
        if (ssl_ != nullptr) {
            ::SSL_write(ssl_, text.data(), static_cast<int>(text.size()));
            return;
        }
        while (!text.empty()) {
            const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void reset() {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

private:
    UniqueFd socket_;
    SSL* ssl_ = nullptr;
    bool good_ = true;
};

namespace {

// Fills the request from the front of `bytes` and removes it; false: more is needed.
bool take_request(std::string& bytes, ReceivedRequest& request) {
    const auto head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    std::size_t body_size = 0;
    const auto path_begin = bytes.find(' ') + 1;
    request.path = bytes.substr(path_begin, bytes.find(' ', path_begin) - path_begin);
    request.headers.clear();
    for (auto at = bytes.find("\r\n") + 2; at < head_end + 2;) {
        const auto end = bytes.find("\r\n", at);
        const auto colon = bytes.find(':', at);
        auto name = bytes.substr(at, colon - at);
        for (auto& c : name) c = static_cast<char>(::tolower(c));
        auto value = bytes.substr(colon + 1, end - colon - 1);
        value.erase(0, value.find_first_not_of(' '));
        if (name == "content-length") body_size = std::stoul(value);
        request.headers[name] = value;
        at = end + 2;
    }
    if (bytes.size() < head_end + 4 + body_size) return false;
    request.body = bytes.substr(head_end + 4, body_size);
    bytes.erase(0, head_end + 4 + body_size);
    return true;
}

SSL_CTX* make_context(const ReceiverTls& tls) {
    auto* context = ::SSL_CTX_new(::TLS_server_method());
    const bool good = ::SSL_CTX_use_certificate_file(context, tls.certificate.c_str(), SSL_FILETYPE_PEM) == 1 &&
                      ::SSL_CTX_use_PrivateKey_file(context, tls.key.c_str(), SSL_FILETYPE_PEM) == 1;
    if (!good) throw std::runtime_error("cannot use " + tls.certificate);
    if (!tls.client_ca.empty()) {
        ::SSL_CTX_load_verify_locations(context, tls.client_ca.c_str(), nullptr);
        ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return context;
}

}  // namespace

HttpReceiver::HttpReceiver(Script script, ReceiverTls tls) : script_(std::move(script)), tls_(std::move(tls)) {
    std::signal(SIGPIPE, SIG_IGN);  // clients go away in the middle of handshakes
    if (!tls_.certificate.empty()) tls_context_ = make_context(tls_);
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 64) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

HttpReceiver::~HttpReceiver() {
    stopping_ = true;
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    if (tls_context_ != nullptr) ::SSL_CTX_free(static_cast<SSL_CTX*>(tls_context_));
}

std::string HttpReceiver::url(const std::string& path) const {
    return (tls_context_ != nullptr ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + path;
}

std::vector<ReceivedRequest> HttpReceiver::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t HttpReceiver::count() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
}

void HttpReceiver::set_script(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
}

void HttpReceiver::accept_all() {
    for (int number = 0; !stopping_;) {
        if (!readable(listener_.get(), poll_ms)) continue;
        UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client)
            threads_.emplace_back(
                [this, number, socket = std::move(client)]() mutable { serve(std::move(socket), number); });
        ++number;
    }
}

void HttpReceiver::serve(UniqueFd client, int number) {
    Connection connection(std::move(client), static_cast<SSL_CTX*>(tls_context_));
    if (!connection.good()) return;
    std::string bytes;
    ReceivedRequest request;
    request.connection = number;
    while (true) {
        while (!take_request(bytes, request))
            if (!connection.read(bytes, stopping_)) return;
        Script script;
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
            script = script_;
        }
        if (!answer(connection, script ? script(request) : ReceiverAnswer{})) return;
    }
}

// False: the connection ends.
bool HttpReceiver::answer(Connection& connection, const ReceiverAnswer& answer) {
    auto text = "HTTP/1.1 " + std::to_string(answer.status) + " Told\r\n";
    for (const auto& line : answer.headers) text += line + "\r\n";
    text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
    std::string ignored;
    switch (answer.kind) {
        case ReceiverAnswer::Kind::answer:
            connection.write(text);
            return true;
        case ReceiverAnswer::Kind::hang:
            while (connection.read(ignored, stopping_)) {
            }
            return false;
        case ReceiverAnswer::Kind::reset:
            connection.reset();
            return false;
        case ReceiverAnswer::Kind::garbage:
            connection.write("\x16\x03\x01 what is this? \xff\xfe\r\n\r\n\r\n");
            return false;
        case ReceiverAnswer::Kind::cut:
            connection.write(text.substr(0, text.size() / 2));
            return false;
        case ReceiverAnswer::Kind::slow:
            for (const char c : text) {
                connection.write({&c, 1});
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
            }
            return true;
    }
    return false;
}

}  // namespace sonde
