#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "agent/command/agent_cli.hpp"
#include "agent/command/commands.hpp"

namespace sonde {

// `sonde silence` and `sonde alert`.
class AlertCommands {
public:
    explicit AlertCommands(CLI::App& app);
    // `sonde alert test` and `sonde alert rules`, which need the configuration.
    [[nodiscard]] CLI::App* test() { return test_; }
    [[nodiscard]] CLI::App* rules() { return rules_; }
    // Exit code; nothing: none of those that ask a running agent was called.
    std::optional<int> run();
    int run_test(const Config& config) { return alert_test_command(config, notifier_); }

private:
    void add_silence(CLI::App& app);

    SilenceOptions options_;
    AgentCli agent_;
    std::string notifier_;
    CLI::App *add_ = nullptr, *list_ = nullptr, *end_ = nullptr, *alerts_ = nullptr, *test_ = nullptr,
             *rules_ = nullptr;
};

}  // namespace sonde
