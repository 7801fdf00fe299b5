#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "agent/base/result.hpp"
#include "sinks/delivery.hpp"
#include "sinks/sink_options.hpp"

namespace sonde {

std::string_view to_string(SinkType type);
inline constexpr std::array sink_types{SinkType::file,
                                       SinkType::stdout,
                                       SinkType::null,
                                       SinkType::http,
                                       SinkType::loki,
                                       SinkType::otlp,
                                       SinkType::prometheus_remote_write,
                                       SinkType::statsd};

// Whether the options go together; opens and sends nothing. The message says what is wrong with them (usage).
Status check_sink(const SinkOptions& options);

// What sinks need besides their options.
struct SinkContext {
    RemoteWriteEncoder::Collect collect{};  // all metrics; prometheus_remote_write cannot do without
};

// Whether sinks of this type take records; one that takes snapshots of metrics does not.
constexpr bool takes_records(SinkType type) { return type != SinkType::prometheus_remote_write; }

// The sink alone, as a Delivery or another sink's fallback owns it. Errors: options that contradict themselves
// (usage), a file or spool that cannot be opened. Nothing is sent yet.
Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options, const SinkContext& context = {});

// The same behind its queue and filter, with its thread running.
Result<std::unique_ptr<Delivery>> make_delivery(const SinkOptions& options, const SinkContext& context = {});

}  // namespace sonde
