#include "agent/alert/health_prober.hpp"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <set>

namespace sonde {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t body_max = 64 * 1024;
constexpr auto discover_every = std::chrono::seconds(10);
constexpr int poll_ms = 200;
constexpr double ns_per_s = 1e9;

std::uint64_t real_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

const char* type_name(HealthProbeType type) {
    return type == HealthProbeType::http ? "http" : type == HealthProbeType::tcp ? "tcp" : "grpc";
}

}  // namespace

// One probe under way.
struct HealthProber::Running {
    HealthProbeOptions options;
    CURL* handle = nullptr;
    curl_slist* headers = nullptr;
    std::string url, request, body;
    int grpc_status = -1;  // of the trailers
    std::array<char, CURL_ERROR_SIZE> error{};

    explicit Running(HealthProbeOptions wanted) : options(std::move(wanted)) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        if (handle != nullptr) ::curl_easy_cleanup(handle);
        ::curl_slist_free_all(headers);
    }

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
        auto& body = static_cast<Running*>(self)->body;
        body.append(data, std::min(size, body_max - body.size()));
        return size;
    }
    static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
        constexpr std::string_view name = "grpc-status:";
        std::string_view line(data, size);
        if (!line.starts_with(name)) return size;
        line.remove_prefix(name.size());
        while (line.starts_with(' ')) line.remove_prefix(1);
        std::from_chars(line.data(), line.data() + line.size(), static_cast<Running*>(self)->grpc_status);
        return size;
    }

    template <typename Value>
    void set(CURLoption option, Value value) {
        ::curl_easy_setopt(handle, option, value);
    }
    void add_header(const std::string& line) { headers = ::curl_slist_append(headers, line.c_str()); }

    bool prepare() {
        handle = ::curl_easy_init();
        if (handle == nullptr) return false;
        const bool has_scheme = options.target.starts_with("http");
        url = has_scheme ? options.target : "http://" + options.target;
        set(CURLOPT_PRIVATE, static_cast<void*>(this));
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_PROXY, "");
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_FRESH_CONNECT, 1L);  // a connection is part of what is probed
        set(CURLOPT_FORBID_REUSE, 1L);
        set(CURLOPT_USERAGENT, "sonde/" SONDE_VERSION " (health probe)");
        set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout_ms));
        set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
        set(CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
        set(CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
        set(CURLOPT_CERTINFO, 1L);
        if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
        set(CURLOPT_WRITEFUNCTION, on_body);
        set(CURLOPT_WRITEDATA, static_cast<void*>(this));
        set(CURLOPT_HEADERFUNCTION, on_header);
        set(CURLOPT_HEADERDATA, static_cast<void*>(this));
        set(CURLOPT_ERRORBUFFER, error.data());
        if (options.type == HealthProbeType::tcp) set(CURLOPT_CONNECT_ONLY, 1L);
        if (options.type == HealthProbeType::grpc) prepare_grpc(has_scheme);
        for (const auto& [name, value] : options.headers) add_header(name + ": " + value);
        set(CURLOPT_URL, url.c_str());
        set(CURLOPT_HTTPHEADER, headers);
        return true;
    }
    void prepare_grpc(bool tls) {
        url += "/grpc.health.v1.Health/Check";
        request = grpc_health_request(options.grpc_service);
        set(CURLOPT_HTTP_VERSION,
            static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request.size()));
        set(CURLOPT_POSTFIELDS, request.data());
        add_header("Content-Type: application/grpc");
        add_header("TE: trailers");
    }

    [[nodiscard]] HealthProbeResult judge(CURLcode code) const {
        HealthProbeResult out;
        long status = 0;
        double seconds = 0;
        ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        ::curl_easy_getinfo(handle, CURLINFO_TOTAL_TIME, &seconds);
        out.duration_s = seconds;
        out.http_status = static_cast<std::uint16_t>(options.type == HealthProbeType::http ? status : 0);
        out.certificate_expiry_s = certificate_expiry();
        if (code != CURLE_OK) {
            out.message = error[0] != '\0' ? error.data() : ::curl_easy_strerror(code);
        } else if (options.type == HealthProbeType::http) {
            out.message = wrong_answer(static_cast<std::uint16_t>(status));
        } else if (options.type == HealthProbeType::grpc) {
            constexpr int serving = 1;
            if (grpc_status != 0)
                out.message = grpc_status < 0 ? "no gRPC status" : "gRPC status " + std::to_string(grpc_status);
            else if (const int health = grpc_health_status(body); health != serving)
                out.message = "not serving (" + std::to_string(health) + ")";
        }
        out.success = out.message.empty();
        return out;
    }
    [[nodiscard]] std::string wrong_answer(std::uint16_t status) const {
        constexpr std::uint16_t ok_first = 200, ok_last = 299;
        const bool good = options.status.empty()
                              ? status >= ok_first && status <= ok_last
                              : std::find(options.status.begin(), options.status.end(), status) != options.status.end();
        if (!good) return "the answer is " + std::to_string(status);
        if (!options.body.empty() && body.find(options.body) == std::string::npos)
            return "the answer does not contain what is expected";
        return {};
    }
    [[nodiscard]] double certificate_expiry() const {
        double earliest = std::numeric_limits<double>::quiet_NaN();
        curl_certinfo* chain = nullptr;
        if (::curl_easy_getinfo(handle, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == nullptr) return earliest;
        constexpr std::string_view name = "Expire date:";
        for (int i = 0; i < chain->num_of_certs; ++i)
            for (const auto* field = chain->certinfo[i]; field != nullptr; field = field->next) {
                const std::string_view text = field->data;
                if (!text.starts_with(name)) continue;
                const auto at = ::curl_getdate(field->data + name.size(), nullptr);
                if (at > 0 && !(earliest <= static_cast<double>(at))) earliest = static_cast<double>(at);
            }
        return earliest;
    }
};

