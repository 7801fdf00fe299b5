#include "sinks/loki/loki_encoder.hpp"

#include <snappy.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <protozero/pbf_writer.hpp>

#include "sinks/delivery/record_filter.hpp"
#include "sinks/event_json.hpp"

namespace sonde {
namespace {

constexpr std::size_t max_labels = 15;  // Loki's default limit per stream
constexpr std::uint64_t ns_per_s = 1'000'000'000;

constexpr std::array<std::string_view, 11> value_names{"service", "side",         "level",   "method",
                                                       "route",   "status_class", "outcome", "trace_id",
                                                       "span_id", "request_id",   "status"};
constexpr std::size_t label_names = 7;  // the first of them may be labels

// Where Loki and OpenTelemetry agree on a name, that one.
std::string_view shown_name(std::string_view name) { return name == "service" ? "service_name" : name; }

bool is_label_name(std::string_view name) {
    const auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    return !name.empty() && word(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) { return word(c) || (c >= '0' && c <= '9'); });
}

using Digits = std::array<char, 24>;

std::string_view hex(std::uint64_t value, Digits& digits) {
    constexpr std::string_view alphabet = "0123456789abcdef";
    for (std::size_t i = 0; i < 16; ++i) digits[i] = alphabet[value >> (60 - 4 * i) & 0xFU];
    return {digits.data(), 16};
}

std::string_view decimal(std::uint64_t value, Digits& digits) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), static_cast<std::size_t>(end - digits.data())};
}

std::string_view status_class(std::uint16_t status) {
    constexpr std::array<std::string_view, 6> names{"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    return status / 100 < names.size() ? names[status / 100U] : std::string_view();
}

std::string_view value_of_line(const LogLine& line, std::string_view name, Digits& digits) {
    if (name == "service") return line.service;
    if (name == "method") return line.request_method;
    if (name == "trace_id") return line.request_trace_id.empty() ? line.record.trace_id : line.request_trace_id;
    if (name == "request_id") return line.record.request_id;
    if (name == "span_id" && line.request_span_id != 0) return hex(line.request_span_id, digits);
    return {};
}

// Empty: not observed, and then no label and no metadata. `digits` holds what is made here.
std::string_view value_of(const Record& record, std::string_view name, Digits& digits) {
    if (name == "level") return to_string(level_of(record));
    if (const auto* line = std::get_if<LogLinePtr>(&record)) return value_of_line(**line, name, digits);
    const auto* transaction = std::get_if<Transaction>(&record);
    if (transaction == nullptr) return {};
    if (name == "service") return transaction->service;
    if (name == "side") return to_string(transaction->side);
    if (name == "method") return transaction->method;
    if (name == "route") return transaction->route;
    if (name == "status_class") return status_class(transaction->status);
    if (name == "outcome") return to_string(transaction->outcome);
    if (name == "trace_id") return transaction->trace.trace_id;
    if (name == "request_id") return transaction->trace.request_id;
    if (name == "span_id")
        return transaction->trace.span_id != 0 ? hex(transaction->trace.span_id, digits) : std::string_view();
    return transaction->status != 0 ? decimal(transaction->status, digits) : std::string_view();
}

std::uint64_t time_of(const Record& record) {
    if (const auto* transaction = std::get_if<Transaction>(&record)) return transaction->time_ns;
    if (const auto* line = std::get_if<LogLinePtr>(&record)) return (*line)->time_ns();
    if (const auto* alert = std::get_if<AlertRecord>(&record)) return alert->time_ns;
    return std::get<LossRecord>(record).time_ns;
}

Error bad_label(const std::string& name, const std::string& why) {
    return fail("\"" + name + "\" cannot be a label in Loki: " + why, {}, ErrorKind::usage);
}

}  // namespace

Result<std::unique_ptr<LokiEncoder>> LokiEncoder::create(LokiOptions options, FieldSelectionOptions fields) {
    for (const auto& name : options.labels)
        if (std::find(value_names.begin(), value_names.begin() + label_names, name) ==
            value_names.begin() + label_names)
            return bad_label(name, "choose from service, side, level, method, route, status_class, outcome");
    for (const auto& name : options.structured_metadata)
        if (std::find(value_names.begin(), value_names.end(), name) == value_names.end())
            return bad_label(name, "sonde knows no such value");
    for (const auto& [name, value] : options.static_labels) {
        if (!is_label_name(name)) return bad_label(name, "use letters, digits and '_'");
        if (value.empty()) return bad_label(name, "its value is empty");
    }
    const auto count = options.labels.size() + options.static_labels.size();
    if (options.static_labels.empty())
        return fail("Loki needs a label that every line has", "keep job=sonde or name another", ErrorKind::usage);
    if (count > max_labels) return fail("too many labels for Loki", "15 at most", ErrorKind::usage);
    return std::unique_ptr<LokiEncoder>(new LokiEncoder(std::move(options), std::move(fields)));
}

LokiEncoder::LokiEncoder(LokiOptions options, FieldSelectionOptions fields)
    : options_(std::move(options)), events_(std::move(fields)) {
    make_stream(nullptr);
}

