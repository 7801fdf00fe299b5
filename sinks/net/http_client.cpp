#include "sinks/net/http_client.hpp"

#include <curl/curl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <mutex>
#include <sstream>

#ifndef SONDE_VERSION
#define SONDE_VERSION "0"
#endif

namespace sonde {
namespace {

constexpr std::size_t max_response_bytes = 64 * 1024;
constexpr std::size_t max_secret_bytes = 64 * 1024;
constexpr std::string_view retry_after_name = "retry-after:";

std::int64_t steady_ms(std::chrono::steady_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

bool begins_with_nocase(std::string_view text, std::string_view lower_prefix) {
    if (text.size() < lower_prefix.size()) return false;
    return std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    });
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* target) {
    auto& body = static_cast<HttpResponse*>(target)->body;
    body.append(data, std::min(size, max_response_bytes - body.size()));
    return size;  // the rest is read and dropped: the connection stays usable
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* target) {
    const std::string_view line(data, size);
    if (begins_with_nocase(line, retry_after_name))
        static_cast<HttpResponse*>(target)->retry_after = line.substr(retry_after_name.size());
    return size;
}

int on_progress(void* deadline_ms, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto deadline = static_cast<std::atomic<std::int64_t>*>(deadline_ms)->load(std::memory_order_relaxed);
    return steady_ms(std::chrono::steady_clock::now()) >= deadline ? 1 : 0;
}

void start_curl_once() {
    static std::once_flag once;
    std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

Status readable(const std::string& path) {
    if (path.empty() || std::ifstream(path).good()) return done();
    return fail("cannot read " + path, "check that it is there and that sonde may read it", ErrorKind::usage);
}

}  // namespace

// A credential on disk, read again when the file is another or was written.
class HttpClient::SecretFile {
public:
    SecretFile(std::string path, bool is_bearer) : path_(std::move(path)), is_bearer_(is_bearer) {}

