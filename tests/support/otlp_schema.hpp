// Decodes OTLP requests in protobuf into the JSON that the same request has (OTLP 1.3 §JSON Protobuf Encoding), by the
// published opentelemetry-proto 1.3, not with what encoded them. Unknown fields and wrong wire types are failures.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sonde {

enum class OtlpKind { text, id, fixed64, sfixed64, uint64, int64, number, sint32, real, boolean, message };

struct OtlpField {
    std::string_view name;
    OtlpKind kind = OtlpKind::text;
    std::string_view message{};  // OtlpKind::message: its type
    bool repeated = false;
};

inline const std::map<std::string_view, std::map<std::uint32_t, OtlpField>>& otlp_schema() {
    using K = OtlpKind;
    static const std::map<std::string_view, std::map<std::uint32_t, OtlpField>> schema{
        {"TraceRequest", {{1, {"resourceSpans", K::message, "ResourceSpans", true}}}},
        {"ResourceSpans",
         {{1, {"resource", K::message, "Resource"}}, {2, {"scopeSpans", K::message, "ScopeSpans", true}}}},
        {"ScopeSpans", {{1, {"scope", K::message, "Scope"}}, {2, {"spans", K::message, "Span", true}}}},
        {"LogsRequest", {{1, {"resourceLogs", K::message, "ResourceLogs", true}}}},
        {"ResourceLogs",
         {{1, {"resource", K::message, "Resource"}}, {2, {"scopeLogs", K::message, "ScopeLogs", true}}}},
        {"ScopeLogs", {{1, {"scope", K::message, "Scope"}}, {2, {"logRecords", K::message, "LogRecord", true}}}},
        {"MetricsRequest", {{1, {"resourceMetrics", K::message, "ResourceMetrics", true}}}},
        {"ResourceMetrics",
         {{1, {"resource", K::message, "Resource"}}, {2, {"scopeMetrics", K::message, "ScopeMetrics", true}}}},
        {"ScopeMetrics", {{1, {"scope", K::message, "Scope"}}, {2, {"metrics", K::message, "Metric", true}}}},
        {"Resource", {{1, {"attributes", K::message, "KeyValue", true}}}},
        {"Scope", {{1, {"name"}}, {2, {"version"}}}},
        {"KeyValue", {{1, {"key"}}, {2, {"value", K::message, "AnyValue"}}}},
        {"AnyValue",
         {{1, {"stringValue"}},
          {2, {"boolValue", K::boolean}},
          {3, {"intValue", K::int64}},
          {4, {"doubleValue", K::real}}}},
        {"Span",
         {{1, {"traceId", K::id}},
          {2, {"spanId", K::id}},
          {4, {"parentSpanId", K::id}},
          {5, {"name"}},
          {6, {"kind", K::number}},
          {7, {"startTimeUnixNano", K::fixed64}},
          {8, {"endTimeUnixNano", K::fixed64}},
          {9, {"attributes", K::message, "KeyValue", true}},
          {11, {"events", K::message, "Event", true}},
          {12, {"droppedEventsCount", K::number}},
          {15, {"status", K::message, "Status"}}}},
        {"Event",
         {{1, {"timeUnixNano", K::fixed64}}, {2, {"name"}}, {3, {"attributes", K::message, "KeyValue", true}}}},
        {"Status", {{3, {"code", K::number}}}},
        {"LogRecord",
         {{1, {"timeUnixNano", K::fixed64}},
          {2, {"severityNumber", K::number}},
          {3, {"severityText"}},
          {5, {"body", K::message, "AnyValue"}},
          {6, {"attributes", K::message, "KeyValue", true}},
          {7, {"droppedAttributesCount", K::number}},
          {9, {"traceId", K::id}},
          {10, {"spanId", K::id}},
          {11, {"observedTimeUnixNano", K::fixed64}}}},
        {"Metric",
         {{1, {"name"}},
          {2, {"description"}},
          {3, {"unit"}},
          {5, {"gauge", K::message, "Gauge"}},
          {7, {"sum", K::message, "Sum"}},
          {9, {"histogram", K::message, "Histogram"}},
          {10, {"exponentialHistogram", K::message, "ExponentialHistogram"}},
          {11, {"summary", K::message, "Summary"}}}},
        {"Gauge", {{1, {"dataPoints", K::message, "NumberDataPoint", true}}}},
        {"Sum",
         {{1, {"dataPoints", K::message, "NumberDataPoint", true}},
          {2, {"aggregationTemporality", K::number}},
          {3, {"isMonotonic", K::boolean}}}},
        {"Histogram",
         {{1, {"dataPoints", K::message, "HistogramDataPoint", true}}, {2, {"aggregationTemporality", K::number}}}},
        {"ExponentialHistogram",
         {{1, {"dataPoints", K::message, "ExponentialHistogramDataPoint", true}},
          {2, {"aggregationTemporality", K::number}}}},
        {"Summary", {{1, {"dataPoints", K::message, "SummaryDataPoint", true}}}},
        {"NumberDataPoint",
         {{2, {"startTimeUnixNano", K::fixed64}},
          {3, {"timeUnixNano", K::fixed64}},
          {4, {"asDouble", K::real}},
          {6, {"asInt", K::sfixed64}},
          {7, {"attributes", K::message, "KeyValue", true}}}},
        {"HistogramDataPoint",
         {{2, {"startTimeUnixNano", K::fixed64}},
          {3, {"timeUnixNano", K::fixed64}},
          {4, {"count", K::fixed64}},
          {5, {"sum", K::real}},
          {6, {"bucketCounts", K::fixed64, {}, true}},
          {7, {"explicitBounds", K::real, {}, true}},
          {9, {"attributes", K::message, "KeyValue", true}}}},
        {"ExponentialHistogramDataPoint",
         {{1, {"attributes", K::message, "KeyValue", true}},
          {2, {"startTimeUnixNano", K::fixed64}},
          {3, {"timeUnixNano", K::fixed64}},
          {4, {"count", K::fixed64}},
          {5, {"sum", K::real}},
          {6, {"scale", K::sint32}},
          {7, {"zeroCount", K::fixed64}},
          {8, {"positive", K::message, "Buckets"}},
          {9, {"negative", K::message, "Buckets"}},
          {14, {"zeroThreshold", K::real}}}},
        {"Buckets", {{1, {"offset", K::sint32}}, {2, {"bucketCounts", K::uint64, {}, true}}}},
        {"SummaryDataPoint",
         {{2, {"startTimeUnixNano", K::fixed64}},
          {3, {"timeUnixNano", K::fixed64}},
          {4, {"count", K::fixed64}},
          {5, {"sum", K::real}},
          {6, {"quantileValues", K::message, "ValueAtQuantile", true}},
          {7, {"attributes", K::message, "KeyValue", true}}}},
        {"ValueAtQuantile", {{1, {"quantile", K::real}}, {2, {"value", K::real}}}},
    };
    return schema;
}

