#include "agent/log/record_fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "agent/log/severity.hpp"
#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

struct KnownName {
    std::string_view name;  // normalised: lower case, letters and digits only
    FieldRole role;
};

constexpr std::array known_names{
    KnownName{"time", FieldRole::time},
    KnownName{"timestamp", FieldRole::time},
    KnownName{"ts", FieldRole::time},
    KnownName{"t", FieldRole::time},
    KnownName{"asctime", FieldRole::time},
    KnownName{"datetime", FieldRole::time},
    KnownName{"date", FieldRole::time},
    KnownName{"timemillis", FieldRole::time},
    KnownName{"timeunixnano", FieldRole::time},
    KnownName{"eventtime", FieldRole::time},
    KnownName{"timelocal", FieldRole::time},
    KnownName{"timeiso8601", FieldRole::time},
    KnownName{"level", FieldRole::level},
    KnownName{"lvl", FieldRole::level},
    KnownName{"severity", FieldRole::level},
    KnownName{"levelname", FieldRole::level},
    KnownName{"loglevel", FieldRole::level},
    KnownName{"severitytext", FieldRole::level},
    KnownName{"severitynumber", FieldRole::level_otel},
    KnownName{"levelno", FieldRole::level_python},
    KnownName{"message", FieldRole::message},
    KnownName{"msg", FieldRole::message},
    KnownName{"event", FieldRole::event},
    KnownName{"body", FieldRole::body},
    KnownName{"bodystringvalue", FieldRole::body},
    KnownName{"bodyvalue", FieldRole::body},
    KnownName{"logger", FieldRole::logger},
    KnownName{"loggername", FieldRole::logger},
    KnownName{"loglogger", FieldRole::logger},
    KnownName{"scopename", FieldRole::logger},
    KnownName{"name", FieldRole::name},
    KnownName{"thread", FieldRole::thread},
    KnownName{"threadname", FieldRole::thread},
    KnownName{"processthreadname", FieldRole::thread},
    KnownName{"traceid", FieldRole::trace_id},
    KnownName{"ddtraceid", FieldRole::trace_id},
    KnownName{"oteltraceid", FieldRole::trace_id},
    KnownName{"contexttraceid", FieldRole::trace_id},
    KnownName{"spancontexttraceid", FieldRole::trace_id},
    KnownName{"logginggoogleapiscomtrace", FieldRole::trace_id},
    KnownName{"spanid", FieldRole::span_id},
    KnownName{"ddspanid", FieldRole::span_id},
    KnownName{"otelspanid", FieldRole::span_id},
    KnownName{"logginggoogleapiscomspanid", FieldRole::span_id},
    KnownName{"traceparent", FieldRole::traceparent},
    KnownName{"requestid", FieldRole::request_id},
    KnownName{"reqid", FieldRole::request_id},
    KnownName{"xrequestid", FieldRole::request_id},
    KnownName{"httprequestid", FieldRole::request_id},
    KnownName{"correlationid", FieldRole::correlation_id},
    KnownName{"xcorrelationid", FieldRole::correlation_id},
    KnownName{"exception", FieldRole::stack},
    KnownName{"excinfo", FieldRole::stack},
    KnownName{"exctext", FieldRole::stack},
    KnownName{"stack", FieldRole::stack},
    KnownName{"stacktrace", FieldRole::stack},
    KnownName{"traceback", FieldRole::stack},
    KnownName{"errstack", FieldRole::stack},
    KnownName{"errorstack", FieldRole::stack},
    KnownName{"errorstacktrace", FieldRole::stack},
    KnownName{"exceptionstacktrace", FieldRole::stack},
    KnownName{"thrownextendedstacktrace", FieldRole::stack},
    KnownName{"errtype", FieldRole::exception_type},
    KnownName{"errortype", FieldRole::exception_type},
    KnownName{"errorkind", FieldRole::exception_type},
    KnownName{"exceptiontype", FieldRole::exception_type},
    KnownName{"exctype", FieldRole::exception_type},
    KnownName{"thrownname", FieldRole::exception_type},
    KnownName{"err", FieldRole::exception_message},
    KnownName{"error", FieldRole::exception_message},
    KnownName{"errmessage", FieldRole::exception_message},
    KnownName{"errormessage", FieldRole::exception_message},
    KnownName{"exceptionmessage", FieldRole::exception_message},
    KnownName{"thrownmessage", FieldRole::exception_message},
    KnownName{"method", FieldRole::method},
    KnownName{"httpmethod", FieldRole::method},
    KnownName{"reqmethod", FieldRole::method},
    KnownName{"requestmethod", FieldRole::method},
    KnownName{"httprequestmethod", FieldRole::method},
    KnownName{"path", FieldRole::path},
    KnownName{"uri", FieldRole::path},
    KnownName{"requesturi", FieldRole::path},
    KnownName{"requrl", FieldRole::path},
    KnownName{"urlpath", FieldRole::path},
    KnownName{"httptarget", FieldRole::path},
    KnownName{"httppath", FieldRole::path},
    KnownName{"status", FieldRole::status},
    KnownName{"statuscode", FieldRole::status},
    KnownName{"resstatuscode", FieldRole::status},
    KnownName{"httpstatuscode", FieldRole::status},
    KnownName{"httpresponsestatuscode", FieldRole::status},
    KnownName{"remoteaddr", FieldRole::client},
    KnownName{"clientip", FieldRole::client},
    KnownName{"clientaddress", FieldRole::client},
};

