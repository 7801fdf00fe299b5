#include "sinks/make_sink.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "sinks/file/file_sink.hpp"
#include "sinks/null_sink.hpp"
#include "sinks/otlp/log_encoder.hpp"
#include "sinks/otlp/metric_encoder.hpp"
#include "sinks/otlp/partial_success.hpp"
#include "sinks/otlp/span_encoder.hpp"
#include "sinks/statsd/datagram_transport.hpp"

namespace sonde {
namespace {

constexpr const char* json_type = "application/json";
constexpr const char* protobuf_type = "application/x-protobuf";
constexpr const char* signals_hint = "choose from traces, logs, metrics";

std::string name_of(const SinkOptions& options) {
    return options.name.empty() ? std::string(to_string(options.type)) : options.name;
}

Error of_sink(const SinkOptions& options, Error error) {
    error.what = "sink " + name_of(options) + ": " + error.what;
    return error;
}

std::uint64_t seed() { return std::uint64_t{std::random_device()()} << 32U | std::random_device()(); }

std::string machine_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::uint64_t real_ns() { return SendClock::now().real_ns; }

// Where the user has not said it.
void fill_in(std::vector<std::pair<std::string, std::string>>& pairs, const std::string& name, std::string value) {
    for (const auto& [known, ignored] : pairs)
        if (known == name) return;
    if (!value.empty()) pairs.emplace_back(name, std::move(value));
}

std::shared_ptr<const SinkOptions> file_fallback(const SinkOptions& options) {
    auto file = std::make_shared<SinkOptions>();
    file->type = SinkType::file;
    file->name = name_of(options) + "-fallback";
    file->file.directory = options.fallback_directory;
    return file;
}

// The ways from a body to its records, by the encoders' formats.
std::optional<BodyHalves> split_otlp(OtlpFormat format, OtlpSignal signal, std::string_view body) {
    // a metric's record is a data point: behind the five kinds of data that a Metric may have
    constexpr std::uint32_t data = 1U << 5 | 1U << 7 | 1U << 9 | 1U << 10 | 1U << 11;
    if (format == OtlpFormat::protobuf) {
        if (signal == OtlpSignal::metrics) return split_protobuf(body, {1U << 1, 1U << 2, 1U << 2, data, 1U << 1});
        return split_protobuf(body, {1U << 1, 1U << 2, 1U << 2});
    }
    if (signal == OtlpSignal::traces) return split_json(body, {{"resourceSpans"}, {"scopeSpans"}, {"spans"}});
    if (signal == OtlpSignal::logs) return split_json(body, {{"resourceLogs"}, {"scopeLogs"}, {"logRecords"}});
    return split_json(body, {{"resourceMetrics"},
                             {"scopeMetrics"},
                             {"metrics"},
                             {"gauge", "sum", "histogram", "exponentialHistogram", "summary"},
                             {"dataPoints"}});
}

std::optional<BodyHalves> split_loki(LokiFormat format, std::string_view body) {
    if (format == LokiFormat::json) return split_json(body, {{"streams"}, {"values"}});
    return split_snappy(body, [](std::string_view plain) { return split_protobuf(plain, {1U << 1, 1U << 2}); });
}

std::optional<BodyHalves> split_series(std::string_view body) {
    return split_snappy(body, [](std::string_view plain) { return split_protobuf(plain, {1U << 1}); });
}

Result<BatchSenderParts> make_parts(const SinkOptions& options, std::unique_ptr<Transport> transport) {
    BatchSenderParts parts;
    parts.name = name_of(options);
    parts.transport = std::move(transport);
    parts.retry = options.retry;
    parts.breaker = options.breaker;
    parts.spool_max_age_ms = options.spool.max_age_ms;
    parts.seed = seed();
    auto wanted = options.fallback;
    if (!wanted && !options.fallback_directory.empty()) wanted = file_fallback(options);
    if (wanted) {
        auto fallback = make_sink(*wanted);
        if (!fallback) return fallback.error();
        if (dynamic_cast<PacedSink*>(fallback->get()) != nullptr)
            return fail("its fallback is a sink over the network", "choose a file", ErrorKind::usage);
        parts.fallback = std::move(*fallback);
    }
    if (!options.spool.directory.empty()) {
        auto spool = Spool::open(options.spool);
        if (!spool) return spool.error();
        parts.spool = std::move(*spool);
    }
    return parts;
}

Result<std::unique_ptr<Sink>> make_batch_sink(const SinkOptions& options, std::unique_ptr<BatchEncoder> encoder,
                                              std::unique_ptr<Transport> transport, SplitBody split = {}) {
    auto parts = make_parts(options, std::move(transport));
    if (!parts) return parts.error();
    parts->split = std::move(split);
    return std::unique_ptr<Sink>(
        std::make_unique<BatchSink>(name_of(options), options.batch, std::move(encoder), std::move(*parts)));
}

Result<std::unique_ptr<Sink>> make_http_sink(const SinkOptions& options, HttpClientOptions http, HttpProtocol protocol,
                                             std::unique_ptr<BatchEncoder> encoder, SplitBody split) {
    auto client = HttpClient::create(http);
    if (!client) return client.error();
    return make_batch_sink(options, std::move(encoder),
                           std::make_unique<HttpTransport>(std::move(*client), std::move(protocol)), std::move(split));
}

Result<std::unique_ptr<Sink>> make_webhook(const SinkOptions& options) {
    HttpProtocol protocol;
    protocol.content_type = options.webhook.form == JsonBatch::array ? json_type : "application/x-ndjson";
    protocol.compression = options.webhook.compression;
    const auto form = options.webhook.form;
    return make_http_sink(
        options, options.http, std::move(protocol), std::make_unique<JsonEncoder>(form, options.fields),
        [form](std::string_view body) { return form == JsonBatch::array ? split_json(body, {}) : split_lines(body); });
}

Result<std::unique_ptr<Sink>> make_loki(const SinkOptions& options) {
    auto encoder = LokiEncoder::create(options.loki, options.fields);
    if (!encoder) return encoder.error();
    HttpProtocol protocol;
    auto http = options.http;
    if (!options.loki.tenant.empty()) http.headers.emplace_back("X-Scope-OrgID", options.loki.tenant);
    if (options.loki.format == LokiFormat::protobuf) {
        protocol.content_type = protobuf_type;  // snappy goes without saying: Loki knows no other
    } else {
        protocol.content_type = json_type;
        protocol.compression = ContentCoding::gzip;
    }
    return make_http_sink(options, std::move(http), std::move(protocol), std::move(*encoder),
                          [format = options.loki.format](std::string_view body) { return split_loki(format, body); });
}

// A sink sends one signal: see by_signal().
Result<OtlpSignal> only_signal(const OtlpOptions& otlp) {
    if (otlp.signals.size() != 1) return fail("it sends several signals at once", "by_signal()", ErrorKind::usage);
    const auto signal = otlp_signal_of(otlp.signals.front());
    if (!signal) return fail("there is no signal \"" + otlp.signals.front() + "\"", signals_hint, ErrorKind::usage);
    return *signal;
}

std::unique_ptr<BatchEncoder> make_otlp_encoder(OtlpSignal signal, const SinkOptions& options,
                                                const SinkContext& context) {
    auto otlp = options.otlp;
    fill_in(otlp.resource, "host.name", machine_name());
    if (signal == OtlpSignal::metrics)
        return std::make_unique<MetricEncoder>(
            otlp, SONDE_VERSION,
            OtlpMetricSource{context.collect, context.exponential, real_ns, options.batch.records});
    if (signal == OtlpSignal::logs) return std::make_unique<LogEncoder>(std::move(otlp), SONDE_VERSION);
    return std::make_unique<SpanEncoder>(std::move(otlp), SONDE_VERSION, seed());
}

Result<std::unique_ptr<Sink>> make_otlp(const SinkOptions& options, const SinkContext& context) {
    const auto signal = only_signal(options.otlp);
    if (!signal) return signal.error();
    if (*signal == OtlpSignal::metrics && !context.collect) return fail("there are no metrics to send here");
    HttpProtocol protocol;
    const auto format = options.otlp.format;
    protocol.content_type = format == OtlpFormat::protobuf ? protobuf_type : json_type;
    protocol.compression = options.otlp.gzip ? ContentCoding::gzip : ContentCoding::none;
    protocol.partial = [format, signal = *signal](const HttpResponse& response, std::string& error) {
        return read_partial_success(format, signal, response.body, error);
    };
    auto http = options.http;
    http.url = otlp_url(http.url, *signal);
    return make_http_sink(
        options, std::move(http), std::move(protocol), make_otlp_encoder(*signal, options, context),
        [format, signal = *signal](std::string_view body) { return split_otlp(format, signal, body); });
}

Result<std::unique_ptr<Sink>> make_remote_write(const SinkOptions& options, const SinkContext& context) {
    if (!context.collect) return fail("there are no metrics to send here");
    auto http = options.http;
    http.headers.emplace_back("X-Prometheus-Remote-Write-Version", "0.1.0");
    HttpProtocol protocol;
    protocol.content_type = protobuf_type;
    protocol.content_encoding = "snappy";
    auto remote_write = options.remote_write;
    fill_in(remote_write.external_labels, "job", "sonde");
    fill_in(remote_write.external_labels, "instance", machine_name());
    const auto real_ms = [] { return static_cast<std::int64_t>(real_ns() / 1'000'000); };
    return make_http_sink(options, std::move(http), std::move(protocol),
                          std::make_unique<RemoteWriteEncoder>(std::move(remote_write), context.collect, real_ms),
                          split_series);
}

Result<std::unique_ptr<Sink>> make_statsd(const SinkOptions& options) {
    if (!(options.statsd.sample_rate > 0 && options.statsd.sample_rate <= 1))
        return fail("a sample rate of " + std::to_string(options.statsd.sample_rate), "more than 0, 1 at most",
                    ErrorKind::usage);
    auto transport = DatagramTransport::create(options.statsd.address, options.statsd.max_packet_bytes);
    if (!transport) return transport.error();
    return make_batch_sink(options, std::make_unique<StatsdEncoder>(options.statsd, seed()), std::move(*transport));
}

Result<std::unique_ptr<Sink>> make_file(const SinkOptions& options, const SinkContext& context) {
    auto file = options.file;
    file.name = name_of(options);
    if (auto good = validate(file); !good) return good.error();
    auto sink = FileSink::open(file);
    if (!sink) return sink.error();
    if (context.opened_file) context.opened_file((*sink)->name(), (*sink)->status());
    return std::unique_ptr<Sink>(std::move(*sink));
}

Result<std::unique_ptr<Sink>> make_stdout(const SinkOptions& options) {
    auto out = options.out;
    out.name = name_of(options);
    return std::unique_ptr<Sink>(std::make_unique<StdoutSink>(out));
}

Result<std::unique_ptr<Sink>> make_by_type(const SinkOptions& options, const SinkContext& context) {
    switch (options.type) {
        case SinkType::file:
            return make_file(options, context);
        case SinkType::stdout:
            return make_stdout(options);
        case SinkType::null:
            return std::unique_ptr<Sink>(std::make_unique<NullSink>());
        case SinkType::http:
            return make_webhook(options);
        case SinkType::loki:
            return make_loki(options);
        case SinkType::otlp:
            return make_otlp(options, context);
        case SinkType::prometheus_remote_write:
            return make_remote_write(options, context);
        case SinkType::statsd:
            return make_statsd(options);
    }
    return fail("no such type of sink", {}, ErrorKind::usage);
}

}  // namespace

std::string_view to_string(SinkType type) {
    constexpr std::array<std::string_view, 8> names{
        "file", "stdout", "null", "http", "loki", "otlp", "prometheus_remote_write", "statsd"};
    return names[static_cast<std::size_t>(type)];
}

namespace {

Status check_otlp(const SinkOptions& options) {
    const auto& signals = options.otlp.signals;
    if (signals.empty()) return fail("it sends no signal", signals_hint, ErrorKind::usage);
    const auto of_url = otlp_signal_of_url(options.http.url);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        const auto signal = otlp_signal_of(signals[i]);
        if (!signal) return fail("there is no signal \"" + signals[i] + "\"", signals_hint, ErrorKind::usage);
        if (std::find(signals.begin(), signals.begin() + static_cast<std::ptrdiff_t>(i), signals[i]) !=
            signals.begin() + static_cast<std::ptrdiff_t>(i))
            return fail("it sends " + signals[i] + " twice", "name each signal once", ErrorKind::usage);
        if (of_url && of_url != signal)
            return fail("its URL is that of " + std::string(to_string(*of_url)) + ", and it sends " + signals[i],
                        "leave /v1/" + std::string(to_string(*of_url)) + " out of http.url", ErrorKind::usage);
    }
    return done();
}

}  // namespace

