#include "agent/alert/alert_service.hpp"

#include <pthread.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_text.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

std::uint64_t steady_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

std::uint64_t real_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

std::uint64_t thread_cpu_ns() {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * ns_per_s + static_cast<std::uint64_t>(used.tv_nsec);
}

}  // namespace

Result<std::unique_ptr<AlertService>> AlertService::create(AlertServiceParts parts) {
    std::vector<std::unique_ptr<Notifier>> notifiers;
    for (const auto& options : parts.options.notifiers) {
        auto notifier = Notifier::create(options);
        if (!notifier) return notifier.error();
        notifiers.push_back(std::move(*notifier));
    }
    std::unique_ptr<AlertService> service(new AlertService(std::move(parts), std::move(notifiers)));
    service->restore();
    return service;
}

AlertService::AlertService(AlertServiceParts parts, std::vector<std::unique_ptr<Notifier>> notifiers)
    : parts_(std::move(parts)),
      notifiers_(std::move(notifiers)),
      evaluator_(effective_alert_rules(parts_.options.rules, parts_.options.default_rules), parts_.descriptor_limit),
      dispatcher_(parts_.options),
      view_(std::make_shared<AlertView>()) {}

AlertService::~AlertService() { stop(); }

void AlertService::restore() {
    if (parts_.state_path.empty()) return;
    auto state = load_alert_state(parts_.state_path);
    if (!state) {
        std::fprintf(stderr, "sonde: alerts: %s; it is put aside as %s.damaged\n", state.error().message().c_str(),
                     parts_.state_path.c_str());
        std::rename(parts_.state_path.c_str(), (parts_.state_path + ".damaged").c_str());
        return;
    }
    const auto now_ns = real_ns();
    for (auto& info : state->alerts) {
        ActiveAlert alert;
        const auto* rule = evaluator_.rule(info.rule);
        // until the window is full again, silence does not mean that the trouble is over
        if (rule != nullptr) alert.hold_until_ns = now_ns + rule->window_s * ns_per_s;
        alert.info = std::move(info);
        open_[alert.info.fingerprint] = alert.info;
        evaluator_.book().restore(std::move(alert));
    }
    for (auto& info : state->past)
        if (past_.size() < past_max) past_.push_back(std::move(info));
    for (auto& silence : state->silences) silences_.restore(std::move(silence));
    dispatcher_.restore(std::move(state->tellings));
    publish(now_ns);
}

void AlertService::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void AlertService::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "alert");
    // a jump of the clock is no passing of time: all durations are measured from one time of day on
    const auto offset = real_ns() - steady_ns();
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
        const auto now = steady_ns();
        evaluate(now / ns_per_s, now + offset);
        next = std::max(next + std::chrono::milliseconds(parts_.options.interval_ms), std::chrono::steady_clock::now());
        std::unique_lock lock(sleep_mutex_);
        sleep_.wait_until(lock, stop, next, [] { return false; });
    }
}

void AlertService::stop() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    for (const auto& notifier : notifiers_) notifier->delivery().request_stop();
    for (const auto& notifier : notifiers_) notifier->delivery().stop();
    const std::lock_guard lock(mutex_);
    settle();
    if (changed_) save(real_ns());
}

void AlertService::evaluate(std::uint64_t now_s, std::uint64_t now_ns) {
    auto inputs = parts_.inputs ? parts_.inputs() : AlertInputs{};
    inputs.now_s = now_s;
    inputs.now_ns = now_ns;
    if (parts_.watch != nullptr)
        for (auto& change : parts_.watch->take(now_ns)) inputs.changes.push_back(std::move(change));
    for (auto& [service, change] : inputs.changes)
        if (change.time_ns == 0) change.time_ns = now_ns;
    const auto began = thread_cpu_ns();
    const std::lock_guard lock(mutex_);
    if (parts_.history != nullptr) evaluator_.take(*parts_.history);
    evaluator_.evaluate(inputs);
    take_transitions(now_s, now_ns);
    settle();
    note_open();
    tell(now_ns);
    remember_past();
    silences_.expire(now_ns);
    if (changed_) save(now_ns);
    publish(now_ns);
    evaluations_.fetch_add(1, std::memory_order_relaxed);
    evaluation_ns_.fetch_add(thread_cpu_ns() - began, std::memory_order_relaxed);
    overflowed_.store(evaluator_.book().overflowed(), std::memory_order_relaxed);
    bytes_.store(evaluator_.bytes(), std::memory_order_relaxed);
}

