#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <map>
#include <sstream>

#include "sinks/make_sink.hpp"
#include "sinks/statsd/datagram_transport.hpp"
#include "sinks/statsd/statsd_encoder.hpp"
#include "tests/support/records.hpp"
#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

TEST(StatsdEncoder, PlainLinesHaveAllInTheirNames) {
    StatsdEncoder statsd({}, 1);
    auto transaction = sample_transaction(1, "my shop.v2");
    transaction.sample_weight = 4;
    ASSERT_TRUE(statsd.add(transaction));
    EXPECT_EQ(statsd.take(),
              "sonde.http.server.my_shop_v2.orders_id.2xx.requests:1|c|@0.25\n"
              "sonde.http.server.my_shop_v2.orders_id.2xx.duration:2.5|ms|@0.25\n"
              "sonde.http.server.my_shop_v2.orders_id.2xx.request_bytes:312|c|@0.25\n"
              "sonde.http.server.my_shop_v2.orders_id.2xx.response_bytes:1840|c|@0.25\n");
    EXPECT_EQ(statsd.bytes(), 0);
    Transaction bare;
    bare.side = Side::client;
    statsd.add(bare);
    EXPECT_EQ(statsd.take().substr(0, 69), "sonde.http.client.unknown_service.unknown_route.unobserved.requests:1");
}

TEST(StatsdEncoder, DogStatsdHasTags) {
    StatsdEncoder statsd({.dialect = StatsdDialect::dogstatsd, .prefix = "x"}, 1);
    ASSERT_TRUE(statsd.add(sample_transaction(1, "a|b,c#d\n")));
    const auto text = statsd.take();
    EXPECT_EQ(text.substr(0, text.find('\n')),
              "x.http.server.requests:1|c|#service:a_b_c_d_,method:GET,route:/orders/{id},status:200,outcome:ok");
}

TEST(StatsdEncoder, TellsLosses) {
    StatsdEncoder statsd({}, 1);
    LossRecord loss;
    EXPECT_TRUE(statsd.add(loss));
    EXPECT_EQ(statsd.take(), "");
    loss.since_last.rows[1].lost[0] = 3;
    EXPECT_TRUE(statsd.add(loss));
    EXPECT_EQ(statsd.take(), "sonde.records_lost:3|c\n");
}