// null: the stream of all that is over the limit.
std::size_t LokiEncoder::make_stream(const Record* record) {
    Stream stream;
    const auto add = [&stream](std::string_view name, std::string_view value) {
        stream.labels += (stream.labels.empty() ? "{" : ", ") + std::string(name) + "=";
        append_json_string(stream.labels, value);
        stream.json_labels += (stream.json_labels.empty() ? "{\"" : ",\"") + std::string(name) + "\":";
        append_json_string(stream.json_labels, value);
    };
    for (const auto& [name, value] : options_.static_labels) add(name, value);
    Digits digits;
    for (const auto& name : options_.labels) {
        if (record == nullptr) break;
        const auto value = value_of(*record, name, digits);
        if (!value.empty()) add(shown_name(name), value);
    }
    if (record == nullptr) add("overflow", "true");
    stream.labels += '}';
    stream.json_labels += '}';
    streams_.push_back(std::move(stream));
    return streams_.size() - 1;
}

LokiEncoder::Stream& LokiEncoder::stream_of(const Record& record) {
    key_.clear();
    Digits digits;
    for (const auto& name : options_.labels) {
        key_ += value_of(record, name, digits);
        key_ += '\0';
    }
    if (const auto found = known_.find(key_); found != known_.end()) return streams_[found->second];
    if (known_.size() >= options_.max_streams) {
        ++overflowed_;
        return streams_.front();
    }
    return streams_[known_.emplace(key_, make_stream(&record)).first->second];
}

void LokiEncoder::add_metadata(const Record& record, Entry& entry) {
    entry.metadata_begin = metadata_.size();
    Digits digits;
    for (std::size_t i = 0; i < options_.structured_metadata.size(); ++i) {
        const auto value = value_of(record, options_.structured_metadata[i], digits);
        if (value.empty()) continue;
        const auto begin = text_.size();
        text_ += value;
        metadata_.push_back({i, {begin, text_.size()}});
    }
    entry.metadata_end = metadata_.size();
}

bool LokiEncoder::add(const Record& record) {
    auto& stream = stream_of(record);
    Entry entry;
    entry.time_ns = time_of(record);
    entry.line.begin = text_.size();
    events_.append(text_, record);
    entry.line.end = text_.size();
    add_metadata(record, entry);
    stream.entries.push_back(entry);
    ++entries_;
    return true;
}

std::string LokiEncoder::take() {
    for (auto& stream : streams_)
        std::stable_sort(stream.entries.begin(), stream.entries.end(),
                         [](const Entry& a, const Entry& b) { return a.time_ns < b.time_ns; });
    auto body = options_.format == LokiFormat::protobuf ? protobuf_body() : json_body();
    for (auto& stream : streams_) stream.entries.clear();
    text_.clear();
    metadata_.clear();
    entries_ = 0;
    return body;
}

// PushRequest { repeated Stream streams = 1 }, Stream { string labels = 1; repeated Entry entries = 2 },
// Entry { Timestamp timestamp = 1; string line = 2; repeated LabelPair structuredMetadata = 3 }.
std::string LokiEncoder::protobuf_body() const {
    std::string plain;
    plain.reserve(bytes());
    protozero::pbf_writer request(plain);
    for (const auto& stream : streams_) {
        if (stream.entries.empty()) continue;
        protozero::pbf_writer out(request, 1);
        out.add_string(1, stream.labels);
        for (const auto& entry : stream.entries) {
            protozero::pbf_writer entry_out(out, 2);
            {
                protozero::pbf_writer time(entry_out, 1);
                time.add_int64(1, static_cast<std::int64_t>(entry.time_ns / ns_per_s));
                time.add_int32(2, static_cast<std::int32_t>(entry.time_ns % ns_per_s));
            }
            const auto line = text(entry.line);
            entry_out.add_string(2, line.data(), line.size());
            for (auto i = entry.metadata_begin; i < entry.metadata_end; ++i) {
                protozero::pbf_writer pair(entry_out, 3);
                const auto name = shown_name(options_.structured_metadata[metadata_[i].name]);
                const auto value = text(metadata_[i].value);
                pair.add_string(1, name.data(), name.size());
                pair.add_string(2, value.data(), value.size());
            }
        }
    }
    std::string packed;
    snappy::Compress(plain.data(), plain.size(), &packed);
    return packed;
}

// {"streams":[{"stream":{…},"values":[["<ns>","<line>",{…}]]}]}
std::string LokiEncoder::json_body() const {
    std::string out = "{\"streams\":[";
    for (const auto& stream : streams_) {
        if (stream.entries.empty()) continue;
        if (out.back() == '}') out += ',';
        out += "{\"stream\":" + stream.json_labels + ",\"values\":[";
        for (const auto& entry : stream.entries) {
            if (out.back() == ']') out += ',';
            out += "[\"" + std::to_string(entry.time_ns) + "\",";
            append_json_string(out, text(entry.line));
            for (auto i = entry.metadata_begin; i < entry.metadata_end; ++i) {
                out += i == entry.metadata_begin ? ",{" : ",";
                append_json_string(out, shown_name(options_.structured_metadata[metadata_[i].name]));
                out += ':';
                append_json_string(out, text(metadata_[i].value));
            }
            out += entry.metadata_begin < entry.metadata_end ? "}]" : "]";
        }
        out += "]}";
    }
    return out + "]}";
}

}  // namespace sonde
