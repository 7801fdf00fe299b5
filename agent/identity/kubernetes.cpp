#include "agent/identity/kubernetes.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "agent/identity/kubernetes_http.hpp"
#include "agent/identity/kubernetes_owners.hpp"

namespace sonde {
namespace {

using Clock = KubernetesWatch::Clock;

// A rollout changes a pod many times within a second: names are published after the first change has settled.
constexpr auto publish_after = std::chrono::milliseconds(200);
constexpr unsigned failures_until_kubelet = 3;
constexpr std::size_t kubelet_answer_max = 32 << 20;
constexpr std::size_t owner_answer_max = 4 << 20;
constexpr std::uint32_t request_max_s = 15;
constexpr unsigned owner_questions_at_once = 4;

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Names of nodes are DNS subdomains: what is not cannot be put into a query.
bool is_node_name(const std::string& name) {
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
}

std::string without_last_slash(std::string url) {
    while (!url.empty() && url.back() == '/') url.pop_back();
    return url;
}

}  // namespace

class Kubernetes::Worker {
public:
    Worker(const KubernetesOptions& options, std::string node, std::unique_ptr<KubernetesHttp> http,
           std::unique_ptr<KubernetesHttp> kubelet,
           std::function<std::string(const std::string&, const std::string&)> redact)
        : options_(options),
          http_(std::move(http)),
          kubelet_(std::move(kubelet)),
          directory_({.labels = options.labels,
                      .max_addresses = options.max_addresses,
                      .owner_of = [this](const std::string& space,
                                         const KubernetesOwner& owner) { return owners_.above(space, owner); },
                      .redact = std::move(redact)}) {
        watches_.emplace_back(KubernetesKind::pod, "/api/v1/pods", "fieldSelector=spec.nodeName%3D" + node, directory_);
        if (!options.peers) return;
        watches_.emplace_back(KubernetesKind::service, "/api/v1/services", "", directory_);
        watches_.emplace_back(KubernetesKind::endpoint_slice, "/apis/discovery.k8s.io/v1/endpointslices", "",
                              directory_);
    }

    void run(const std::stop_token& stop) {
        ::prctl(PR_SET_NAME, "kubernetes");
        const std::stop_callback on_stop(stop, [this] { http_->wake(); });
        while (!stop.stop_requested()) {
            const auto now = Clock::now();
            for (std::size_t i = 0; i < watches_.size(); ++i)
                if (!asking_[i] && watches_[i].due() <= now) ask(i);
            if (kubelet_) ask_kubelet(now);
            if (directory_.changed() && !publish_at_) publish_at_ = now + publish_after;
            if (publish_at_ && *publish_at_ <= now) {
                publish_at_.reset();
                directory_.publish();
            }
            ask_owners();
            update_stats();
            http_->run(wait_ms(now));
            if (kubelet_) kubelet_->run(0);
        }
    }

    [[nodiscard]] const KubernetesDirectory& directory() const { return directory_; }
    [[nodiscard]] KubernetesStats stats() const {
        const std::lock_guard lock(mutex_);
        return stats_;
    }

private:
    static constexpr std::size_t watches_max = 3;

    void ask(std::size_t i) {
        auto& watch = watches_[i];
        asking_[i] = true;
        watch.begin();
        http_->get(watch.request(), watch.request_max_s(),
                   {[&watch](int status, std::string_view bytes) { return watch.take(status, bytes); },
                    [this, i, &watch](int status, const std::string& error) {
                        asking_[i] = false;
                        remember(status, error, "the API");
                        watch.end(status, Clock::now());
                    }});
    }

    // A few at a time: a node that has just been joined has many pods whose owners are not known.
    void ask_owners() {
        KubernetesOwners::Question question;
        while (owner_questions_ < owner_questions_at_once && owners_.next_question(question)) {
            ++owner_questions_;
            auto body = std::make_shared<std::string>();
            http_->get(question.path, request_max_s,
                       {[body](int, std::string_view bytes) {
                            body->append(bytes);
                            return body->size() <= owner_answer_max;
                        },
                        [this, body, key = question.key](int status, const std::string&) {
                            --owner_questions_;
                            if (owners_.answer(key, status, *body)) directory_.look_at_owners_again();
                        }});
        }
    }

    // The kubelet lists its own pods without the API; it has no watch, so it is asked again and again.
    void ask_kubelet(Clock::time_point now) {
        if (watches_[0].failures_in_a_row() < failures_until_kubelet) {
            from_kubelet_ = false;
            return;
        }
        if (asking_kubelet_ || now < kubelet_due_) return;
        asking_kubelet_ = true;
        auto body = std::make_shared<std::string>();
        kubelet_->get("/pods", request_max_s,
                      {[body](int, std::string_view bytes) {
                           body->append(bytes);
                           return body->size() <= kubelet_answer_max;
                       },
                       [this, body](int status, const std::string& error) {
                           asking_kubelet_ = false;
                           kubelet_due_ = Clock::now() + std::chrono::seconds(options_.kubelet_interval_s);
                           take_kubelet(status, error, *body);
                       }});
    }

