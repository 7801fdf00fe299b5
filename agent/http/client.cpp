#include "agent/http/client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <memory>

#include "agent/http/tls.hpp"

namespace sonde {
namespace {

constexpr std::size_t answer_most = std::size_t{64} << 20;

Error no_agent(const std::string& address, const std::string& why) {
    return fail("no agent answers at " + address + ": " + why,
                "start one with `sonde run`, or name its address with --connect HOST:PORT");
}

// Of an address without a host: this machine.
std::string url_of(const ClientOptions& options) {
    if (options.address.starts_with("https://")) return options.address;
    const auto authority = options.address.starts_with(':') ? "127.0.0.1" + options.address : options.address;
    return (options.certificate_file.empty() ? "http://" : "https://") + authority;
}

struct Answer {
    std::string text;
    bool too_long = false;
};

std::size_t take(const char* bytes, std::size_t, std::size_t size, void* into) {
    auto& answer = *static_cast<Answer*>(into);
    answer.too_long = answer.text.size() + size > answer_most;
    if (answer.too_long) return 0;
    answer.text.append(bytes, size);
    return size;
}

// Why nothing came.
Error no_answer(CURL* curl, CURLcode code, const ClientOptions& options, const char* detail) {
    switch (code) {
        case CURLE_URL_MALFORMAT:
            return fail("'" + options.address + "' is not an address", "write HOST:PORT, as in 127.0.0.1:9745",
                        ErrorKind::usage);
        case CURLE_COULDNT_CONNECT: {
            long error = 0;
            ::curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
            return no_agent(options.address, error != 0 ? std::strerror(static_cast<int>(error)) : detail);
        }
        case CURLE_OPERATION_TIMEDOUT:
            return no_agent(options.address, "it does not answer");
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_GOT_NOTHING:
            return fail("no agent answers at " + options.address + ": what listens there does not speak HTTP",
                        "if it speaks TLS, name it as https://HOST:PORT or give --certificate FILE");
        case CURLE_PEER_FAILED_VERIFICATION:
            return fail("the certificate of " + options.address + " is not trusted: " + detail,
                        "name the agent's own with --certificate FILE");
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            return fail(
                "the certificate of " + options.address + " is another than that in " + options.certificate_file,
                "name the agent's http.tls.certificate_file");
        default:
            return no_agent(options.address, detail);
    }
}

}  // namespace

Result<ClientResponse> http_get(const ClientOptions& options, const std::string& target) {
    return http_send(options, "GET", target);
}

Result<ClientResponse> http_send(const ClientOptions& options, const std::string& method, const std::string& target,
                                 const std::string& body) {
    if (options.address.rfind(':') == std::string::npos)
        return fail("'" + options.address + "' is not an address", "write HOST:PORT, as in 127.0.0.1:9745",
                    ErrorKind::usage);
    static const bool usable = ::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    const std::unique_ptr<CURL, void (*)(CURL*)> owner(usable ? ::curl_easy_init() : nullptr, ::curl_easy_cleanup);
    if (!owner) return fail("libcurl cannot start");
    auto* const curl = owner.get();
    const auto set = [curl](CURLoption option, auto value) { ::curl_easy_setopt(curl, option, value); };
    std::array<char, CURL_ERROR_SIZE> detail{};
    set(CURLOPT_ERRORBUFFER, detail.data());
    const auto url = url_of(options) + target;
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");  // an agent is asked itself
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, "sonde");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.timeout_ms));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);  // bytes a second
    set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(options.timeout_ms) / 1000));
    if (!options.certificate_file.empty()) {
        const auto pin = public_key_pin(options.certificate_file);
        if (!pin) return pin.error();
        set(CURLOPT_PINNEDPUBLICKEY, pin->c_str());  // copied; it is all that is asked of the certificate
        set(CURLOPT_SSL_VERIFYPEER, 0L);
        set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
    if (!body.empty()) {
        set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
        set(CURLOPT_POSTFIELDS, body.c_str());
    }
    curl_slist* list = nullptr;
    const auto add = [&list](const std::string& header) { list = ::curl_slist_append(list, header.c_str()); };
    add("Accept: application/json");
    if (!options.token.empty()) add("Authorization: Bearer " + options.token);
    if (!body.empty()) add("Content-Type: application/json");
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, ::curl_slist_free_all);
    set(CURLOPT_HTTPHEADER, headers.get());
    Answer answer;
    set(CURLOPT_WRITEFUNCTION, take);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&answer));

    const auto code = ::curl_easy_perform(curl);
    if (answer.too_long) return fail("the answer of " + options.address + " is too long");
    if (code != CURLE_OK)
        return no_answer(curl, code, options, detail[0] != '\0' ? detail.data() : ::curl_easy_strerror(code));
    long status = 0;
    ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 401)
        return fail("the agent at " + options.address + " wants a token", "name its file with --token-file");
    return ClientResponse{static_cast<int>(status), std::move(answer.text)};
}

std::string url_encode(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += hex[static_cast<unsigned char>(c) >> 4];
            out += hex[static_cast<unsigned char>(c) & 15];
        }
    }
    return out;
}

}  // namespace sonde
