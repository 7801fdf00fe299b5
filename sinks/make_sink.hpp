#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/model/exponential_family.hpp"
#include "sinks/carries.hpp"
#include "sinks/delivery.hpp"
#include "sinks/file/file_sink_status.hpp"
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
    // All metrics; prometheus_remote_write and OTLP metrics cannot do without. Any thread.
    std::function<std::vector<prometheus::MetricFamily>()> collect{};
    // Those of them that are kept in exponential histograms, too; empty: none. Any thread.
    std::function<std::vector<ExponentialFamily>()> exponential{};
    // Called for each file sink that was opened, on the thread that opens it: what its own metrics are made of.
    std::function<void(std::string_view name, std::shared_ptr<const FileSinkStatus> status)> opened_file{};
};

// Which records a sink has a form for, as far as its options tell.
Carries carried_by(const SinkOptions& options);

// A sink of type otlp that sends several signals is as many sinks, each with a queue, a spool directory and statistics
// of its own, called NAME_SIGNAL (and so its directories): one that hangs does not hold up the others. What sends one
// thing only comes back as it is. The options must be good (check_sink()).
std::vector<SinkOptions> by_signal(const SinkOptions& options);

// The sink alone, as a Delivery or another sink's fallback owns it. Errors: options that contradict themselves
// (usage), a file or spool that cannot be opened. Nothing is sent yet.
Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options, const SinkContext& context = {});

// The same behind its queue and filter, with its thread running.
Result<std::unique_ptr<Delivery>> make_delivery(const SinkOptions& options, const SinkContext& context = {});

}  // namespace sonde
