#include <algorithm>
#include <chrono>

#include "agent/config/sections.hpp"
#include "sinks/make_sink.hpp"

namespace sonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string wrong_url(const std::string& text) {
    if (text.empty() || text.starts_with("http://") || text.starts_with("https://")) return {};
    return "expected a URL that begins with http:// or https://, found '" + text + "'";
}

// All kinds of sink.
void describe_queue(Section<SinkOptions>& sink) {
    sink.object("queue", &SinkOptions::queue, "What waits for the sink.", [](Section<QueueOptions>& s) {
        s.integer("records", &QueueOptions::records, "At most so many.").range(2, 1'048'576);
        s.size("bytes", &QueueOptions::bytes, "Memory that it may take.")
            .range("64KiB", "16GiB")
            .zero("as records say");
        s.choice("overflow", &QueueOptions::overflow,
                 Choices<Overflow>{{"drop_newest", Overflow::drop_newest},
                                   {"drop_oldest", Overflow::drop_oldest},
                                   {"block", Overflow::block},
                                   {"sample", Overflow::sample}},
                 "What happens to a record that finds it full.");
        s.duration("block", &QueueOptions::block_ms, milliseconds(1), "Longest wait of `block`; it delays all sinks.")
            .range("1ms", "1s");
    });
    sink.object(
        "filter", &SinkOptions::filter, "Which records it gets: those that fulfil all of this.",
        [](Section<FilterOptions>& s) {
            s.texts("types", &FilterOptions::types, "`transaction`, `loss`, `log`, `alert`. Empty: all.");
            s.choice("level", &FilterOptions::min_level,
                     Choices<Level>{{"debug", Level::debug},
                                    {"info", Level::info},
                                    {"warning", Level::warning},
                                    {"error", Level::error}},
                     "This and worse: error is 5xx or broken protocol, warning 4xx, an abort, a loss.");
            s.texts("services", &FilterOptions::services, "Any of these. Empty: all.");
            s.texts("routes", &FilterOptions::routes, "Any of these. Empty: all.");
            s.integer("status_min", &FilterOptions::status_min, "Lowest status.").range(100, 999).zero("any");
            s.integer("status_max", &FilterOptions::status_max, "Highest status.").range(100, 999).zero("any");
            s.objects("fields", &FilterOptions::fields, "Conditions on single fields.", [](Section<FieldMatch>& match) {
                 match.text("field", &FieldMatch::field, "Its name (sinks.md).").required();
                 match.texts("values", &FieldMatch::values, "Any of them; a '*' at the end: any with this beginning.");
                 match.boolean("negate", &FieldMatch::negate, "None of them.");
             }).at_most(64);
        });
    sink.object("fields", &SinkOptions::fields, "http, loki: which fields of a record are sent.",
                [](Section<FieldSelectionOptions>& s) {
                    s.texts("only", &FieldSelectionOptions::only, "These. Empty: all.");
                    s.texts("without", &FieldSelectionOptions::without, "Left out of those.");
                });
}

