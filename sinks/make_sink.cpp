#include "sinks/make_sink.hpp"

#include <array>
#include <random>
#include <utility>

#include "sinks/file/file_sink.hpp"
#include "sinks/null_sink.hpp"

namespace sonde {
namespace {

constexpr const char* json_type = "application/json";
constexpr const char* protobuf_type = "application/x-protobuf";

std::string name_of(const SinkOptions& options) {
    return options.name.empty() ? std::string(to_string(options.type)) : options.name;
}

Error of_sink(const SinkOptions& options, Error error) {
    error.what = "sink " + name_of(options) + ": " + error.what;
    return error;
}

Result<BatchSenderParts> make_parts(const SinkOptions& options, std::unique_ptr<Transport> transport) {
    BatchSenderParts parts;
    parts.name = name_of(options);
    parts.transport = std::move(transport);
    parts.retry = options.retry;
    parts.breaker = options.breaker;
    parts.spool_max_age_ms = options.spool.max_age_ms;
    parts.seed = std::random_device()();
    if (options.fallback) {
        auto fallback = make_sink(*options.fallback);
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
                                              std::unique_ptr<Transport> transport) {
    auto parts = make_parts(options, std::move(transport));
    if (!parts) return parts.error();
    return std::unique_ptr<Sink>(
        std::make_unique<BatchSink>(name_of(options), options.batch, std::move(encoder), std::move(*parts)));
}

Result<std::unique_ptr<Sink>> make_http_sink(const SinkOptions& options, HttpClientOptions http, HttpProtocol protocol,
                                             std::unique_ptr<BatchEncoder> encoder) {
    auto client = HttpClient::create(http);
    if (!client) return client.error();
    return make_batch_sink(options, std::move(encoder),
                           std::make_unique<HttpTransport>(std::move(*client), std::move(protocol)));
}

Result<std::unique_ptr<Sink>> make_webhook(const SinkOptions& options) {
    HttpProtocol protocol;
    protocol.content_type = options.webhook.form == JsonBatch::array ? json_type : "application/x-ndjson";
    protocol.compression = options.webhook.compression;
    return make_http_sink(options, options.http, std::move(protocol),
                          std::make_unique<JsonEncoder>(options.webhook.form, options.fields));
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
    return make_http_sink(options, std::move(http), std::move(protocol), std::move(*encoder));
}

Result<std::unique_ptr<Sink>> make_file(const SinkOptions& options) {
    auto file = options.file;
    file.name = name_of(options);
    if (auto good = validate(file); !good) return good.error();
    auto sink = FileSink::open(file);
    if (!sink) return sink.error();
    return std::unique_ptr<Sink>(std::move(*sink));
}

Result<std::unique_ptr<Sink>> make_stdout(const SinkOptions& options) {
    auto out = options.out;
    out.name = name_of(options);
    return std::unique_ptr<Sink>(std::make_unique<StdoutSink>(out));
}

Result<std::unique_ptr<Sink>> make_by_type(const SinkOptions& options) {
    switch (options.type) {
        case SinkType::file:
            return make_file(options);
        case SinkType::stdout:
            return make_stdout(options);
        case SinkType::null:
            return std::unique_ptr<Sink>(std::make_unique<NullSink>());
        case SinkType::http:
            return make_webhook(options);
        case SinkType::loki:
            return make_loki(options);
    }
    return fail("no such type of sink", {}, ErrorKind::usage);
}

}  // namespace

std::string_view to_string(SinkType type) {
    constexpr std::array<std::string_view, 5> names{"file", "stdout", "null", "http", "loki"};
    return names[static_cast<std::size_t>(type)];
}

Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options) {
    auto sink = make_by_type(options);
    if (!sink) return of_sink(options, sink.error());
    return sink;
}

Result<std::unique_ptr<Delivery>> make_delivery(const SinkOptions& options) {
    auto filter = RecordFilter::build(options.filter);
    if (!filter) return of_sink(options, filter.error());
    auto sink = make_sink(options);
    if (!sink) return sink.error();
    return std::make_unique<Delivery>(std::move(*sink), options.queue, std::move(*filter), name_of(options));
}

}  // namespace sonde