    [[nodiscard]] bool is_bearer() const { return is_bearer_; }
    // True: value() is another than before. A file that cannot be read leaves the old one.
    bool refresh() {
        struct stat now {};
        if (::stat(path_.c_str(), &now) != 0) return false;
        const bool same = now.st_ino == seen_.st_ino && now.st_dev == seen_.st_dev && now.st_size == seen_.st_size &&
                          now.st_mtim.tv_sec == seen_.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec;
        if (same) return false;
        std::ifstream file(path_, std::ios::binary);
        std::string text(max_secret_bytes, '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(file.gcount()));
        if (const auto end = text.find_first_of(std::string_view("\r\n\0", 3)); end != std::string::npos)
            text.resize(end);
        if (text.empty()) return false;  // being written: next time
        seen_ = now;
        value_ = std::move(text);
        return true;
    }
    [[nodiscard]] const std::string& value() const { return value_; }

private:
    const std::string path_;
    const bool is_bearer_;
    struct stat seen_ {};
    std::string value_;
};

struct HttpClient::Curl {
    CURL* handle = nullptr;
    std::array<char, CURL_ERROR_SIZE> error{};
    Curl() = default;
    Curl(const Curl&) = delete;
    Curl& operator=(const Curl&) = delete;
    ~Curl() {
        if (handle != nullptr) ::curl_easy_cleanup(handle);
    }
    template <typename Value>
    void set(CURLoption option, Value value) {
        ::curl_easy_setopt(handle, option, value);
    }
    void set_file(CURLoption option, const std::string& path) {
        if (!path.empty()) set(option, path.c_str());
    }
};

HttpClient::HttpClient(HttpClientOptions options) : options_(std::move(options)), curl_(std::make_unique<Curl>()) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::create(const HttpClientOptions& options) {
    if (!begins_with_nocase(options.url, "http://") && !begins_with_nocase(options.url, "https://"))
        return fail("\"" + options.url + "\" is no URL to send to", "it begins with http:// or https://",
                    ErrorKind::usage);
    if (!options.basic_auth_file.empty() && !options.bearer_token_file.empty())
        return fail("basic and bearer authentication at once for " + options.url, "choose one", ErrorKind::usage);
    for (const auto* path : {&options.basic_auth_file, &options.bearer_token_file, &options.ca_file,
                             &options.client_cert_file, &options.client_key_file})
        if (auto status = readable(*path); !status) return status.error();
    start_curl_once();
    std::unique_ptr<HttpClient> client(new HttpClient(options));
    if (auto status = client->prepare(); !status) return status.error();
    return client;
}

Status HttpClient::prepare() {
    if (!options_.basic_auth_file.empty())
        secret_ = std::make_unique<SecretFile>(options_.basic_auth_file, false);
    else if (!options_.bearer_token_file.empty())
        secret_ = std::make_unique<SecretFile>(options_.bearer_token_file, true);
    curl_->handle = ::curl_easy_init();
    if (curl_->handle == nullptr) return fail("libcurl cannot start");
    auto& curl = *curl_;
    curl.set(CURLOPT_URL, options_.url.c_str());
    curl.set(CURLOPT_PROTOCOLS_STR, "http,https");
    curl.set(CURLOPT_FOLLOWLOCATION, 0L);
    curl.set(CURLOPT_PROXY, "");
    curl.set(CURLOPT_NOSIGNAL, 1L);
    curl.set(CURLOPT_POST, 1L);
    curl.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout_ms));
    curl.set(CURLOPT_TCP_KEEPALIVE, 1L);
    curl.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl.set(CURLOPT_SSL_VERIFYPEER, options_.verify_tls ? 1L : 0L);
    curl.set(CURLOPT_SSL_VERIFYHOST, options_.verify_tls ? 2L : 0L);
    curl.set_file(CURLOPT_CAINFO, options_.ca_file);
    curl.set_file(CURLOPT_SSLCERT, options_.client_cert_file);
    curl.set_file(CURLOPT_SSLKEY, options_.client_key_file);
    curl.set(CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
    curl.set(CURLOPT_WRITEFUNCTION, on_body);
    curl.set(CURLOPT_HEADERFUNCTION, on_header);
    curl.set(CURLOPT_NOPROGRESS, 0L);
    curl.set(CURLOPT_XFERINFOFUNCTION, on_progress);
    curl.set(CURLOPT_XFERINFODATA, static_cast<void*>(&deadline_ms_));
    curl.set(CURLOPT_ERRORBUFFER, curl.error.data());
    return done();
}

long HttpClient::time_left_ms() const {
    const auto left = deadline_ms_.load(std::memory_order_relaxed) - steady_ms(std::chrono::steady_clock::now());
    return static_cast<long>(std::clamp<std::int64_t>(left, 0, options_.timeout_ms));
}

HttpResponse HttpClient::post(std::string_view body, std::string_view content_type, std::string_view content_encoding) {
    HttpResponse response;
    const auto left_ms = time_left_ms();
    if (left_ms <= 0) {
        response.error = options_.url + ": stopped";
        return response;
    }
    auto& curl = *curl_;
    if (secret_ && secret_->refresh()) {
        if (secret_->is_bearer()) {
            curl.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
            curl.set(CURLOPT_XOAUTH2_BEARER, secret_->value().c_str());
        } else {
            curl.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
            curl.set(CURLOPT_USERPWD, secret_->value().c_str());
        }
    }
    curl_slist* list = nullptr;
    const auto add = [&list](const std::string& line) { list = ::curl_slist_append(list, line.c_str()); };
    add("Content-Type: " + std::string(content_type));
    add("Expect:");  // no round trip before the body
    if (!content_encoding.empty()) add("Content-Encoding: " + std::string(content_encoding));
    for (const auto& [name, value] : options_.headers) add(name + ": " + value);
    curl.set(CURLOPT_HTTPHEADER, list);
    curl.set(CURLOPT_TIMEOUT_MS, left_ms);
    curl.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl.set(CURLOPT_POSTFIELDS, body.data());
    curl.set(CURLOPT_WRITEDATA, static_cast<void*>(&response));
    curl.set(CURLOPT_HEADERDATA, static_cast<void*>(&response));
    curl.error[0] = '\0';
    const auto code = ::curl_easy_perform(curl.handle);
    curl.set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
    ::curl_slist_free_all(list);
    if (code == CURLE_OK) {
        ::curl_easy_getinfo(curl.handle, CURLINFO_RESPONSE_CODE, &response.status);
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
        response.error = options_.url + ": stopped";
    } else {
        response.error = options_.url + ": " + (curl.error[0] != '\0' ? curl.error.data() : ::curl_easy_strerror(code));
    }
    return response;
}

void HttpClient::stop_by(std::chrono::steady_clock::time_point deadline) {
    deadline_ms_.store(steady_ms(deadline), std::memory_order_relaxed);
}

}  // namespace sonde