void describe_file(Section<FileSinkOptions>& s) {
    s.text("directory", &FileSinkOptions::directory, "Made where it is missing.");
    s.text("stem", &FileSinkOptions::stem, "The file is STEM.jsonl, rotated ones STEM-TIME.jsonl.");
    s.choice("fsync", &FileSinkOptions::fsync,
             Choices<FsyncPolicy>{
                 {"never", FsyncPolicy::never}, {"interval", FsyncPolicy::interval}, {"batch", FsyncPolicy::batch}},
             "When what is written becomes durable (file_sink.md).");
    s.duration("fsync_interval", &FileSinkOptions::fsync_interval_ms, milliseconds(1), "Of `interval`.")
        .range("10ms", "1h");
    s.size("preallocate", &FileSinkOptions::preallocate_bytes, "Reserved ahead under load.")
        .range("64KiB", "1GiB")
        .zero("never");
    s.size("rotate_size", &FileSinkOptions::rotate_bytes, "A file is rotated at this size.")
        .range("64KiB", "1TiB")
        .zero("not by size");
    s.duration("rotate_interval", &FileSinkOptions::rotate_interval_s, seconds(1), "At multiples of it since 1970 UTC.")
        .range("1s", "366d")
        .zero("not by time");
    s.choice(
        "compression", &FileSinkOptions::compression,
        Choices<Compression>{{"none", Compression::none}, {"zstd", Compression::zstd}, {"gzip", Compression::gzip}},
        "Of rotated files, at idle priority.");
    s.integer("compression_level", &FileSinkOptions::compression_level, "zstd 1 to 19, gzip 1 to 9.").range(1, 19);
    s.object("retention", &FileSinkOptions::retention, "Which rotated files are deleted, oldest first.",
             [](Section<RetentionOptions>& keep) {
                 keep.integer("files", &RetentionOptions::max_files, "At most so many are kept.")
                     .range(1, 1'000'000)
                     .zero("any number");
                 keep.duration("age", &RetentionOptions::max_age_s, seconds(1), "Older ones go.")
                     .range("1s", "3660d")
                     .zero("any age");
                 keep.size("total", &RetentionOptions::max_total_bytes, "All files together.")
                     .range("128KiB", "1024TiB")
                     .zero("any size");
                 keep.boolean("free_space_when_full", &RetentionOptions::free_space_when_full,
                              "On a full disk, delete the oldest until writing succeeds.");
             });
    s.boolean(
        "direct", [](FileSinkOptions& file) -> bool& { return file.file.direct; },
        "Past the page cache where the file system allows it.");
}

void describe_stdout(Section<StdoutSinkOptions>& s) {
    using Format = StdoutSinkOptions::Format;
    using Colour = StdoutSinkOptions::Colour;
    s.choice("format", &StdoutSinkOptions::format,
             Choices<Format>{{"automatic", Format::automatic}, {"json", Format::json}, {"readable", Format::readable}},
             "automatic: readable on a terminal, JSON elsewhere.");
    s.choice("colour", &StdoutSinkOptions::colour,
             Choices<Colour>{{"automatic", Colour::automatic}, {"always", Colour::always}, {"never", Colour::never}},
             "automatic: on a terminal.");
    s.duration("stall", &StdoutSinkOptions::stall_ms, milliseconds(1), "Longest wait for a reader that takes nothing.")
        .range("1ms", "1m")
        .zero("no wait");
}

