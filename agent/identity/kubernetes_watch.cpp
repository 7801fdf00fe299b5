#include "agent/identity/kubernetes_watch.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace sonde {
namespace {

constexpr int gone = 410;
constexpr std::uint32_t list_max_s = 60;
// A server that closes watches at once must not be asked again at once.
constexpr auto short_watch = std::chrono::seconds(1);

double random_share() {
    static thread_local std::minstd_rand engine{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(engine);
}

std::string escaped(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        if (plain) {
            out += c;
        } else {
            (out += '%') += digits[byte >> 4];
            out += digits[byte & 15U];
        }
    }
    return out;
}

const std::string& uid_of(const KubernetesObject& object) {
    return std::visit([](const auto& each) -> const std::string& { return each.uid; }, object);
}

}  // namespace

KubernetesWatch::KubernetesWatch(KubernetesKind kind, std::string path, std::string selector, KubernetesStore& store,
                                 KubernetesWatchLimits limits, std::function<double()> random)
    : kind_(kind),
      path_(std::move(path)),
      selector_(std::move(selector)),
      store_(store),
      limits_(limits),
      random_(random ? std::move(random) : random_share) {}

std::string KubernetesWatch::request() const {
    auto query = path_ + "?" + selector_ + (selector_.empty() ? "" : "&");
    if (!resource_version_.empty())
        return query + "watch=1&allowWatchBookmarks=true&resourceVersion=" + escaped(resource_version_) +
               "&timeoutSeconds=" + std::to_string(limits_.watch_s);
    query += "limit=" + std::to_string(limits_.page_objects);
    return next_page_.empty() ? query : query + "&continue=" + escaped(next_page_);
}

std::uint32_t KubernetesWatch::request_max_s() const {
    // a server that does not end the watch when it said it would is gone
    return resource_version_.empty() ? list_max_s : limits_.watch_s + 30;
}

void KubernetesWatch::begin() {
    ++(resource_version_.empty() ? stats_.lists : stats_.watches);
    body_.clear();
    broken_ = false;
    told_something_ = false;
    begun_ = Clock::now();
}

bool KubernetesWatch::take(int status, std::string_view bytes) {
    if (status != 200) return true;  // a Status object: its code says enough
    if (broken_) return false;
    if (resource_version_.empty()) {
        broken_ = body_.size() + bytes.size() > limits_.page_bytes;
        if (broken_) {
            ++stats_.invalid;
            list_again();
            return false;
        }
        body_ += bytes;
        return true;
    }
    while (!bytes.empty()) {
        const auto line = bytes.substr(0, bytes.find('\n'));
        const bool whole = line.size() < bytes.size();
        bytes.remove_prefix(line.size() + (whole ? 1 : 0));
        if (body_.size() + line.size() > limits_.event_bytes) {
            ++stats_.invalid;
            list_again();
            return false;
        }
        body_ += line;
        if (!whole) break;
        const auto event = std::exchange(body_, {});
        if (!event.empty() && !take_line(event)) return false;
    }
    return true;
}

bool KubernetesWatch::take_line(std::string_view line) {
    auto event = parse_kubernetes_event(kind_, line);
    if (!event) {
        // what it would have told is not known: only a list puts that right
        ++stats_.invalid;
        list_again();
        return false;
    }
    if (event->type == KubernetesEvent::Type::error) {
        if (event->error_code == gone) ++stats_.expired;
        list_again();
        return false;
    }
    told_something_ = true;
    ++(event->type == KubernetesEvent::Type::bookmark ? stats_.bookmarks : stats_.events);
    if (event->type == KubernetesEvent::Type::put) store_.put(std::move(event->object));
    if (event->type == KubernetesEvent::Type::removed) store_.remove(kind_, uid_of(event->object));
    if (!event->resource_version.empty()) resource_version_ = std::move(event->resource_version);
    return true;
}

void KubernetesWatch::list_again() {
    resource_version_.clear();
    next_page_.clear();
    body_.clear();
    broken_ = true;
}

void KubernetesWatch::end(int status, Clock::time_point now) {
    const bool was_list = resource_version_.empty() && !broken_;
    if (status == gone) {
        ++stats_.expired;
        list_again();
        return failed(now);
    }
    if (status != 200) {
        ++stats_.failures;
        if (was_list) next_page_.clear();
        return failed(now);
    }
    if (broken_) return failed(now);
    if (was_list) return finish_page(now);
    // the server ended a watch that went well
    const bool lasted = told_something_ || now - begun_ >= short_watch;
    if (!lasted) return failed(now);
    failures_in_a_row_ = 0;
    due_ = now;
}

void KubernetesWatch::finish_page(Clock::time_point now) {
    auto list = parse_kubernetes_list(kind_, body_);
    body_.clear();
    body_.shrink_to_fit();  // the largest text there is, and not needed again for long
    if (!list || (list->next.empty() && list->resource_version.empty())) {
        ++stats_.invalid;
        next_page_.clear();
        return failed(now);
    }
    if (next_page_.empty()) store_.listing(kind_);  // this was the first page
    for (auto& object : list->objects) store_.put(std::move(object));
    next_page_ = std::move(list->next);
    due_ = now;
    if (!next_page_.empty()) return;
    resource_version_ = std::move(list->resource_version);
    synced_ = true;
    failures_in_a_row_ = 0;
    store_.listed(kind_);
}

void KubernetesWatch::failed(Clock::time_point now) {
    const auto doublings = std::min(failures_in_a_row_, 16U);
    ++failures_in_a_row_;
    const auto most =
        std::min<std::uint64_t>(std::uint64_t{limits_.backoff_min_ms} << doublings, limits_.backoff_max_ms);
    due_ =
        now + std::chrono::milliseconds(static_cast<std::uint64_t>(static_cast<double>(most) * (0.5 + random_() / 2)));
}

}  // namespace sonde