constexpr std::size_t name_max = 32;

constexpr std::uint32_t name_hash(std::string_view name) {
    std::uint32_t hash = 2166136261U;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return hash ^ (hash >> 15);
}

// Open addressing, made by the compiler: index into known_names + 1, 0 is empty. Under 40% full.
constexpr std::size_t table_size = 256;
constexpr auto name_table = [] {
    std::array<std::uint8_t, table_size> table{};
    for (std::size_t i = 0; i < known_names.size(); ++i) {
        std::size_t slot = name_hash(known_names[i].name) % table_size;
        while (table[slot] != 0) slot = (slot + 1) % table_size;
        table[slot] = static_cast<std::uint8_t>(i + 1);
    }
    return table;
}();
static_assert(known_names.size() < 255);

FieldRole role_of_normalised(std::string_view name) {
    for (std::size_t slot = name_hash(name) % table_size; name_table[slot] != 0; slot = (slot + 1) % table_size) {
        const auto& known = known_names[name_table[slot] - 1U];
        if (known.name == name) return known.role;
    }
    return FieldRole::attribute;
}

// false: longer than any known name
bool normalise(std::string_view key, std::array<char, name_max>& out, std::size_t& size) {
    size = 0;
    for (const char c : key) {
        if (c == '_' || c == '-' || c == '.' || c == '@' || c == '/') continue;
        if (size == name_max) return false;
        out[size++] = to_lower(c);
    }
    return true;
}

// "log.level" and "context.request_id" say what "level" and "request_id" say.
bool is_wrapper(std::string_view prefix) {
    constexpr std::array<std::string_view, 13> wrappers{"log",    "record", "context",   "log.context", "extra",
                                                        "fields", "ctx",    "mdc",       "metadata",    "attributes",
                                                        "otel",   "dd",     "contextMap"};
    for (const auto wrapper : wrappers)
        if (prefix == wrapper) return true;
    return false;
}

bool is_id_role(FieldRole role) {
    return role == FieldRole::trace_id || role == FieldRole::span_id || role == FieldRole::traceparent ||
           role == FieldRole::request_id || role == FieldRole::correlation_id;
}

// The hexadecimal digits of text in lower case, dashes left out; nothing if anything else is in it or it does not fit.
template <std::size_t N>
std::optional<std::size_t> hex_digits(std::string_view text, std::array<char, N>& out) {
    std::size_t size = 0;
    bool zero = true;
    for (const char c : text) {
        if (c == '-') continue;
        const char lower = to_lower(c);
        if (!(is_digit(lower) || (lower >= 'a' && lower <= 'f')) || size == N) return {};
        zero = zero && lower == '0';
        out[size++] = lower;
    }
    if (zero) return {};
    return size;
}

