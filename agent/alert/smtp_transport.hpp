#pragma once

#include <atomic>
#include <memory>

#include "agent/alert/alert_options.hpp"
#include "sinks/delivery/transport.hpp"

namespace sonde {

// E-mail over SMTP (libcurl). With starttls the message leaves over TLS or not at all. A 4xx answer is tried again, a
// 5xx is final (RFC 5321 §4.2.1).
class SmtpTransport final : public Transport {
public:
    explicit SmtpTransport(EmailOptions email) : email_(std::move(email)) {}
    // body: a whole message, lines end in CRLF.
    SendResult send(std::string_view body, std::uint32_t records) override;
    void stop_by(std::chrono::steady_clock::time_point deadline) override;

private:
    const EmailOptions email_;
    std::atomic<std::int64_t> deadline_ms_{INT64_MAX};  // steady clock
};

}  // namespace sonde
