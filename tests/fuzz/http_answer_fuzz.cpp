#include <cstdlib>
#include <string>
#include <string_view>

#include "sinks/net/http_transport.hpp"
#include "sinks/net/retry_after.hpp"
#include "sinks/otlp/partial_success.hpp"

// What a server may say: the first line is a Retry-After, the rest a body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::int64_t now_s = 1'700'000'000;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto line_end = text.find('\n');
    const auto line = text.substr(0, line_end);
    const auto body = line_end == std::string_view::npos ? std::string_view() : text.substr(line_end + 1);
    if (const auto wait_ms = sonde::parse_retry_after_ms(line, now_s); wait_ms && *wait_ms > 86'400'000) std::abort();
    for (const long status : {0L, 200L, 400L, 413L, 429L, 503L}) {
        const auto result =
            sonde::judge({.status = status, .retry_after = std::string(line), .body = std::string(body)}, now_s);
        for (const char c : result.error)
            if (c < ' ' || c == 0x7f) std::abort();  // it goes to a terminal
    }
    for (const auto format : {sonde::OtlpFormat::protobuf, sonde::OtlpFormat::json})
        for (const auto signal : {sonde::OtlpSignal::traces, sonde::OtlpSignal::logs, sonde::OtlpSignal::metrics}) {
            std::string message;
            sonde::read_partial_success(format, signal, body, message);
            for (const char c : message)
                if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) std::abort();
        }
    return 0;
}
