#include <chrono>

#include "agent/config/sections.hpp"

namespace sonde {
namespace {

using std::chrono::milliseconds;

std::string wrong_command_name(const std::string& name) {
    constexpr std::size_t longest = 15;  // TASK_COMM_LEN without its NUL
    if (name.empty() || name.size() > longest) return "a command name has 1 to 15 bytes, found '" + name + "'";
    return {};
}

std::string wrong_pattern(const std::string& pattern) {
    if (!pattern.starts_with('/'))
        return "expected a path from the root on, with * and ? in it, found '" + pattern + "'";
    return {};
}

Choices<std::optional<LogFormat>> format_choices() {
    Choices<std::optional<LogFormat>> out{{"detect", std::nullopt}};
    for (std::size_t i = 0; i < log_format_count; ++i)
        out.emplace_back(std::string(log_format_names[i]), static_cast<LogFormat>(i));
    return out;
}

void describe_capture_of_logs(Section<LogCaptureOptions>& s) {
    s.boolean("enabled", &LogCaptureOptions::enabled, "Whether lines are taken from the kernel at all.");
    s.size("write", &LogCaptureOptions::write_bytes, "Captured of one write call, however many lines it holds.")
        .range("64B", "16KiB");
    s.size("line", &LogCaptureOptions::line_bytes, "Kept of one line.").range("64B", "16KiB");
    s.integer("max_processes", &LogCaptureOptions::max_processes, "Watched at a time.").range(1, 1024);
    s.texts("processes", &LogCaptureOptions::processes,
            "Command names (as in /proc/PID/comm) of processes that are watched although they serve no HTTP.")
        .at_most(256)
        .check(wrong_command_name);
}

void describe_files(Section<LogFiles>& s) {
    s.text("pattern", &LogFiles::pattern, "Files, as glob(7) writes them; files and folders may come later.")
        .required()
        .check(wrong_pattern);
    s.choice("format", &LogFiles::format, format_choices(), "Of the lines; detect: each line tells.");
    s.choice("container", &LogFiles::container,
             Choices<ContainerFormat>{{"detect", ContainerFormat::detect},
                                      {"none", ContainerFormat::none},
                                      {"cri", ContainerFormat::cri},
                                      {"docker", ContainerFormat::docker}},
             "What a container's runtime wrote around each line; detect: a file's first line tells.");
    s.text("service", &LogFiles::service, "Whose lines they are. Empty: not said.");
    s.boolean("multiline", &LogFiles::multiline, "Join the lines of a traceback into one record.");
}

}  // namespace

void describe_logs(Section<Config>& config) {
    config.object("logs", &Config::logs, "Log lines, and how they meet their requests (correlation.md).", [](auto& s) {
        s.object("capture", &LogsOptions::capture, "What processes that serve HTTP write to their logs.",
                 describe_capture_of_logs);
        s.objects(
             "files", [](LogsOptions & logs) -> auto& { return logs.tail.files; },
             "Files that are followed; a file belongs to the first pattern that matches.", describe_files)
            .at_most(64);
        s.text(
            "checkpoint", [](LogsOptions & logs) -> auto& { return logs.tail.checkpoint_path; },
            "File that remembers how far each file was read. Empty: nothing is remembered.");
        s.boolean(
            "from_beginning", [](LogsOptions & logs) -> auto& { return logs.tail.from_beginning; },
            "Read what is in the files when sonde sees them for the first time.");
        s.size(
             "line", [](LogsOptions & logs) -> auto& { return logs.tail.line_bytes_max; },
             "Longest line of a file; a longer one is cut and marked.")
            .range("4KiB", "16MiB");
        s.duration(
             "drop_after", [](LogsOptions & logs) -> auto& { return logs.tail.drop_after_ms; }, milliseconds(1),
             "A line of a file that no sink took for so long is dropped, and counted.")
            .range("10ms", "1h")
            .zero("it is waited for, without loss");
        s.duration("late", &LogsOptions::late_ms, milliseconds(1), "A line may come so long after its response.")
            .range("0ms", "10s");
        s.integer("lines_per_request", &LogsOptions::lines_per_request, "Shown with one transaction; more are counted.")
            .range(1, 1000);
        s.texts("attributes", &LogsOptions::attributes, "Fields of lines that become attributes of their transaction.")
            .at_most(64);
        s.texts("ignored_attributes", &LogsOptions::ignored_attributes,
                "Fields that are taken off every line; trace_id, span_id, request_id: these ids, too.")
            .at_most(64);
    });
}

}  // namespace sonde
