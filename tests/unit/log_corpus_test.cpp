// Real lines of real servers and loggers under tests/corpus/logs, each file with what must be read from it beside:
// NAME.log and NAME.expected. SONDE_ACCEPT_LOG_CORPUS=1 writes the latter anew, for a reader to judge by its diff.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/log/container_line.hpp"
#include "agent/log/line_parser.hpp"
#include "agent/log/record_assembler.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (static_cast<unsigned char>(c) < ' ')
            out += '?';
        else
            out += c;
    }
    return out;
}

void show(std::ostream& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out << "  " << name << ": " << quoted(value) << '\n';
}

void show_record(std::ostream& out, const LogRecord& record) {
    constexpr std::uint64_t ns_per_s = 1'000'000'000;
    out << to_string(record.format) << ' ' << to_string(record.severity);
    if (record.time_ns > 0) {
        char time[40];
        std::snprintf(time, sizeof time, " %llu.%09llu", static_cast<unsigned long long>(record.time_ns / ns_per_s),
                      static_cast<unsigned long long>(record.time_ns % ns_per_s));
        out << time;
    }
    if (record.has(log_multiline)) out << " multiline";
    if (record.has(log_partial)) out << " partial";
    if (record.source.stream == LogStream::err) out << " stderr";
    out << '\n';
    show(out, "level", record.severity_text);
    show(out, "logger", record.logger);
    show(out, "thread", record.thread);
    show(out, "message", record.message);
    show(out, "trace_id", record.trace_id);
    show(out, "span_id", record.span_id);
    show(out, "request_id", record.request_id);
    show(out, "exception.type", record.exception.type);
    show(out, "exception.message", record.exception.message);
    show(out, "exception.stack", record.exception.stack.substr(0, 60));
    if (record.access.status > 0 || !record.access.method.empty())
        out << "  access: " << record.access.method << ' ' << record.access.path << ' ' << record.access.protocol << ' '
            << record.access.status << ' ' << record.access.client << ' ' << record.access.body_bytes << ' '
            << record.access.duration_ns << '\n';
    for (const auto& attribute : record.attributes) {
        constexpr std::array<std::string_view, 5> types{"string", "number", "boolean", "null", "json"};
        out << "  " << quoted(attribute.key) << " (" << types[static_cast<std::size_t>(attribute.type)]
            << "): " << quoted(attribute.value) << '\n';
    }
}

// Parses what it is handed, and shows it.
struct Shown : RecordTextHandler {
    std::ostringstream out;
    LineParser parser{{.format = {}, .time = {.utc_offset_s = 0}}};
    LogRecord record;
    bool on_text(const LogFileLine& line) override {
        constexpr std::uint64_t now_ns = 1'767'400'000'000'000'000;  // 2026-01-03
        parser.parse(line.text, now_ns, record);
        record.flags |= line.flags;
        record.source.stream = line.stream;
        show_record(out, record);
        return true;
    }
};

std::string parsed(const std::string& text, const std::string& name) {
    Shown shown;
    RecordAssembler out, err;
    DockerFormat docker;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        const auto content = std::string_view(text).substr(at, end - at);
        LogFileLine line{.text = content, .begin = at, .end = end + 1};
        ContainerLine container;
        if ((name == "cri" && parse_cri(content, container)) ||
            (name == "docker" && docker.parse(content, container))) {
            line.text = container.content;
            line.time_ns = container.time_ns;
            line.stream = container.stream;
            line.unfinished = container.partial;
        }
        EXPECT_TRUE((line.stream == LogStream::err ? err : out).feed(line, shown));
        at = end + 1;
    }
    EXPECT_TRUE(out.flush(shown));
    EXPECT_TRUE(err.flush(shown));
    return shown.out.str();
}

TEST(LogCorpus, EveryFileIsReadAsExpected) {
    const fs::path folder = fs::path(SONDE_SOURCE_DIR) / "tests/corpus/logs";
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".log") continue;
        ++files;
        const auto got = parsed(read_file(entry.path()), entry.path().stem());
        auto expected_path = entry.path();
        expected_path.replace_extension(".expected");
        if (std::getenv("SONDE_ACCEPT_LOG_CORPUS")) std::ofstream(expected_path) << got;
        EXPECT_EQ(got, read_file(expected_path)) << entry.path();
    }
    EXPECT_GE(files, 14U);
}

}  // namespace
}  // namespace sonde