std::vector<SinkOptions> by_signal(const SinkOptions& options) {
    if (options.type != SinkType::otlp || options.otlp.signals.size() < 2) return {options};
    std::vector<SinkOptions> out;
    for (const auto& signal : options.otlp.signals) {
        auto& one = out.emplace_back(options);
        one.name = name_of(options) + "_" + signal;
        one.otlp.signals = {signal};
        if (!one.spool.directory.empty()) one.spool.directory += "_" + signal;
        if (!one.fallback_directory.empty()) one.fallback_directory += "_" + signal;
    }
    return out;
}

Carries carried_by(const SinkOptions& options) {
    if (options.type == SinkType::prometheus_remote_write) return Carries::nothing;
    if (options.type != SinkType::otlp) return Carries::everything;
    const auto& signal = options.otlp.signals.front();
    if (signal == to_string(OtlpSignal::metrics)) return Carries::nothing;
    return signal == to_string(OtlpSignal::logs) ? Carries::logs : Carries::all_but_logs;
}

Status check_sink(const SinkOptions& options) {
    const auto wrong = [&](const char* what, const char* hint) {
        return of_sink(options, fail(what, hint, ErrorKind::usage));
    };
    if (const auto filter = RecordFilter::build(options.filter); !filter) return of_sink(options, filter.error());
    switch (options.type) {
        case SinkType::file:
            if (options.file.directory.empty()) return wrong("it has no directory", "set file.directory");
            if (const auto good = validate(options.file); !good) return of_sink(options, good.error());
            return done();
        case SinkType::stdout:
        case SinkType::null:
            return done();
        case SinkType::statsd:
            if (options.statsd.address.empty()) return wrong("it has no address", "set statsd.address");
            return done();
        case SinkType::http:
        case SinkType::loki:
        case SinkType::otlp:
        case SinkType::prometheus_remote_write:
            if (options.http.url.empty()) return wrong("it has no URL", "set http.url");
            break;
    }
    if (options.type == SinkType::loki)
        if (const auto encoder = LokiEncoder::create(options.loki, options.fields); !encoder)
            return of_sink(options, encoder.error());
    if (options.type == SinkType::otlp)
        if (const auto good = check_otlp(options); !good) return of_sink(options, good.error());
    if (options.spool.segment_bytes > options.spool.max_bytes / 2)
        return wrong("spool.segment is more than half of spool.size", "make it smaller");
    if (options.retry.base_delay_ms > options.retry.max_delay_ms)
        return wrong("retry.base_delay is longer than retry.max_delay", "make it shorter");
    return done();
}

Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options, const SinkContext& context) {
    auto sink = make_by_type(options, context);
    if (!sink) return of_sink(options, sink.error());
    return sink;
}

Result<std::unique_ptr<Delivery>> make_delivery(const SinkOptions& options, const SinkContext& context) {
    auto filter = RecordFilter::build(options.filter);
    if (!filter) return of_sink(options, filter.error());
    auto sink = make_sink(options, context);
    if (!sink) return sink.error();
    return std::make_unique<Delivery>(std::move(*sink), options.queue, std::move(*filter), name_of(options));
}

}  // namespace sonde
