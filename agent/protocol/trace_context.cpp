#include "agent/protocol/trace_context.hpp"

#include <algorithm>
#include <array>

#include "agent/base/ascii.hpp"

namespace sonde {
namespace {

constexpr std::string_view zeros = "0000000000000000";

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text, std::size_t digits) {
    return text.size() == digits && is_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

// 128 bits, or 64 widened.
bool take_trace_id(TraceContext& context, std::string_view text) {
    if (is_id(text, 32)) {
        context.trace_id.assign(text);
        return true;
    }
    if (!is_id(text, 16)) return false;
    std::array<char, 32> wide;
    std::copy(zeros.begin(), zeros.end(), wide.begin());
    std::copy(text.begin(), text.end(), wide.begin() + 16);
    context.trace_id.assign({wide.data(), wide.size()});
    return true;
}

// version "-" trace-id "-" parent-id "-" trace-flags; a later version may add "-" and more (§4)
bool take_traceparent(TraceContext& context, std::string_view text) {
    constexpr std::size_t size = 55;
    if (text.size() < size || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    const auto version = text.substr(0, 2);
    if (!is_hex(version) || version == "ff" || !is_hex(text.substr(53, 2))) return false;
    if (text.size() > size && (version == "00" || text[size] != '-')) return false;
    const auto trace_id = text.substr(3, 32), parent_id = text.substr(36, 16);
    if (!is_id(trace_id, 32) || !is_id(parent_id, 16)) return false;
    context.trace_id.assign(trace_id);
    context.parent_span_id.assign(parent_id);
    return true;
}

// {trace id}-{span id}[-{sampling}[-{parent span id}]]; a lone sampling decision has no ids
bool take_b3(TraceContext& context, std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return false;
    const auto rest = text.substr(dash + 1);
    const auto span_id = rest.substr(0, rest.find('-'));
    if (!is_id(span_id, 16) || !take_trace_id(context, text.substr(0, dash))) return false;
    context.parent_span_id.assign(span_id);
    return true;
}

// Root=1-{8 digits of time}-{24 digits};Parent={16 digits};Sampled=…
bool take_amzn(TraceContext& context, std::string_view text) {
    std::string_view root, parent;
    while (!text.empty()) {
        const auto end = text.find(';');
        const auto field = text.substr(0, end);
        if (field.starts_with("Root=")) root = field.substr(5);
        if (field.starts_with("Parent=")) parent = field.substr(7);
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    if (root.size() != 35 || !root.starts_with("1-") || root[10] != '-') return false;
    std::array<char, 32> joined;
    std::copy_n(root.begin() + 2, 8, joined.begin());
    std::copy_n(root.begin() + 11, 24, joined.begin() + 8);
    if (!take_trace_id(context, {joined.data(), joined.size()})) return false;
    if (is_id(parent, 16)) context.parent_span_id.assign(parent);
    return true;
}

bool is_visible(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

bool TraceHeaders::take(std::string_view name, std::string_view value) {
    struct Known {
        std::string_view name;
        std::string_view TraceHeaders::*value;
    };
    static constexpr std::array<Known, 5> known{{{"traceparent", &TraceHeaders::traceparent},
                                                 {"b3", &TraceHeaders::b3},
                                                 {"x-b3-traceid", &TraceHeaders::b3_trace_id},
                                                 {"x-b3-spanid", &TraceHeaders::b3_span_id},
                                                 {"x-amzn-trace-id", &TraceHeaders::amzn_trace_id}}};
    for (const auto& header : known) {
        if (header.name.size() != name.size() || !equals_ignoring_case(name, header.name)) continue;
        // a second traceparent makes both void (§3.2.1); of the others the first counts
        if (header.value == &TraceHeaders::traceparent && !traceparent.empty())
            traceparent = "-";
        else if ((this->*header.value).empty())
            this->*header.value = value;
        return true;
    }
    const auto take_named = [&](const std::vector<std::string>& names, auto& values) {
        for (std::size_t i = 0; i < names.size() && i < values.size(); ++i) {
            if (names[i].size() != name.size() || !equals_ignoring_case(name, names[i])) continue;
            if (values[i].empty()) values[i] = value;
            return true;
        }
        return false;
    };
    // one name may stand in both lists
    const bool is_trace_id = take_named(names_->trace_id, trace_ids);
    return take_named(names_->request_id, request_ids) || is_trace_id;
}

TraceHeaderNames TraceHeaderNames::in_lower_case() const {
    auto names = *this;
    for (auto* list : {&names.trace_id, &names.request_id})
        for (auto& name : *list) std::transform(name.begin(), name.end(), name.begin(), ascii_lower);
    return names;
}

const TraceHeaderNames& TraceHeaderNames::defaults() {
    static const TraceHeaderNames names;
    return names;
}

TraceContext trace_context(const TraceHeaders& headers) {
    TraceContext context;
    if (!take_traceparent(context, headers.traceparent) && !take_b3(context, headers.b3)) {
        if (is_id(headers.b3_span_id, 16) && take_trace_id(context, headers.b3_trace_id))
            context.parent_span_id.assign(headers.b3_span_id);
        else if (!take_amzn(context, headers.amzn_trace_id))
            std::any_of(headers.trace_ids.begin(), headers.trace_ids.end(),
                        [&](std::string_view id) { return take_trace_id(context, id); });
    }
    // an X-Trace-Id that is no trace id still names the request
    for (const auto* ids : {&headers.request_ids, &headers.trace_ids}) {
        const auto id = std::find_if(ids->begin(), ids->end(),
                                     [](std::string_view text) { return !text.empty() && is_visible(text); });
        if (id == ids->end()) continue;
        context.request_id.assign(*id);
        break;
    }
    return context;
}

}  // namespace sonde