FieldRole find_role(std::string_view key) {
    std::array<char, name_max> buffer;
    std::size_t size = 0;
    if (normalise(key, buffer, size)) {
        const auto role = role_of_normalised({buffer.data(), size});
        if (role != FieldRole::attribute) return role;
    }
    const auto dot = key.rfind('.');
    if (dot == std::string_view::npos || !is_wrapper(key.substr(0, dot))) return FieldRole::attribute;
    if (!normalise(key.substr(dot + 1), buffer, size)) return FieldRole::attribute;
    const auto role = role_of_normalised({buffer.data(), size});
    const auto prefix = key.substr(0, dot);
    return prefix == "log" || prefix == "record" || is_id_role(role) ? role : FieldRole::attribute;
}

// The keys of a service's lines are the same again and again: the latest are known by their spelling.
class KnownRoles {
public:
    FieldRole role_of(std::string_view key) {
        if (key.empty() || key.size() > key_bytes) return find_role(key);
        std::uint64_t front = 0;
        std::memcpy(&front, key.data(), std::min(key.size(), sizeof front));
        auto& place = places_[((front ^ key.size()) * 0x9e3779b97f4a7c15) >> (64 - places_bits)];
        if (std::string_view(place.key.data(), place.size) != key) {
            place.role = find_role(key);
            place.size = static_cast<std::uint8_t>(key.copy(place.key.data(), key.size()));
        }
        return place.role;
    }

private:
    static constexpr unsigned places_bits = 7;
    static constexpr std::size_t key_bytes = 22;
    struct Place {
        std::array<char, key_bytes> key;
        std::uint8_t size = 0;  // 0: nothing yet
        FieldRole role = FieldRole::attribute;
    };
    std::array<Place, 1U << places_bits> places_;
};

bool is_visible(std::string_view text) {
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f) return false;
    return !text.empty();
}

}  // namespace

FieldRole field_role(std::string_view key) {
    thread_local KnownRoles known;
    return known.role_of(key);
}

bool take_trace_id(std::string_view text, InlineString<32>& out) {
    if (const auto slash = text.rfind('/'); slash != std::string_view::npos) text.remove_prefix(slash + 1);
    if (text.size() == 35 && text.starts_with("1-")) text.remove_prefix(2);
    std::array<char, 32> digits;
    const auto size = hex_digits(text, digits);
    if (!size || (*size != 32 && *size != 16)) return false;
    if (*size == 16) {
        std::copy_n(digits.begin(), 16, digits.begin() + 16);
        std::fill_n(digits.begin(), 16, '0');
    }
    out.assign({digits.data(), digits.size()});
    return true;
}

bool take_span_id(std::string_view text, InlineString<16>& out) {
    std::array<char, 16> digits;
    const auto size = hex_digits(text, digits);
    if (!size || *size != 16) return false;
    out.assign({digits.data(), digits.size()});
    return true;
}

void RecordFields::take(std::string_view key, std::string_view value, AttributeType type) {
    const auto role = field_role(key);
    const bool empty = type == AttributeType::null || value.empty();
    if (role == FieldRole::attribute || empty || !take_role(role, key, value, type))
        record_.add_attribute(key, value, type);
}

