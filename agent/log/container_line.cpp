#include "agent/log/container_line.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

namespace json = boost::json;

// {"log": …, "stream": …, "time": …}, and "attrs", which nobody needs here
struct DockerEvents {
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
    using Code = json::error_code;

    std::string key, log, stream, time;
    std::string* target = nullptr;  // of the value that comes
    std::size_t depth = 0;
    bool has_log = false;

    void begin() {
        key.clear(), log.clear(), stream.clear(), time.clear();
        target = nullptr, depth = 0, has_log = false;
    }
    void select() {
        target = depth != 1        ? nullptr
                 : key == "log"    ? &log
                 : key == "stream" ? &stream
                 : key == "time"   ? &time
                                   : nullptr;
        if (target) target->clear();
        has_log = has_log || target == &log;
        key.clear();
    }
    bool on_document_begin(Code&) { return true; }
    bool on_document_end(Code&) { return true; }
    bool on_object_begin(Code&) { return ++depth; }
    bool on_object_end(std::size_t, Code&) { return --depth, true; }
    bool on_array_begin(Code&) { return ++depth; }
    bool on_array_end(std::size_t, Code&) { return --depth, true; }
    bool on_key_part(json::string_view s, std::size_t, Code&) { return key.append(s.data(), s.size()), true; }
    bool on_key(json::string_view s, std::size_t, Code&) {
        key.append(s.data(), s.size());
        select();
        return true;
    }
    bool on_string_part(json::string_view s, std::size_t, Code&) {
        if (target && depth == 1) target->append(s.data(), s.size());
        return true;
    }
    bool on_string(json::string_view s, std::size_t n, Code& error) { return on_string_part(s, n, error); }
    bool on_number_part(json::string_view, Code&) { return true; }
    bool on_int64(std::int64_t, json::string_view, Code&) { return true; }
    bool on_uint64(std::uint64_t, json::string_view, Code&) { return true; }
    bool on_double(double, json::string_view, Code&) { return true; }
    bool on_bool(bool, Code&) { return true; }
    bool on_null(Code&) { return true; }
    bool on_comment_part(json::string_view, Code&) { return true; }
    bool on_comment(json::string_view, Code&) { return true; }
};

json::parse_options docker_options() {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // Docker replaces it itself; the line's parser looks again
    return options;
}

LogStream stream_of(std::string_view name) {
    return name == "stdout" ? LogStream::out : name == "stderr" ? LogStream::err : LogStream::none;
}

}  // namespace

bool parse_cri(std::string_view line, ContainerLine& out) {
    TimeParser times;
    const auto time = times.date_time(line);
    if (!time || line.size() < 28 || line[10] != 'T') return false;
    TextCursor at(line.substr(time.used));
    if (!at.take(' ')) return false;
    out.stream = stream_of(at.take_word());
    if (out.stream == LogStream::none || !at.take(' ')) return false;
    const auto tags = at.take_word();
    const auto tag = tags.substr(0, tags.find(':'));
    if (tag != "F" && tag != "P") return false;
    at.take(' ');  // an empty line's may be missing
    out.partial = tag == "P";
    out.time_ns = time.ns;
    out.content = at.rest();
    return true;
}

struct DockerFormat::Impl {
    Impl() : parser(docker_options()) {}
    json::basic_parser<DockerEvents> parser;
    TimeParser times;
};

DockerFormat::DockerFormat() : impl_(std::make_unique<Impl>()) {}
DockerFormat::~DockerFormat() = default;

bool DockerFormat::parse(std::string_view line, ContainerLine& out) {
    line = trimmed(line);
    if (!line.starts_with('{')) return false;
    auto& parser = impl_->parser;
    auto& events = parser.handler();
    parser.reset();
    events.begin();
    json::error_code error;
    const auto used = parser.write_some(false, line.data(), line.size(), error);
    if (error || used != line.size() || !events.has_log || events.time.empty()) return false;
    const auto time = impl_->times.date_time(events.time);
    out.stream = stream_of(events.stream);
    if (!time || out.stream == LogStream::none) return false;
    out.time_ns = time.ns;
    out.content = events.log;
    out.partial = !out.content.ends_with('\n');
    if (!out.partial) out.content.remove_suffix(1);
    return true;
}

std::string_view container_id_of_path(std::string_view path) {
    const auto is_id = [](std::string_view text) {
        if (text.size() != 64) return false;
        for (const char c : text)
            if (!is_digit(c) && !(c >= 'a' && c <= 'f')) return false;
        return true;
    };
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return {};
    const auto folder = path.substr(0, slash), name = path.substr(slash + 1);
    const auto parent = folder.substr(folder.rfind('/') + 1);
    if (is_id(parent)) return parent;
    if (name.size() > 68 && name.ends_with(".log") && name[name.size() - 69] == '-' &&
        is_id(name.substr(name.size() - 68, 64)))
        return name.substr(name.size() - 68, 64);
    return {};
}

}  // namespace sonde
