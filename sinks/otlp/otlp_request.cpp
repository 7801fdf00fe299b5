#include "sinks/otlp/otlp_request.hpp"

namespace sonde {
namespace {

constexpr std::string_view scope_name = "sonde";

struct JsonNames {
    std::string_view resources, scopes, items;
};
constexpr std::array<JsonNames, 3> json_names{{{"resourceSpans", "scopeSpans", "spans"},
                                               {"resourceLogs", "scopeLogs", "logRecords"},
                                               {"resourceMetrics", "scopeMetrics", "metrics"}}};

void append_joined(std::string& out, std::initializer_list<std::string_view> parts) {
    for (const auto part : parts) out += part;
}

}  // namespace

std::string OtlpRequest::protobuf_body() const {
    std::string body;
    body.reserve(bytes_ + bytes_ / 8);
    protozero::pbf_writer request(body);
    for (const auto& group : groups_) {
        protozero::pbf_writer resource_items(request, 1);
        resource_items.add_message(1, group.resource);
        std::string scope_bytes;
        {
            protozero::pbf_writer scope_items(scope_bytes);
            protozero::pbf_writer scope(scope_items, 1);
            scope.add_string(1, scope_name.data(), scope_name.size());
            scope.add_string(2, version_);
        }
        scope_bytes += group.items;
        resource_items.add_message(2, scope_bytes);
    }
    return body;
}

std::string OtlpRequest::json_body() const {
    const auto& names = json_names[static_cast<std::size_t>(signal_)];
    std::string body;
    append_joined(body, {"{\"", names.resources, "\":["});
    for (const auto& group : groups_) {
        if (&group != &groups_.front()) body += ',';
        append_joined(body, {"{\"resource\":{\"attributes\":[", group.resource, "]},\"", names.scopes,
                             "\":[{\"scope\":{\"name\":\"", scope_name, "\",\"version\":\"", version_, "\"},\"",
                             names.items, "\":[", group.items, "]}]}"});
    }
    return body + "]}";
}

std::string OtlpRequest::take() {
    auto body = options_.format == OtlpFormat::protobuf ? protobuf_body() : json_body();
    groups_.clear();
    known_.clear();
    bytes_ = 0;
    return body;
}

}  // namespace sonde