// What sends over a network.
void describe_sending(Section<SinkOptions>& sink) {
    sink.object(
        "batch", &SinkOptions::batch, "What is sent at once: whichever is reached first.",
        [](Section<BatchOptions>& s) {
            s.integer("records", &BatchOptions::records, "Number of records.").range(1, 65'536);
            s.size("bytes", &BatchOptions::bytes, "Size before compression.").range("1KiB", "32MiB");
            s.duration("time", &BatchOptions::time_ms, milliseconds(1), "After its first record.").range("1ms", "1m");
        });
    sink.object("retry", &SinkOptions::retry, "Exponential backoff with full jitter.", [](Section<RetryOptions>& s) {
        s.duration("base_delay", &RetryOptions::base_delay_ms, milliseconds(1), "Longest delay before the first retry.")
            .range("1ms", "1m");
        s.duration("max_delay", &RetryOptions::max_delay_ms, milliseconds(1), "Longest delay of all.")
            .range("1ms", "1h");
        s.duration("max_retry_after", &RetryOptions::max_retry_after_ms, milliseconds(1),
                   "A server's Retry-After is obeyed up to this.")
            .range("1s", "1d")
            .zero("not at all");
        s.duration("max_age", &RetryOptions::max_age_ms, milliseconds(1), "A batch this old is given up.")
            .range("1s", "30d");
        s.integer("max_attempts", &RetryOptions::max_attempts, "Of one batch.")
            .range(1, 1'000'000)
            .zero("as many as its age allows");
    });
    sink.object(
        "breaker", &SinkOptions::breaker, "Circuit breaker: a destination that fails is left alone for a while.",
        [](Section<BreakerOptions>& s) {
            s.integer("failures", &BreakerOptions::failures_to_open, "So many in a row open it.").range(1, 1'000'000);
            s.duration("pause", &BreakerOptions::open_ms, milliseconds(1), "Nothing is tried for so long.")
                .range("1ms", "1d");
            s.integer("successes", &BreakerOptions::successes_to_close, "So many in a row close it.").range(1, 1'000);
        });
    sink.object("spool", &SinkOptions::spool, "Batches that wait on disk for their destination, across restarts.",
                [](Section<SpoolOptions>& s) {
                    s.text("directory", &SpoolOptions::directory, "Of this sink alone. Empty: no spool.");
                    s.size("size", &SpoolOptions::max_bytes, "At most so much.").range("64KiB", "1TiB");
                    s.size("segment", &SpoolOptions::segment_bytes, "Freed at once; at most half of the size.")
                        .range("4KiB", "1GiB");
                    s.choice("full", &SpoolOptions::full,
                             Choices<SpoolFull>{{"drop_newest", SpoolFull::drop_newest},
                                                {"drop_oldest", SpoolFull::drop_oldest}},
                             "What goes when it is full; the oldest go by whole segments.");
                    s.duration("max_age", &SpoolOptions::max_age_ms, milliseconds(1), "What is older is given up.")
                        .range("1s", "366d");
                    s.boolean("sync", &SpoolOptions::sync, "fdatasync after each batch: survives a power cut, too.");
                });
    sink.text("fallback_directory", &SinkOptions::fallback_directory,
              "While the destination fails, records go to a file in this directory. Empty: none.");
    sink.object("http", &SinkOptions::http, "http, loki, otlp, prometheus_remote_write: the connection.",
                [](Section<HttpClientOptions>& s) {
                    s.text("url", &HttpClientOptions::url, "Where to send.").check(wrong_url);
                    s.text_map("headers", &HttpClientOptions::headers, "Sent with each request; no secrets here.");
                    s.duration("connect_timeout", &HttpClientOptions::connect_timeout_ms, milliseconds(1),
                               "Name, TCP and TLS.")
                        .range("1ms", "5m");
                    s.duration("timeout", &HttpClientOptions::timeout_ms, milliseconds(1), "The whole request.")
                        .range("1ms", "10m");
                    s.text("basic_auth_path", &HttpClientOptions::basic_auth_file,
                           "File with USER:PASSWORD, read again when it changes.");
                    s.text("bearer_token_path", &HttpClientOptions::bearer_token_file,
                           "File with the token, read again when it changes.");
                    s.text("ca", &HttpClientOptions::ca_file, "PEM file of authorities. Empty: the system's.");
                    s.text("client_cert", &HttpClientOptions::client_cert_file, "PEM file.");
                    s.text("client_key", &HttpClientOptions::client_key_file, "PEM file.");
                    s.boolean("verify_tls", &HttpClientOptions::verify_tls, "Without it anybody may read along.");
                });
}

// What one kind of them has besides.
void describe_kinds(Section<SinkOptions>& sink) {
    sink.object("webhook", &SinkOptions::webhook, "http.", [](Section<WebhookOptions>& s) {
        s.choice("form", &WebhookOptions::form,
                 Choices<JsonBatch>{{"array", JsonBatch::array}, {"lines", JsonBatch::lines}},
                 "One JSON array, or one object per line.");
        s.choice("compression", &WebhookOptions::compression,
                 Choices<ContentCoding>{{"none", ContentCoding::none}, {"gzip", ContentCoding::gzip}},
                 "Content-Encoding.");
    });
    sink.object("loki", &SinkOptions::loki, "loki.", [](Section<LokiOptions>& s) {
        s.choice("format", &LokiOptions::format,
                 Choices<LokiFormat>{{"protobuf", LokiFormat::protobuf}, {"json", LokiFormat::json}},
                 "protobuf goes with snappy, JSON with gzip.");
        s.text("tenant", &LokiOptions::tenant, "X-Scope-OrgID. Empty: not sent.");
        s.texts("labels", &LokiOptions::labels, "Each combination of values is a stream: few.");
        s.text_map("static_labels", &LokiOptions::static_labels, "On every stream.");
        s.texts("structured_metadata", &LokiOptions::structured_metadata, "From Loki 3 on (sinks.md).");
        s.integer("max_streams", &LokiOptions::max_streams, "More share one, with overflow=\"true\".")
            .range(1, 100'000);
    });
    sink.object("otlp", &SinkOptions::otlp, "otlp.", [](Section<OtlpOptions>& s) {
        s.choice("format", &OtlpOptions::format,
                 Choices<OtlpFormat>{{"protobuf", OtlpFormat::protobuf}, {"json", OtlpFormat::json}}, "Over HTTP.");
        s.boolean("gzip", &OtlpOptions::gzip, "Content-Encoding: gzip.");
        s.texts(
            "signals", &OtlpOptions::signals,
            "`traces`, `logs`, `metrics`: what goes to http.url + /v1/traces and so on, each as a sink of its own.");
        s.duration("interval", &OtlpOptions::interval_ms, milliseconds(1), "metrics: between two snapshots.")
            .range("1s", "1h");
        s.text_map("resource", &OtlpOptions::resource, "Attributes besides what is observed.");
    });
    sink.object("remote_write", &SinkOptions::remote_write, "prometheus_remote_write.",
                [](Section<RemoteWriteOptions>& s) {
                    s.duration("interval", &RemoteWriteOptions::interval_ms, milliseconds(1), "Between two snapshots.")
                        .range("1s", "1h");
                    s.integer("samples_per_request", &RemoteWriteOptions::samples_per_request, "At most so many.")
                        .range(1, 100'000);
                    s.text_map("external_labels", &RemoteWriteOptions::external_labels,
                               "On every series; job and instance are filled in.");
                });
    sink.object("statsd", &SinkOptions::statsd, "statsd.", [](Section<StatsdOptions>& s) {
        s.text("address", &StatsdOptions::address, "HOST:PORT, [V6]:PORT or unix:/PATH.");
        s.choice("dialect", &StatsdOptions::dialect,
                 Choices<StatsdDialect>{{"plain", StatsdDialect::plain}, {"dogstatsd", StatsdDialect::dogstatsd}},
                 "dogstatsd has tags.");
        s.text("prefix", &StatsdOptions::prefix, "Of every name.");
        s.number("sample_rate", &StatsdOptions::sample_rate, "Share of the transactions; the lines carry it.")
            .range(0.0001, 1);
        s.size("max_packet", &StatsdOptions::max_packet_bytes, "Size of a datagram.")
            .range("64B", "65507B")
            .zero("1432 over UDP, 8192 over Unix sockets");
    });
}

}  // namespace

void describe_sinks(Section<Config>& config) {
    Choices<SinkType> types;
    for (const auto type : sink_types) types.emplace_back(std::string(to_string(type)), type);
    config
        .named_objects("sinks", &Config::sinks, &SinkOptions::name,
                       "Where records go besides the events directory, by names of your choice (sinks.md).",
                       [types](Section<SinkOptions>& sink) {
                           sink.choice("type", &SinkOptions::type, types, "Which kind it is.").required();
                           describe_queue(sink);
                           sink.object("file", &SinkOptions::file, "file.", describe_file);
                           sink.object("stdout", &SinkOptions::out, "stdout.", describe_stdout);
                           describe_sending(sink);
                           describe_kinds(sink);
                       })
        .at_most(32);
}

std::vector<SectionProblem> check_sinks(const Config& config) {
    std::vector<SectionProblem> problems;
    for (const auto& sink : config.sinks)
        if (const auto good = check_sink(sink); !good) problems.push_back({sink.name, good.error().message()});
    return problems;
}

}  // namespace sonde
