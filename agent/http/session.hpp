// One connection: a request, its answer, the end.
#pragma once

#include <strings.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "agent/http/site.hpp"

namespace sonde {

using TlsStream = boost::asio::ssl::stream<boost::beast::tcp_stream>;

// Counts a connection for as long as it lives; goes with it.
class ConnectionCount {
public:
    explicit ConnectionCount(std::shared_ptr<std::atomic<int>> count) : count_(std::move(count)) { ++*count_; }
    ConnectionCount(ConnectionCount&&) = default;
    ConnectionCount(const ConnectionCount&) = delete;
    ConnectionCount& operator=(const ConnectionCount&) = delete;
    ~ConnectionCount() {
        if (count_) --*count_;
    }

private:
    std::shared_ptr<std::atomic<int>> count_;
};

// The response as it goes over the wire, but for the body.
std::string response_head(const Response& response);

// Runs on the strand of its stream; lives until its last operation has ended.
template <typename Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
public:
    // The site outlives the session.
    static void start(const Site& site, Stream stream, ConnectionCount counted) {
        const auto session = std::make_shared<Session>(site, std::move(stream), std::move(counted));
        boost::asio::dispatch(session->stream_.get_executor(), [session] { session->begin(); });
    }

    Session(const Site& site, Stream stream, ConnectionCount counted)
        : site_(site), stream_(std::move(stream)), counted_(std::move(counted)) {
        parser_.header_limit(max_head);
        parser_.body_limit(boost::none);  // the site looks at the length
    }

private:
    using Error = boost::system::error_code;
    static constexpr bool is_tls = std::is_same_v<Stream, TlsStream>;
    static constexpr std::uint32_t max_head = 16 * 1024;
    static constexpr std::size_t max_leftover = 256 * 1024;
    static constexpr std::chrono::seconds ask_timeout{5}, answer_timeout{30}, end_timeout{1};

    boost::beast::tcp_stream& tcp() { return boost::beast::get_lowest_layer(stream_); }

    void begin() {
        tcp().expires_after(ask_timeout);
        if constexpr (is_tls)
            stream_.async_handshake(boost::asio::ssl::stream_base::server,
                                    [self = this->shared_from_this()](Error error) {
                                        if (!error) self->read_head();
                                    });
        else
            read_head();
    }

    void read_head() {
        boost::beast::http::async_read_header(
            stream_, buffer_, parser_, [self = this->shared_from_this()](Error error, std::size_t) {
                if (!error) return self->consider();
                // a client that has gone or says nothing is owed nothing
                if (error.category() == make_error_code(boost::beast::http::error::bad_version).category() &&
                    error != boost::beast::http::error::end_of_stream)
                    self->send(plain_text(400, "this is no HTTP request\n"));
            });
    }

    void consider() {
        if (auto refusal = site_.refuse(parser_.get(), request_)) return send(std::move(*refusal));
        if (request_.method != "POST") return send(site_.answer(request_));
        boost::beast::http::async_read(stream_, buffer_, parser_,
                                       [self = this->shared_from_this()](Error error, std::size_t) {
                                           if (error) return self->send(plain_text(400, "the body was cut off\n"));
                                           self->request_.body = std::move(self->parser_.get().body());
                                           self->send(self->site_.answer(self->request_));
                                       });
    }

    void send(Response response) {
        response_ = std::move(response);
        head_ = response_head(response_);
        if (request_.method == "HEAD") response_.body.clear();
        tcp().expires_after(answer_timeout);
        const std::array<boost::asio::const_buffer, 2> parts{boost::asio::buffer(head_),
                                                             boost::asio::buffer(response_.body)};
        boost::asio::async_write(stream_, parts, [self = this->shared_from_this()](Error error, std::size_t) {
            if (!error) self->end();
        });
    }

    void end() {
        tcp().expires_after(end_timeout);
        if constexpr (is_tls)
            stream_.async_shutdown([self = this->shared_from_this()](Error) { self->read_leftover(); });
        else
            read_leftover();
    }

    // Closing with bytes unread would reset the connection, and take the answer from the client that sends them.
    void read_leftover() {
        Error ignored;
        if (leftover_ == 0) tcp().socket().shutdown(boost::asio::socket_base::shutdown_send, ignored);
        tcp().async_read_some(boost::asio::buffer(drain_),
                              [self = this->shared_from_this()](Error error, std::size_t size) {
                                  self->leftover_ += size;
                                  if (!error && self->leftover_ < max_leftover) self->read_leftover();
                              });
    }

    const Site& site_;
    Stream stream_;
    ConnectionCount counted_;
    boost::beast::flat_buffer buffer_{max_head + Request::max_body};
    boost::beast::http::request_parser<boost::beast::http::string_body> parser_;
    Request request_;
    Response response_;
    std::string head_;
    std::array<char, 4096> drain_;
    std::size_t leftover_ = 0;
};

using PlainSession = Session<boost::beast::tcp_stream>;
using TlsSession = Session<TlsStream>;

}  // namespace sonde