TEST(StatsdEncoder, SamplesAndSaysSo) {
    StatsdEncoder statsd({.sample_rate = 0.1}, 1);
    for (std::uint64_t i = 0; i < 10'000; ++i) statsd.add(sample_transaction(i));
    std::istringstream lines(statsd.take());
    std::string line;
    int requests = 0;
    while (std::getline(lines, line)) {
        EXPECT_TRUE(line.ends_with("|@0.1")) << line;
        requests += line.find(".requests:") != std::string::npos;
    }
    EXPECT_NEAR(requests, 1000, 150);
}

// A bound datagram socket.
class Receiver {
public:
    explicit Receiver(const std::string& path = {}) {
        socket_.reset(::socket(path.empty() ? AF_INET : AF_UNIX, SOCK_DGRAM, 0));
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (path.empty()) {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t size = sizeof address;
            ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size);
            ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
            port_ = ntohs(address.sin_port);
            return;
        }
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    std::string receive() const {
        std::string packet(65'536, '\0');
        ssize_t got = 0;
        do got = ::recv(socket_.get(), packet.data(), packet.size(), 0);
        while (got < 0 && errno == EINTR);  // with a time-out set, SA_RESTART does not hold: signal(7)
        packet.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return packet;
    }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    UniqueFd socket_;
    unsigned port_ = 0;
};

std::unique_ptr<DatagramTransport> transport(const std::string& address, std::uint32_t bytes) {
    auto made = DatagramTransport::create(address, bytes);
    if (!made) throw std::runtime_error(made.error().message());
    return std::move(*made);
}

TEST(DatagramTransport, PacketsHaveWholeLinesAndABound) {
    const Receiver receiver;
    const auto sender = transport(receiver.address(), 64);
    std::string body;
    for (int i = 0; i < 50; ++i) body += "a.name.of.some.length:" + std::to_string(i) + "|c\n";
    ASSERT_EQ(sender->send(body, 50).outcome, SendResult::Outcome::delivered);
    std::string received;
    while (received.size() < body.size()) {
        const auto packet = receiver.receive();
        ASSERT_FALSE(packet.empty());
        EXPECT_LE(packet.size(), 64);
        EXPECT_FALSE(packet.ends_with('\n'));
        received += packet + '\n';
    }
    EXPECT_EQ(received, body);
}

TEST(DatagramTransport, ASocketThatIsNotThereIsTriedAgain) {
    const TemporaryDirectory directory;
    const auto path = directory.path() + "/statsd.sock";
    const auto sender = transport("unix:" + path, 0);
    const auto failed = sender->send("a:1|c\n", 1);
    EXPECT_EQ(failed.outcome, SendResult::Outcome::unavailable);
    EXPECT_NE(failed.error.find(path), std::string::npos);
    const Receiver receiver(path);
    EXPECT_EQ(sender->send("a:1|c\n", 1).outcome, SendResult::Outcome::delivered);
    EXPECT_EQ(receiver.receive(), "a:1|c");
}

TEST(DatagramTransport, GoesOnWhereItStoppedAndCountsNothingTwice) {
    const TemporaryDirectory directory;
    const auto path = directory.path() + "/statsd.sock";
    const Receiver receiver(path);
    const auto sender = transport("unix://" + path, 64);
    std::string body;
    for (int i = 0; i < 1500; ++i) body += "a.name.of.some.length:" + std::to_string(i) + "|c\n";
    std::string received;
    int attempts = 0;
    // nobody reads while it sends: the socket's queue is full long before the end
    for (auto result = SendResult{}; result.outcome != SendResult::Outcome::delivered; ++attempts) {
        result = sender->send(body, 1);
        ASSERT_LT(attempts, 5000);
        const auto so_far = received.size();
        while (received.size() < body.size() && (received.size() == so_far || received.size() < so_far + 200))
            received += receiver.receive() + '\n';
    }
    while (received.size() < body.size()) received += receiver.receive() + '\n';
    EXPECT_GT(attempts, 1);
    EXPECT_EQ(received, body);
}

TEST(DatagramTransport, NobodyListens) {
    std::string address;
    {
        const Receiver gone;
        address = gone.address();
    }
    const auto sender = transport(address, 0);
    sender->send("a:1|c\n", 1);  // the kernel learns it from the answer to this one
    EXPECT_EQ(sender->send("b:1|c\n", 1).outcome, SendResult::Outcome::unavailable);
}

TEST(DatagramTransport, AddressesThatAreNoneAreErrors) {
    for (const auto* address : {"", "localhost", ":8125", "host:", "host:x", "unix:relative", "unix:"})
        EXPECT_FALSE(DatagramTransport::create(address, 0)) << address;
    EXPECT_FALSE(DatagramTransport::create("unix:/" + std::string(200, 'x'), 0));
    EXPECT_TRUE(DatagramTransport::create("[::1]:8125", 0));
}

TEST(StatsdSink, SendsOverUdp) {
    const Receiver receiver;
    SinkOptions options;
    options.type = SinkType::statsd;
    options.statsd.address = receiver.address();
    options.batch.time_ms = 10;
    auto delivery = make_delivery(options);
    ASSERT_TRUE(delivery) << delivery.error().message();
    (*delivery)->offer(sample_transaction(1));
    EXPECT_EQ(receiver.receive().substr(0, 53), "sonde.http.server.shop.orders_id.2xx.requests:1|c\nson");
    EXPECT_EQ((*delivery)->stop(), 0);
    EXPECT_EQ((*delivery)->stats().sink.exported.delivered, 1);
    options.statsd.sample_rate = 0;
    EXPECT_FALSE(make_sink(options));
}

}  // namespace
}  // namespace sonde