// true: the value went to its member. A member that is taken keeps its first value, unless a better name comes.
bool RecordFields::take_role(FieldRole role, std::string_view key, std::string_view value, AttributeType type) {
    const auto set = [](std::string_view& member, std::string_view text) {
        return member.empty() && (member = text, true);
    };
    switch (role) {
        case FieldRole::time: {
            if (record_.time_ns != 0) return false;
            const auto time = times_.any(value);
            if (time.used != value.size()) return false;
            record_.time_ns = time.ns;
            return log_like_ = true;
        }
        case FieldRole::level:
        case FieldRole::level_otel:
        case FieldRole::level_python:
            return take_level(role, value, type);
        case FieldRole::message:
            return take_message(3, key, value);
        case FieldRole::event:
            return take_message(2, key, value);
        case FieldRole::body:
            return take_message(1, key, value);
        case FieldRole::logger:
            return take_logger(2, key, value);
        case FieldRole::name:
            return type == AttributeType::string && take_logger(1, key, value);
        case FieldRole::thread:
            return set(record_.thread, value);
        case FieldRole::trace_id:
            return record_.trace_id.empty() && take_trace_id(value, record_.trace_id);
        case FieldRole::span_id:
            return record_.span_id.empty() && take_span_id(value, record_.span_id);
        case FieldRole::traceparent:
            return value.size() >= 55 && value[2] == '-' && value[35] == '-' && record_.trace_id.empty() &&
                   take_trace_id(value.substr(3, 32), record_.trace_id) &&
                   take_span_id(value.substr(36, 16), record_.span_id);
        case FieldRole::request_id:
            return take_request_id(2, key, value);
        case FieldRole::correlation_id:
            return take_request_id(1, key, value);
        case FieldRole::stack:
            return type != AttributeType::boolean && set(record_.exception.stack, value);
        case FieldRole::exception_type:
            return set(record_.exception.type, value);
        case FieldRole::exception_message:
            return set(record_.exception.message, value);
        default:
            keep_access(role, value);
            return false;
    }
}

bool RecordFields::take_message(std::uint8_t rank, std::string_view key, std::string_view value) {
    log_like_ = true;
    if (rank <= message_rank_) return false;
    if (message_rank_ > 0) record_.add_attribute(message_key_, record_.message);
    record_.message = value, message_key_ = key, message_rank_ = rank;
    return true;
}

bool RecordFields::take_logger(std::uint8_t rank, std::string_view key, std::string_view value) {
    if (rank <= logger_rank_) return false;
    if (logger_rank_ > 0) record_.add_attribute(logger_key_, record_.logger);
    record_.logger = value, logger_key_ = key, logger_rank_ = rank;
    return true;
}

bool RecordFields::take_request_id(std::uint8_t rank, std::string_view key, std::string_view value) {
    if (rank <= request_rank_ || value.size() > 64 || !is_visible(value)) return false;
    if (request_rank_ > 0) record_.add_attribute(request_key_, request_value_);
    record_.request_id.assign(value);
    request_key_ = key, request_value_ = value, request_rank_ = rank;
    return true;
}

// A word says more than a number, so it wins; the number stays an attribute then.
bool RecordFields::take_level(FieldRole role, std::string_view value, AttributeType type) {
    if (type == AttributeType::string) {
        const auto severity = severity_from_word(value);
        if (severity == Severity::unknown && role != FieldRole::level) return false;
        if (severity == Severity::unknown || !record_.severity_text.empty()) return false;
        record_.severity = severity, record_.severity_text = value;
        return log_like_ = true;
    }
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size()) return false;
    if (record_.severity != Severity::unknown) return false;
    if (role == FieldRole::level_otel)
        record_.severity = severity_from_otel(number);
    else if (role == FieldRole::level_python)
        record_.severity = severity_from_python(number);
    else
        record_.severity = number % 10 == 0 ? severity_from_pino(number) : severity_from_otel(number);
    if (record_.severity != Severity::unknown) log_like_ = true;
    return record_.severity != Severity::unknown;
}

void RecordFields::keep_access(FieldRole role, std::string_view value) {
    auto& access = record_.access;
    if (role == FieldRole::method)
        access.method = value;
    else if (role == FieldRole::path)
        access.path = value;
    else if (role == FieldRole::client)
        access.client = value;
    else if (std::uint16_t status = 0; value.size() == 3)
        if (std::from_chars(value.data(), value.data() + 3, status).ec == std::errc{} && status >= 100)
            access.status = status;
}

}  // namespace sonde
