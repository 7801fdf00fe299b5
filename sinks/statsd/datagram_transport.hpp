#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"
#include "sinks/delivery/transport.hpp"

namespace sonde {

// Lines in datagrams of at most so many bytes, each with as many whole lines as fit. "Delivered" means that the kernel
// took them: nobody answers, but for a host or socket where nobody listens, which the kernel tells about the next time.
// A batch that was cut short goes on where it stopped when it comes again: statsd would count what came twice.
class DatagramTransport final : public Transport {
public:
    // address: HOST:PORT, [V6]:PORT or unix:/PATH. max_packet_bytes 0: 1432 over UDP, 8192 over Unix sockets.
    // Errors (usage): no such form. That nobody is there yet is none.
    static Result<std::unique_ptr<DatagramTransport>> create(const std::string& address,
                                                             std::uint32_t max_packet_bytes);

    SendResult send(std::string_view body, std::uint32_t records) override;
    void stop_by(std::chrono::steady_clock::time_point) override {}  // it never waits long

private:
    DatagramTransport(std::string host, std::string port, std::string path, std::size_t max_packet_bytes);
    // Empty: good; otherwise why not.
    std::string connect();
    std::string connect_udp();
    std::string connect_unix();
    int send_packet(std::string_view packet);

    const std::string host_, port_, path_;
    const std::size_t max_packet_bytes_;
    UniqueFd socket_;
    std::size_t resume_at_ = 0;  // of the batch that was cut short
    std::size_t resume_hash_ = 0;
};

}  // namespace sonde