// The probes under way; one thread.
class HealthProber::Multi {
public:
    Multi() : multi_(::curl_multi_init()) {}
    Multi(const Multi&) = delete;
    Multi& operator=(const Multi&) = delete;
    ~Multi() {
        for (auto& [name, running] : running_) ::curl_multi_remove_handle(multi_, running->handle);
        running_.clear();
        ::curl_multi_cleanup(multi_);
    }
    void begin(const HealthProbeOptions& options) {
        if (running_.count(options.name) > 0) return;
        auto running = std::make_unique<Running>(options);
        if (!running->prepare() || ::curl_multi_add_handle(multi_, running->handle) != CURLM_OK) return;
        running_.emplace(options.name, std::move(running));
    }
    template <typename Finished>
    void work(int timeout_ms, Finished finished) {
        int left = 0;
        ::curl_multi_perform(multi_, &left);
        CURLMsg* message = nullptr;
        while ((message = ::curl_multi_info_read(multi_, &left)) != nullptr) {
            if (message->msg != CURLMSG_DONE) continue;
            auto* handle = message->easy_handle;
            const auto code = message->data.result;
            Running* running = nullptr;
            ::curl_easy_getinfo(handle, CURLINFO_PRIVATE, &running);
            const auto name = running->options.name;
            finished(name, running->judge(code));
            ::curl_multi_remove_handle(multi_, handle);
            running_.erase(name);
        }
        ::curl_multi_poll(multi_, nullptr, 0, timeout_ms, nullptr);
    }
    void wake() { ::curl_multi_wakeup(multi_); }

private:
    CURLM* const multi_;
    std::map<std::string, std::unique_ptr<Running>> running_;
};

HealthProber::HealthProber(HealthProbesOptions options, std::function<std::map<std::string, std::string>()> listeners)
    : options_(std::move(options)), listeners_(std::move(listeners)), multi_(std::make_unique<Multi>()) {
    for (const auto& probe : options_.probes) probes_.emplace(probe.name, probe);
}

HealthProber::~HealthProber() { stop(); }

void HealthProber::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void HealthProber::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    multi_->wake();
    thread_.join();
}

void HealthProber::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "probe");
    std::map<std::string, Clock::time_point> due;
    auto next_discovery = Clock::now();
    while (!stop.stop_requested()) {
        const auto now = Clock::now();
        if (options_.discover && listeners_ && now >= next_discovery) {
            next_discovery = now + discover_every;
            discover();
        }
        for (const auto& [name, probe] : probes_) {
            auto& at = due.try_emplace(name, now).first->second;
            if (now < at) continue;
            at = now + std::chrono::milliseconds(probe.interval_ms);
            multi_->begin(probe);
        }
        multi_->work(poll_ms,
                     [this](const std::string& name, HealthProbeResult result) { finished(name, std::move(result)); });
    }
}

// Listeners that are gone are asked no more; those that a configuration names stay.
void HealthProber::discover() {
    const auto listeners = listeners_();
    std::set<std::string> wanted;
    for (const auto& probe : options_.probes) wanted.insert(probe.name);
    for (const auto& [name, target] : listeners) {
        if (wanted.size() >= options_.probes.size() + discovered_max) break;
        if (!wanted.insert(name).second) continue;
        HealthProbeOptions probe;
        probe.name = name;
        probe.type = HealthProbeType::tcp;
        probe.target = target;
        probes_.insert_or_assign(name, probe);
    }
    std::erase_if(probes_, [&](const auto& entry) { return wanted.count(entry.first) == 0; });
    const std::lock_guard lock(mutex_);
    std::erase_if(states_, [&](const auto& entry) { return wanted.count(entry.first) == 0; });
}

void HealthProber::finished(const std::string& name, HealthProbeResult result) {
    const auto probe = probes_.find(name);
    if (probe == probes_.end()) return;
    const std::lock_guard lock(mutex_);
    auto& state = states_[name];
    state.name = name;
    state.type = type_name(probe->second.type);
    state.target = probe->second.target;
    state.failures = result.success ? 0 : state.failures + 1;
    state.at_ns = real_ns();
    state.last = std::move(result);
}

std::vector<HealthProbeState> HealthProber::states() const {
    const std::lock_guard lock(mutex_);
    std::vector<HealthProbeState> out;
    for (const auto& [name, state] : states_) out.push_back(state);
    return out;
}

std::vector<AlertProbeInput> HealthProber::inputs(std::uint64_t now_ns) const {
    std::vector<AlertProbeInput> out;
    for (const auto& state : states())
        out.push_back(
            {state.name, state.failures, state.last.certificate_expiry_s - static_cast<double>(now_ns) / ns_per_s});
    return out;
}

std::vector<Sample> HealthProber::samples() const {
    std::vector<Sample> out;
    for (const auto& state : states()) {
        const auto add = [&](const char* name, const char* help, double value) {
            out.push_back({name, help, SampleType::gauge, {{"target", state.name}}, value});
        };
        add("probe_success", "Whether the last health probe succeeded: 1 yes, 0 no.", state.last.success ? 1 : 0);
        add("probe_duration_seconds", "Time that the last health probe took.", state.last.duration_s);
        if (state.type == "http")
            add("probe_http_status_code", "Status of the last answer to a health probe; 0: none came.",
                state.last.http_status);
        if (!std::isnan(state.last.certificate_expiry_s))
            add("probe_ssl_earliest_cert_expiry",
                "When the first certificate of the chain expires, seconds since 1970.",
                state.last.certificate_expiry_s);
    }
    return out;
}

}  // namespace sonde