inline std::string otlp_hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
        out += digits;
    }
    return out;
}

boost::json::object otlp_to_json(std::string_view type, protozero::pbf_reader in);

inline boost::json::value otlp_value(const OtlpField& field, protozero::pbf_reader& in) {
    switch (field.kind) {
        case OtlpKind::text:
            return boost::json::string(in.get_string());
        case OtlpKind::id:
            return boost::json::string(otlp_hex(in.get_bytes()));
        case OtlpKind::fixed64:
            return boost::json::string(std::to_string(in.get_fixed64()));
        case OtlpKind::sfixed64:
            return boost::json::string(std::to_string(in.get_sfixed64()));
        case OtlpKind::uint64:
            return boost::json::string(std::to_string(in.get_uint64()));
        case OtlpKind::int64:
            return boost::json::string(std::to_string(in.get_int64()));
        case OtlpKind::number:
            return in.get_int32();
        case OtlpKind::sint32:
            return in.get_sint32();
        case OtlpKind::real:
            return in.get_double();
        case OtlpKind::boolean:
            return in.get_bool();
        case OtlpKind::message:
            return otlp_to_json(field.message, in.get_message());
    }
    return {};
}

// Numbers of a repeated field come packed.
inline boost::json::array otlp_packed(const OtlpField& field, protozero::pbf_reader& in) {
    boost::json::array out;
    const auto text = [&out](auto range) {
        for (const auto value : range) out.emplace_back(std::to_string(value));
    };
    if (field.kind == OtlpKind::fixed64) {
        text(in.get_packed_fixed64());
    } else if (field.kind == OtlpKind::uint64) {
        text(in.get_packed_uint64());
    } else {
        for (const auto value : in.get_packed_double()) out.emplace_back(value);
    }
    return out;
}

inline boost::json::object otlp_to_json(std::string_view type, protozero::pbf_reader in) {
    boost::json::object out;
    const auto& fields = otlp_schema().at(type);
    // a list without items is there in JSON, and nowhere in protobuf
    for (const auto& [tag, field] : fields)
        if (field.repeated && field.kind == OtlpKind::message) out[field.name] = boost::json::array();
    while (in.next()) {
        const auto found = fields.find(in.tag());
        if (found == fields.end()) {
            ADD_FAILURE() << type << " has no field " << in.tag();
            in.skip();
            continue;
        }
        const auto& field = found->second;
        if (!field.repeated) {
            EXPECT_FALSE(out.contains(field.name)) << type << "." << field.name << " twice";
            out[field.name] = otlp_value(field, in);
        } else if (field.kind == OtlpKind::message) {
            out[field.name].as_array().push_back(otlp_value(field, in));
        } else {
            out[field.name] = otlp_packed(field, in);
        }
    }
    return out;
}

// A body in either encoding as JSON. type: TraceRequest, LogsRequest or MetricsRequest.
inline boost::json::value read_otlp(std::string_view type, bool is_json, const std::string& body) {
    if (is_json) return boost::json::parse(body);
    return otlp_to_json(type, protozero::pbf_reader(body));
}

// Values as text by key: s:…, i:…, d:…, b:…
inline std::map<std::string, std::string> otlp_attributes(const boost::json::value& list) {
    std::map<std::string, std::string> out;
    for (const auto& pair : list.as_array()) {
        const auto& value = pair.at("value").as_object();
        EXPECT_EQ(value.size(), 1);
        std::string text;
        if (value.contains("stringValue")) text = "s:" + std::string(value.at("stringValue").as_string());
        if (value.contains("intValue")) text = "i:" + std::string(value.at("intValue").as_string());
        if (value.contains("doubleValue")) text = "d:" + std::to_string(value.at("doubleValue").to_number<double>());
        if (value.contains("boolValue")) text = value.at("boolValue").as_bool() ? "b:true" : "b:false";
        const std::string key(pair.at("key").as_string());
        EXPECT_TRUE(out.emplace(key, text).second) << key << " twice";
    }
    return out;
}

}  // namespace sonde
