// Wiring of the command line only; each subcommand lives in agent/command/.
#include <CLI/CLI.hpp>

#include "agent/command/commands.hpp"
#include "agent/command/reading_cli.hpp"
#include "agent/command/terminal.hpp"
#include "agent/http/access.hpp"

namespace {

void add_probe_options(CLI::App& command, sonde::Config& config) {
    command.add_option("--capture-bytes", config.capture_bytes, "Payload bytes captured per request and response head")
        ->check(CLI::Range(64U, 4096U))
        ->capture_default_str();
    command.add_option("--ring-kib", config.ring_kib, "Size of the kernel's ring buffer in KiB, a power of two")
        ->check(CLI::Range(4U, 1U << 20))
        ->check(
            [](const std::string& text) -> std::string {
                const auto value = std::strtoul(text.c_str(), nullptr, 10);
                return (value & (value - 1)) == 0 ? "" : text + " is not a power of two";
            },
            "power of two", "power of two")
        ->capture_default_str();
}

void add_output_options(CLI::App& command, sonde::Config& config) {
    command.add_option("--events", config.events_directory, "Directory for the JSON-lines file transactions.jsonl");
}

void add_listen_option(CLI::App& command, sonde::Config& config) {
    command.add_option("--listen", config.listen, "HOST:PORT of /metrics, the API, /healthz and /readyz")
        ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"sonde tells what every HTTP endpoint on this machine costs and why it is slow."};
    app.require_subcommand(1);
    sonde::Config config;
    std::string file, token_file;
    double seconds = 0;

    auto* run = app.add_subcommand("run", "Watch this machine");
    add_probe_options(*run, config);
    add_output_options(*run, config);
    add_listen_option(*run, config);
    run->add_option("--token-file", token_file, "File whose first line is the bearer token that requests must carry");
    run->add_flag("--allow-anonymous", config.http.allow_anonymous,
                  "Listen on an address that others reach although there is no token");
    run->add_option("--interval", config.interval_s, "Seconds between two pictures of the table")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();

    run->add_option("--resource-interval", config.resource_interval_s,
                    "Seconds between two readings of what processes and the machine use")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();

    run->add_option("--process", config.processes,
                    "Command name (as in /proc/PID/comm) whose processes get resource series of their own; repeatable");

    auto* record = app.add_subcommand("record", "Write what the kernel sends to a file, secrets masked");
    record->add_option("file", file, "The recording")->required();
    record->add_option("--seconds", seconds, "Stop after so many seconds; 0: at Ctrl-C")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    add_probe_options(*record, config);

    auto* replay = app.add_subcommand("replay", "Run the whole pipeline on a recording; needs no privilege");
    replay->add_option("file", file, "The recording")->required();
    add_output_options(*replay, config);

    auto* doctor = app.add_subcommand("doctor", "Tell what this machine allows, and what is missing");
    add_probe_options(*doctor, config);
    add_listen_option(*doctor, config);
    add_output_options(*doctor, config);
    bool as_json = false;
    doctor->add_option("--token-file", token_file, "File whose first line is the running agent's bearer token");
    doctor->add_flag("--json", as_json, "JSON instead of lines");

    auto* check = app.add_subcommand("check-config", "Tell what a configuration does before it runs");
    check->add_option("--explain-redaction", file, "Sample lines: show what would be redacted, and by which rule")
        ->required();

    sonde::ReadingCommands reading(app);

    auto* version = app.add_subcommand("version", "Print the version");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (!token_file.empty()) {
        auto token = sonde::read_token(token_file);
        if (!token) return sonde::report(token.error());
        config.http.token = std::move(*token);
    }
    if (const auto code = reading.run()) return *code;
    if (run->parsed()) return sonde::run_command(config);
    if (record->parsed()) return sonde::record_command(config, file, seconds);
    if (replay->parsed()) return sonde::replay_command(config, file);
    if (doctor->parsed()) return sonde::doctor_command({config, config.http.token, as_json});
    if (check->parsed()) return sonde::explain_redaction_command(file);
    if (version->parsed()) return sonde::version_command();
    return 2;
}