// What began or ended: its evidence, its line for the events file.
void AlertService::take_transitions(std::uint64_t now_s, std::uint64_t now_ns) {
    for (const auto& fingerprint : evaluator_.book().take_transitions()) {
        const auto found = evaluator_.book().alerts().find(fingerprint);
        if (found == evaluator_.book().alerts().end()) continue;
        auto& alert = found->second;
        if (alert.info.state == AlertState::firing)
            alert.info.evidence =
                gather_alert_evidence(alert, {parts_.history, &evaluator_, parts_.console_url, now_s, now_ns});
        auto notice = std::make_shared<AlertNotice>();
        notice->source = parts_.machine;
        notice->alerts.push_back(alert.info);
        notice->line = alert_event_line(alert.info, now_ns);
        changed_ = true;
        const std::lock_guard lock(events_mutex_);
        if (events_.size() >= events_max) {
            events_.pop_front();
            events_lost_.fetch_add(1, std::memory_order_relaxed);
        }
        events_.push_back({now_ns, std::move(notice)});
    }
}

void AlertService::settle() {
    for (std::size_t i = 0; i < notifiers_.size(); ++i)
        for (const auto& [group, delivered] : notifiers_[i]->settle()) {
            if (dispatcher_.settled(i, group, delivered)) changed_ = true;
            (delivered ? told_ : not_told_).fetch_add(1, std::memory_order_relaxed);
        }
}

void AlertService::tell(std::uint64_t now_ns) {
    const auto known = evaluator_.book().alerts().size();
    for (auto& outgoing : dispatcher_.dispatch(evaluator_.book(), silences_, now_ns)) {
        outgoing.notice.source = parts_.machine;
        outgoing.notice.link = parts_.console_url + "/#/alerts";
        const auto group = outgoing.notice.group;
        auto notice = std::make_shared<const AlertNotice>(std::move(outgoing.notice));
        if (notifiers_[outgoing.notifier]->tell(std::move(notice), now_ns)) continue;
        dispatcher_.settled(outgoing.notifier, group, false);
        not_told_.fetch_add(1, std::memory_order_relaxed);
    }
    changed_ = changed_ || known != evaluator_.book().alerts().size();
}

// What tell() may forget has to be known afterwards.
void AlertService::note_open() {
    for (const auto& [fingerprint, alert] : evaluator_.book().alerts())
        if (alert.info.state != AlertState::pending) open_[fingerprint] = alert.info;
}

// What is over and told is past.
void AlertService::remember_past() {
    const auto& alerts = evaluator_.book().alerts();
    std::erase_if(open_, [&](auto& entry) {
        if (alerts.count(entry.first) > 0) return false;
        if (entry.second.resolved_ns != 0) past_.push_front(std::move(entry.second));
        return true;
    });
    while (past_.size() > past_max) past_.pop_back();
}

void AlertService::save(std::uint64_t now_ns) {
    changed_ = false;
    if (parts_.state_path.empty()) return;
    AlertStored state;
    for (const auto& [fingerprint, alert] : evaluator_.book().alerts())
        if (alert.info.state != AlertState::pending) state.alerts.push_back(alert.info);
    state.past.assign(past_.begin(), past_.end());
    state.tellings = dispatcher_.tellings();
    for (const auto& silence : silences_.all())
        if (silence.ends_ns > now_ns) state.silences.push_back(silence);
    const auto saved = save_alert_state(parts_.state_path, state);
    if (!saved && !save_failed_) std::fprintf(stderr, "sonde: alerts: %s\n", saved.error().message().c_str());
    save_failed_ = !saved;
    changed_ = !saved;  // again next time
}

