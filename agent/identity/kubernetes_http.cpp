#include "agent/identity/kubernetes_http.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <list>
#include <utility>

namespace sonde {
namespace {

constexpr std::size_t token_max_bytes = 16 << 10;

struct EasyRelease {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiRelease {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListRelease {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, ListRelease>;

// Empty: there is none. A token is one line of visible characters; anything else could not be a header.
std::string read_token(const std::string& path) {
    std::ifstream file(path);
    std::string text;
    std::getline(file, text);
    const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    return visible && text.size() <= token_max_bytes ? text : std::string();
}

void append(Headers& headers, const std::string& line) {
    if (auto* longer = curl_slist_append(headers.get(), line.c_str())) {
        static_cast<void>(headers.release());
        headers.reset(longer);
    }
}

}  // namespace

struct KubernetesHttp::Parts {
    struct Request {
        std::unique_ptr<CURL, EasyRelease> easy;
        Headers headers;
        Answer answer;
        std::array<char, CURL_ERROR_SIZE> error{};
    };

    KubernetesHttpOptions options;
    std::unique_ptr<CURLM, MultiRelease> multi;
    std::list<Request> requests;

    static int status_of(CURL* easy) {
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        return static_cast<int>(status);
    }

    static std::size_t on_bytes(char* bytes, std::size_t size, std::size_t count, void* given) {
        auto& request = *static_cast<Request*>(given);
        const std::string_view part(bytes, size * count);
        return request.answer.take(status_of(request.easy.get()), part) ? part.size() : 0;
    }

    void prepare(Request& request, const std::string& url, std::uint32_t longest_s) const {
        auto* easy = request.easy.get();
        append(request.headers, "Accept: application/json");
        if (!options.token_file.empty())
            if (const auto token = read_token(options.token_file); !token.empty())
                append(request.headers, "Authorization: Bearer " + token);
        curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request.headers.get());
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Parts::on_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &request);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request.error.data());
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "sonde");
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(longest_s));
        // a server that vanished is noticed within a minute although a watch may be silent for longer
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 20L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
        if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
    }

    // What it calls may start the next request: it is out of the list by then.
    void finish(CURL* easy, CURLcode code) {
        const auto at = std::find_if(requests.begin(), requests.end(),
                                     [easy](const Request& request) { return request.easy.get() == easy; });
        if (at == requests.end()) return;
        std::list<Request> done;
        done.splice(done.begin(), requests, at);
        curl_multi_remove_handle(multi.get(), easy);
        auto& request = done.front();
        // taken half and ended by us is an answer, too
        const bool answered = code == CURLE_OK || code == CURLE_WRITE_ERROR;
        const std::string error = request.error[0] != '\0' ? request.error.data() : curl_easy_strerror(code);
        request.answer.end(answered ? status_of(easy) : 0, answered ? std::string() : error);
    }
};

KubernetesHttp::KubernetesHttp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

KubernetesHttp::~KubernetesHttp() {
    for (auto& request : parts_->requests) curl_multi_remove_handle(parts_->multi.get(), request.easy.get());
}

Result<std::unique_ptr<KubernetesHttp>> KubernetesHttp::create(KubernetesHttpOptions options) {
    static const bool usable = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    auto parts = std::make_unique<Parts>();
    parts->options = std::move(options);
    parts->multi.reset(usable ? curl_multi_init() : nullptr);
    if (!parts->multi) return fail("libcurl cannot be used");
    return std::unique_ptr<KubernetesHttp>(new KubernetesHttp(std::move(parts)));
}

void KubernetesHttp::get(const std::string& path, std::uint32_t longest_s, Answer answer) {
    auto& request = parts_->requests.emplace_back();
    request.answer = std::move(answer);
    request.easy.reset(curl_easy_init());
    if (request.easy) parts_->prepare(request, parts_->options.url + path, longest_s);
    if (request.easy && curl_multi_add_handle(parts_->multi.get(), request.easy.get()) == CURLM_OK) return;
    const auto end = std::move(request.answer.end);
    parts_->requests.pop_back();
    end(0, "libcurl takes no request");
}

void KubernetesHttp::run(int longest_ms) {
    int running = 0, left = 0;
    curl_multi_perform(parts_->multi.get(), &running);
    while (const auto* message = curl_multi_info_read(parts_->multi.get(), &left))
        if (message->msg == CURLMSG_DONE) {
            longest_ms = 0;
            parts_->finish(message->easy_handle, message->data.result);
        }
    if (longest_ms > 0) curl_multi_poll(parts_->multi.get(), nullptr, 0, longest_ms, nullptr);
}

void KubernetesHttp::wake() { curl_multi_wakeup(parts_->multi.get()); }

}  // namespace sonde
