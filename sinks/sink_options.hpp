#pragma once

#include <memory>
#include <string>

#include "sinks/delivery.hpp"
#include "sinks/delivery/batch_sink.hpp"
#include "sinks/delivery/field_selection.hpp"
#include "sinks/delivery/record_filter.hpp"
#include "sinks/delivery/spool.hpp"
#include "sinks/file/file_sink_options.hpp"
#include "sinks/http/json_encoder.hpp"
#include "sinks/loki/loki_encoder.hpp"
#include "sinks/net/http_client.hpp"
#include "sinks/net/http_transport.hpp"
#include "sinks/otlp/otlp_options.hpp"
#include "sinks/remote_write/remote_write_encoder.hpp"
#include "sinks/statsd/statsd_encoder.hpp"
#include "sinks/stdout/stdout_sink.hpp"

namespace sonde {

enum class SinkType : std::uint8_t { file, stdout, null, http, loki, otlp, prometheus_remote_write, statsd };

struct WebhookOptions {
    JsonBatch form = JsonBatch::array;
    ContentCoding compression = ContentCoding::none;
};

// One sink, whole: what a user writes. Parts that do not concern the type are not looked at.
struct SinkOptions {
    SinkType type = SinkType::null;
    std::string name{};              // of metrics, messages and the thread `sink/<name>`; empty: the type's
    QueueOptions queue{};            // all types
    FilterOptions filter{};          // all types
    FieldSelectionOptions fields{};  // http, loki
    FileSinkOptions file{};          // file; its name is the one above
    StdoutSinkOptions out{};         // stdout; its name is the one above
    // All below: what sends over a network.
    BatchOptions batch{};
    RetryOptions retry{};
    BreakerOptions breaker{};
    SpoolOptions spool{};
    std::string fallback_directory{};               // a file sink in it is the fallback; empty: see the next
    std::shared_ptr<const SinkOptions> fallback{};  // file or null; of this sink alone
    HttpClientOptions http{};                       // http, loki, otlp, prometheus_remote_write
    WebhookOptions webhook{};
    LokiOptions loki{};
    OtlpOptions otlp{};
    RemoteWriteOptions remote_write{};
    StatsdOptions statsd{};
};

}  // namespace sonde