    void take_kubelet(int status, const std::string& error, const std::string& body) {
        // the API has come back meanwhile: what it lists must not be taken for gone
        if (watches_[0].failures_in_a_row() < failures_until_kubelet || watches_[0].between_pages()) return;
        remember(status, error, "the kubelet");
        auto list =
            status == 200 ? parse_kubernetes_list(KubernetesKind::pod, body) : Result<KubernetesList>(fail("no list"));
        if (!list) {
            ++kubelet_failures_;
            return;
        }
        from_kubelet_ = true;
        directory_.listing(KubernetesKind::pod);
        for (auto& pod : list->objects) directory_.put(std::move(pod));
        directory_.listed(KubernetesKind::pod);
    }

    void remember(int status, const std::string& error, const char* who) {
        std::string text;
        if (status == 0) text = std::string(who) + ": " + error;
        if (status != 0 && status != 200) text = std::string(who) + " answered " + std::to_string(status);
        const std::lock_guard lock(mutex_);
        stats_.last_error = std::move(text);
    }

    void update_stats() {
        KubernetesStats now;
        for (const auto& watch : watches_) {
            const auto& one = watch.stats();
            now.lists += one.lists;
            now.watches += one.watches;
            now.events += one.events;
            now.bookmarks += one.bookmarks;
            now.expired += one.expired;
            now.failures += one.failures;
            now.invalid += one.invalid;
        }
        now.failures += kubelet_failures_;
        now.from_kubelet = from_kubelet_;
        now.synced = from_kubelet_ || watches_[0].synced();
        now.pods = directory_.pods();
        now.addresses = directory_.addresses();
        now.overflows = directory_.overflows();
        const std::lock_guard lock(mutex_);
        now.last_error = std::move(stats_.last_error);
        stats_ = std::move(now);
    }

    [[nodiscard]] int wait_ms(Clock::time_point now) const {
        auto until = now + std::chrono::seconds(1);
        for (std::size_t i = 0; i < watches_.size(); ++i)
            if (!asking_[i]) until = std::min(until, watches_[i].due());
        if (publish_at_) until = std::min(until, *publish_at_);
        if (asking_kubelet_) until = std::min(until, now + std::chrono::milliseconds(50));
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
        return static_cast<int>(std::max<std::int64_t>(ms, 0));
    }

    const KubernetesOptions options_;
    const std::unique_ptr<KubernetesHttp> http_;
    const std::unique_ptr<KubernetesHttp> kubelet_;  // null: not asked
    KubernetesOwners owners_;
    KubernetesDirectory directory_;
    std::vector<KubernetesWatch> watches_;  // that of the pods first
    std::array<bool, watches_max> asking_{};
    unsigned owner_questions_ = 0;
    bool asking_kubelet_ = false;
    bool from_kubelet_ = false;
    std::uint64_t kubelet_failures_ = 0;
    Clock::time_point kubelet_due_{};
    std::optional<Clock::time_point> publish_at_;
    mutable std::mutex mutex_;
    KubernetesStats stats_;
};

Kubernetes::Kubernetes(std::unique_ptr<Worker> worker)
    : worker_(std::move(worker)), thread_([raw = worker_.get()](const std::stop_token& stop) { raw->run(stop); }) {}

Kubernetes::~Kubernetes() = default;

Result<std::unique_ptr<Kubernetes>> Kubernetes::start(
    const KubernetesOptions& options, std::function<std::string(const std::string&, const std::string&)> redact) {
    const bool mounted = ::access(options.token_file.c_str(), R_OK) == 0;
    if (options.use == KubernetesUse::never || (options.use == KubernetesUse::automatic && !mounted))
        return std::unique_ptr<Kubernetes>();
    auto node = options.node.empty() ? host_name() : options.node;
    if (!is_node_name(node))
        return fail("'" + node + "' is no name of a Kubernetes node",
                    "set kubernetes.node; a DaemonSet knows it as spec.nodeName", ErrorKind::usage);
    KubernetesHttpOptions http{without_last_slash(options.api), options.token_file, options.ca_file};
    auto api = KubernetesHttp::create(http);
    if (!api) return api.error();
    std::unique_ptr<KubernetesHttp> kubelet;
    if (!options.kubelet.empty()) {
        http.url = without_last_slash(options.kubelet);
        http.verify_tls = options.kubelet_verify_tls;
        auto made = KubernetesHttp::create(http);
        if (!made) return made.error();
        kubelet = std::move(*made);
    }
    auto worker =
        std::make_unique<Worker>(options, std::move(node), std::move(*api), std::move(kubelet), std::move(redact));
    return std::unique_ptr<Kubernetes>(new Kubernetes(std::move(worker)));
}

const KubernetesDirectory& Kubernetes::directory() const { return worker_->directory(); }

KubernetesStats Kubernetes::stats() const { return worker_->stats(); }

}  // namespace sonde
