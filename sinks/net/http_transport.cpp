#include "sinks/net/http_transport.hpp"

#include <algorithm>
#include <chrono>

#include "sinks/net/gzip.hpp"
#include "sinks/net/retry_after.hpp"

namespace sonde {
namespace {

constexpr std::size_t shown_body_chars = 160;

// The start of an answer on one line: it may be anything.
std::string excerpt(std::string_view body) {
    std::string out;
    for (const char c : body.substr(0, shown_body_chars)) out.push_back(c >= ' ' && c < 0x7f ? c : ' ');
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

bool may_succeed_later(long status) {
    if (status == 408 || status == 425 || status == 429) return true;
    return status >= 500 && status != 501 && status != 505;
}

}  // namespace

SendResult judge(const HttpResponse& response, std::int64_t now_s) {
    SendResult result;
    if (response.status == 0) {
        result.error = response.error;
        return result;
    }
    if (response.status >= 200 && response.status < 300) {
        result.outcome = SendResult::Outcome::delivered;
        return result;
    }
    result.error = "the answer is " + std::to_string(response.status);
    if (const auto text = excerpt(response.body); !text.empty()) result.error += " (" + text + ")";
    if (response.status == 413) {
        result.outcome = SendResult::Outcome::too_large;
        return result;
    }
    if (!may_succeed_later(response.status)) {
        result.outcome = SendResult::Outcome::rejected;
        return result;
    }
    result.retry_after_ms = parse_retry_after_ms(response.retry_after, now_s);
    return result;
}

SendResult HttpTransport::send(std::string_view body, std::uint32_t records) {
    std::string packed;
    auto encoding = protocol_.content_encoding;
    if (protocol_.compression == ContentCoding::gzip) {
        packed = gzip(body);
        if (!packed.empty()) {
            body = packed;
            encoding = "gzip";
        }
    }
    const auto response = client_->post(body, protocol_.content_type, encoding);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    auto result = judge(response, std::chrono::duration_cast<std::chrono::seconds>(now).count());
    if (result.outcome == SendResult::Outcome::delivered && protocol_.partial)
        result.rejected_records = std::min(records, protocol_.partial(response, result.error));
    return result;
}

}  // namespace sonde
