#include "agent/alert/smtp_transport.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace sonde {
namespace {

std::int64_t steady_ms(std::chrono::steady_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

struct Upload {
    std::string_view rest;
};

std::size_t on_read(char* into, std::size_t size, std::size_t count, void* source) {
    auto& upload = *static_cast<Upload*>(source);
    const auto bytes = std::min(size * count, upload.rest.size());
    std::memcpy(into, upload.rest.data(), bytes);
    upload.rest.remove_prefix(bytes);
    return bytes;
}

int on_progress(void* deadline, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return steady_ms(std::chrono::steady_clock::now()) >= static_cast<std::atomic<std::int64_t>*>(deadline)->load() ? 1
                                                                                                                    : 0;
}

std::string url_of(const EmailOptions& email) {
    const bool has_port =
        email.server.find(':', email.server.rfind(']') == std::string::npos ? 0 : email.server.rfind(']')) !=
        std::string::npos;
    const bool tls = email.encryption == EmailOptions::Encryption::tls;
    return std::string(tls ? "smtps://" : "smtp://") + email.server + (has_port ? "" : tls ? ":465" : ":587");
}

}  // namespace

SendResult SmtpTransport::send(std::string_view body, std::uint32_t) {
    SendResult result;
    const auto left = std::clamp<std::int64_t>(deadline_ms_.load() - steady_ms(std::chrono::steady_clock::now()), 0,
                                               email_.timeout_ms);
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(::curl_easy_init(), ::curl_easy_cleanup);
    if (!curl || left <= 0) {
        result.error = left <= 0 ? "stopped" : "libcurl cannot start";
        return result;
    }
    const auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(curl.get(), option, value); };
    std::array<char, CURL_ERROR_SIZE> error{};
    Upload upload{body};
    curl_slist* recipients = nullptr;
    for (const auto& address : email_.to) recipients = ::curl_slist_append(recipients, ("<" + address + ">").c_str());
    const auto url = url_of(email_);
    const auto from = "<" + email_.from + ">";
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USE_SSL,
        static_cast<long>(email_.encryption == EmailOptions::Encryption::starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, email_.verify_tls ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, email_.verify_tls ? 2L : 0L);
    if (!email_.ca_file.empty()) set(CURLOPT_CAINFO, email_.ca_file.c_str());
    if (!email_.user.empty()) {
        set(CURLOPT_USERNAME, email_.user.c_str());
        set(CURLOPT_PASSWORD, email_.password.c_str());
    }
    set(CURLOPT_MAIL_FROM, from.c_str());
    set(CURLOPT_MAIL_RCPT, recipients);
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, on_read);
    set(CURLOPT_READDATA, static_cast<void*>(&upload));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(left));
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, static_cast<void*>(&deadline_ms_));
    set(CURLOPT_ERRORBUFFER, error.data());
    const auto code = ::curl_easy_perform(curl.get());
    long status = 0;
    ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    ::curl_slist_free_all(recipients);
    if (code == CURLE_OK) {
        result.outcome = SendResult::Outcome::delivered;
        return result;
    }
    result.error = url + ": " + (error[0] != '\0' ? error.data() : ::curl_easy_strerror(code));
    constexpr long first_permanent = 500;
    if (status >= first_permanent) result.outcome = SendResult::Outcome::rejected;
    return result;
}

void SmtpTransport::stop_by(std::chrono::steady_clock::time_point deadline) { deadline_ms_.store(steady_ms(deadline)); }

}  // namespace sonde
