// Wiring of the command line only; each subcommand lives in agent/command/.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "agent/command/alert_cli.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/reading_cli.hpp"
#include "agent/command/terminal.hpp"

namespace {

// Options that set a key of the configuration, beside --config and --set. What was given is applied last, and again at
// every reload.
class ConfigOptions {
public:
    void add_file(CLI::App& command) {
        command.add_option("--config", request_.file, "YAML file; all settings: docs/configuration.md");
        add_set(command);
    }
    void add_set(CLI::App& command) {
        command
            .add_option_function<std::vector<std::string>>(
                "--set",
                [this](const std::vector<std::string>& settings) {
                    for (const auto& setting : settings) sets_.push_back(sonde::parse_set(setting));
                },
                "One setting, KEY=VALUE; repeatable")
            ->check(
                [](const std::string& text) -> std::string {
                    return text.find('=') == std::string::npos || text[0] == '=' ? text + " is not KEY=VALUE" : "";
                },
                "KEY=VALUE");
    }
    // unit: what the configuration wants behind the option's number.
    CLI::Option* add(CLI::App& command, const std::string& name, const std::string& key, const std::string& help,
                     const std::string& unit = {}) {
        return command.add_option_function<std::string>(
            name,
            [=, this](const std::string& text) {
                named_.push_back({key, text + unit, name});
            },
            help);
    }
    void add_flag(CLI::App& command, const std::string& name, const std::string& key, const std::string& help) {
        command.add_flag_callback(
            name,
            [=, this] {
                named_.push_back({key, "true", name});
            },
            help);
    }
    void add_probe(CLI::App& command) {
        add(command, "--capture-bytes", "capture.head", "Payload bytes captured per request and response head (512)");
        add(command, "--ring-kib", "ring.size", "Size of the kernel's ring buffer in KiB, a power of two (8192)",
            "KiB");
    }
    void add_events(CLI::App& command) {
        add(command, "--events", "events.directory", "Directory for the JSON-lines file transactions.jsonl");
    }
    void add_listen(CLI::App& command) {
        add(command, "--listen", "http.listen", "HOST:PORT of /metrics, /healthz and /readyz (127.0.0.1:9745)");
    }
    void add_processes(CLI::App& command) {
        command.add_option(
            "--process", processes_,
            "Command name (as in /proc/PID/comm) whose processes get resource series of their own; repeatable");
    }

    [[nodiscard]] sonde::ConfigRequest request() const {
        auto all = request_;
        all.environment = sonde::config_environment(environ);
        all.overrides = sets_;
        all.overrides.insert(all.overrides.end(), named_.begin(), named_.end());
        std::string list;
        for (const auto& process : processes_) list += (list.empty() ? "" : ",") + process;
        if (!list.empty()) all.overrides.push_back({"resources.processes", list, "--process"});
        return all;
    }
    void set_file(const std::string& file) { request_.file = file; }

private:
    sonde::ConfigRequest request_;
    std::vector<sonde::ConfigOverride> sets_;
    std::vector<sonde::ConfigOverride> named_;
    std::vector<std::string> processes_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"sonde tells what every HTTP endpoint on this machine costs and why it is slow."};
    app.require_subcommand(1);
    ConfigOptions options;
    std::string file;
    double seconds = 0;

    auto* run = app.add_subcommand("run", "Watch this machine");
    options.add_file(*run);
    options.add_probe(*run);
    options.add_events(*run);
    options.add_listen(*run);
    options.add(*run, "--token-file", "http.token_file",
                "File whose first line is the bearer token that requests must carry");
    options.add_flag(*run, "--allow-anonymous", "http.allow_anonymous",
                     "Listen on an address that others reach although there is no token");
    options.add(*run, "--interval", "terminal.interval", "Seconds between two pictures of the table (1)", "s");
    options.add(*run, "--resource-interval", "resources.interval",
                "Seconds between two readings of what processes and the machine use (5)", "s");
    options.add_processes(*run);

    auto* record = app.add_subcommand("record", "Write what the kernel sends to a file, secrets masked");
    record->add_option("file", file, "The recording")->required();
    record->add_option("--seconds", seconds, "Stop after so many seconds; 0: at Ctrl-C")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    options.add_file(*record);
    options.add_probe(*record);

    auto* replay = app.add_subcommand("replay", "Run the whole pipeline on a recording; needs no privilege");
    replay->add_option("file", file, "The recording")->required();
    options.add_file(*replay);
    options.add_events(*replay);

    auto* doctor = app.add_subcommand("doctor", "Tell what this machine allows, and what is missing");
    options.add_file(*doctor);
    options.add_probe(*doctor);
    options.add_listen(*doctor);
    options.add_events(*doctor);
    options.add(*doctor, "--token-file", "http.token_file",
                "File whose first line is the running agent's bearer token");
    bool as_json = false;
    doctor->add_flag("--json", as_json, "JSON instead of lines");
    bool bench = false;
    doctor->add_flag("--bench", bench,
                     "Measure what ring, pipeline and file sink do on this machine, in seven seconds");

    sonde::CheckConfigOptions check_options;
    auto* check = app.add_subcommand("check-config", "Tell what a configuration does before it runs");
    check->add_option("file", file, "The YAML file; without it, defaults, environment and --set");
    options.add_set(*check);
    check->add_flag("--show", check_options.show, "Show what would hold and where it comes from, secrets masked");
    check->add_option("--explain-redaction", check_options.sample_file,
                      "Sample lines: show what would be redacted, and by which rule");
    check->add_flag("--schema", check_options.schema, "Print the JSON Schema");
    check->add_flag("--docs", check_options.docs, "Print docs/configuration.md");

    sonde::ReadingCommands reading(app);
    sonde::AlertCommands alerts(app);
    options.add_file(*alerts.test());
    options.add_file(*alerts.rules());

    auto* version = app.add_subcommand("version", "Print the version");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (const auto code = reading.run()) return *code;
    if (const auto code = alerts.run()) return *code;
    if (version->parsed()) return sonde::version_command();
    if (check->parsed()) {
        options.set_file(file);
        check_options.request = options.request();
        return sonde::check_config_command(check_options);
    }
    const auto loaded = sonde::load_config(options.request());
    if (!loaded.findings.empty()) return sonde::report(loaded.findings);
    if (alerts.rules()->parsed()) return sonde::alert_rules_command(loaded.config);
    if (alerts.test()->parsed()) return alerts.run_test(loaded.config);
    if (run->parsed()) return sonde::run_command(loaded.config, options.request());
    if (record->parsed()) return sonde::record_command(loaded.config, file, seconds);
    if (replay->parsed()) return sonde::replay_command(loaded.config, file);
    if (doctor->parsed()) return sonde::doctor_command({loaded.config, loaded.config.http.token, as_json, bench});
    return 2;
}
