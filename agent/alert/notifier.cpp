#include "agent/alert/notifier.hpp"

#include <cstdio>
#include <random>

#include "agent/alert/alert_evidence.hpp"
#include "agent/alert/alert_payload.hpp"
#include "agent/alert/smtp_transport.hpp"
#include "sinks/delivery/batch_sink.hpp"
#include "sinks/file/file_sink.hpp"
#include "sinks/net/http_transport.hpp"

namespace sonde {
namespace {

constexpr const char* pagerduty_url = "https://events.pagerduty.com/v2/enqueue";
constexpr std::size_t queue_records = 64;

class NoticeEncoder final : public BatchEncoder {
public:
    explicit NoticeEncoder(NotifierOptions options) : options_(std::move(options)) {}

    bool add(const Record& record) override {
        const auto* alert = std::get_if<AlertRecord>(&record);
        if (alert == nullptr || !alert->notice || alert->notice->alerts.empty()) return false;
        body_ = payload(*alert->notice, alert->time_ns);
        return true;
    }
    [[nodiscard]] std::size_t bytes() const override { return body_.size(); }
    std::string take() override { return std::exchange(body_, {}); }

private:
    [[nodiscard]] std::string payload(const AlertNotice& notice, std::uint64_t now_ns) const {
        switch (options_.type) {
            case NotifierType::webhook:
                return webhook_payload(notice);
            case NotifierType::slack:
                return slack_payload(notice);
            case NotifierType::discord:
                return discord_payload(notice);
            case NotifierType::alertmanager:
                return alertmanager_payload(notice, now_ns);
            case NotifierType::pagerduty:
                return pagerduty_payload(notice, options_.pagerduty_key);
            case NotifierType::email:
                return email_message(notice, options_.email, now_ns);
            case NotifierType::log:
                break;
        }
        return notice_title(notice) + "\n";
    }

    const NotifierOptions options_;
    std::string body_;
};

// A line for people on the agent's standard error.
class LogTransport final : public Transport {
public:
    SendResult send(std::string_view body, std::uint32_t) override {
        std::string line;
        for (const char c : body)  // an alert's words may hold anything
            if (c != '\n') line += static_cast<unsigned char>(c) >= ' ' && c != 0x7f ? c : '?';
        std::fprintf(stderr, "sonde: alert %s\n", line.c_str());
        SendResult result;
        result.outcome = SendResult::Outcome::delivered;
        return result;
    }
    void stop_by(std::chrono::steady_clock::time_point) override {}
};

std::string url_of(const NotifierOptions& options) {
    if (options.type == NotifierType::pagerduty) return options.url.empty() ? pagerduty_url : options.url;
    if (options.type != NotifierType::alertmanager) return options.url;
    auto base = options.url;
    while (base.ends_with('/')) base.pop_back();
    return base + "/api/v2/alerts";
}

Result<std::unique_ptr<Transport>> make_transport(const NotifierOptions& options) {
    if (options.type == NotifierType::log) return std::unique_ptr<Transport>(std::make_unique<LogTransport>());
    if (options.type == NotifierType::email)
        return std::unique_ptr<Transport>(std::make_unique<SmtpTransport>(options.email));
    auto http = options.http;
    http.url = url_of(options);
    auto client = HttpClient::create(http);
    if (!client) return client.error();
    HttpProtocol protocol;
    protocol.content_type = "application/json";
    return std::unique_ptr<Transport>(std::make_unique<HttpTransport>(std::move(*client), std::move(protocol)));
}

}  // namespace

Result<std::unique_ptr<Notifier>> Notifier::create(const NotifierOptions& options) {
    const auto wrong = [&](Error error) {
        error.what = "notifier " + options.name + ": " + error.what;
        return error;
    };
    auto transport = make_transport(options);
    if (!transport) return wrong(transport.error());
    BatchSenderParts parts;
    parts.name = options.name;
    parts.transport = std::move(*transport);
    parts.retry = options.retry;
    parts.breaker = options.breaker;
    parts.seed = std::uint64_t{std::random_device()()} << 32U | std::random_device()();
    if (!options.fallback_directory.empty()) {
        FileSinkOptions file;
        file.name = options.name + "-fallback";
        file.directory = options.fallback_directory;
        file.stem = "alerts";
        auto fallback = FileSink::open(file);
        if (!fallback) return wrong(fallback.error());
        parts.fallback = std::move(*fallback);
    }
    auto sink = std::make_unique<BatchSink>(options.name, BatchOptions{.records = 1},
                                            std::make_unique<NoticeEncoder>(options), std::move(parts));
    auto delivery = std::make_unique<Delivery>(std::move(sink), QueueOptions{.records = queue_records}, RecordFilter{},
                                               options.name);
    return std::unique_ptr<Notifier>(new Notifier(options, std::move(delivery)));
}

SendResult Notifier::send_once(const NotifierOptions& options, const AlertNotice& notice, std::uint64_t now_ns) {
    auto transport = make_transport(options);
    if (!transport) {
        SendResult result;
        result.error = transport.error().message();
        return result;
    }
    NoticeEncoder encoder(options);
    encoder.add(Record(AlertRecord{now_ns, std::make_shared<const AlertNotice>(notice)}));
    return (*transport)->send(encoder.take(), 1);
}

bool Notifier::tell(std::shared_ptr<const AlertNotice> notice, std::uint64_t now_ns) {
    auto group = notice->group;
    if (!delivery_->offer(Record(AlertRecord{now_ns, std::move(notice)}))) return false;
    told_.push_back(std::move(group));
    return true;
}

std::vector<std::pair<std::string, bool>> Notifier::settle() {
    const auto stats = delivery_->stats().sink.exported;
    const auto settled = stats.delivered + stats.diverted + stats.skipped + stats.dropped_total();
    auto lost = stats.dropped_total() - dropped_;
    std::vector<std::pair<std::string, bool>> out;
    // notices are settled in the order in which they were told; of some that were settled together, the oldest were
    // given up
    for (; settled_ < settled && !told_.empty(); ++settled_) {
        out.emplace_back(std::move(told_.front()), lost == 0);
        told_.pop_front();
        if (lost > 0) --lost;
    }
    dropped_ = stats.dropped_total();
    return out;
}

}  // namespace sonde