void AlertService::publish(std::uint64_t now_ns) {
    auto view = std::make_shared<AlertView>();
    view->now_ns = now_ns;
    for (const auto& [fingerprint, alert] : evaluator_.book().alerts())
        view->alerts.push_back({alert.info, dispatcher_.mute_of(alert.info, evaluator_.book(), silences_, now_ns)});
    view->past.assign(past_.begin(), past_.end());
    view->silences = silences_.all();
    const std::lock_guard lock(view_mutex_);
    view_ = std::move(view);
}

void AlertService::take_events(const std::function<void(const Record&)>& offer) {
    std::deque<AlertRecord> taken;
    {
        const std::unique_lock lock(events_mutex_, std::try_to_lock);
        if (!lock) return;
        taken.swap(events_);
    }
    for (auto& event : taken) offer(Record(std::move(event)));
}

std::shared_ptr<const AlertView> AlertService::view() const {
    const std::lock_guard lock(view_mutex_);
    return view_;
}

Result<std::string> AlertService::add_silence(AlertSilence silence) {
    const std::lock_guard lock(mutex_);
    auto id = silences_.add(std::move(silence), real_ns());
    if (id) {
        save(real_ns());
        publish(real_ns());
    }
    return id;
}

bool AlertService::end_silence(std::string_view id) {
    const std::lock_guard lock(mutex_);
    const bool ended = silences_.end(id, real_ns());
    if (ended) {
        save(real_ns());
        publish(real_ns());
    }
    return ended;
}

std::vector<const Delivery*> AlertService::deliveries() const {
    std::vector<const Delivery*> out;
    for (const auto& notifier : notifiers_) out.push_back(&notifier->delivery());
    return out;
}

std::vector<Sample> AlertService::samples() const {
    std::vector<Sample> out;
    const auto view = this->view();
    for (const auto state : {AlertState::pending, AlertState::firing})
        for (const auto severity : {AlertSeverity::info, AlertSeverity::warning, AlertSeverity::critical}) {
            double count = 0;
            for (const auto& alert : view->alerts)
                count += alert.info.state == state && alert.info.severity == severity ? 1 : 0;
            out.push_back({"sonde_alerts",
                           "Number of alerts by state and severity.",
                           SampleType::gauge,
                           {{"state", std::string(to_string(state))}, {"severity", std::string(to_string(severity))}},
                           count});
        }
    const auto counter = [&](const char* name, const char* help, double value,
                             std::vector<std::pair<std::string, std::string>> labels = {}) {
        out.push_back({name, help, SampleType::counter, std::move(labels), value});
    };
    const auto read = [](const auto& value) { return static_cast<double>(value.load(std::memory_order_relaxed)); };
    counter("sonde_alert_evaluations_total", "Number of times that the alert rules were evaluated.",
            read(evaluations_));
    counter("sonde_alert_evaluation_cpu_seconds_total", "CPU time of these evaluations.", read(evaluation_ns_) / 1e9);
    constexpr const char* notices = "Number of notices to notifiers that were settled, by result.";
    counter("sonde_alert_notices_total", notices, read(told_), {{"result", "delivered"}});
    counter("sonde_alert_notices_total", notices, read(not_told_), {{"result", "failed"}});
    counter("sonde_alerts_overflowed_total", "Number of times that an alert found no room.", read(overflowed_));
    counter("sonde_alert_events_lost_total", "Number of alert lines that the pipeline did not take in time.",
            read(events_lost_));
    out.push_back(
        {"sonde_alert_window_bytes", "Memory of the alert rules' windows.", SampleType::gauge, {}, read(bytes_)});
    return out;
}

}  // namespace sonde
