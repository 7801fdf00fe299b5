#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "agent/command/agent_cli.hpp"
#include "agent/command/query.hpp"
#include "agent/command/tail.hpp"
#include "agent/command/top.hpp"

namespace sonde {

// The subcommands that only read: top and tail from a running agent, query from files.
class ReadingCommands {
public:
    explicit ReadingCommands(CLI::App& app);
    ReadingCommands(const ReadingCommands&) = delete;
    ReadingCommands& operator=(const ReadingCommands&) = delete;

    // The exit code of the one that the command line named; nothing: another subcommand.
    std::optional<int> run();

private:
    void add_top(CLI::App& app);
    void add_tail(CLI::App& app);
    void add_query(CLI::App& app);

    TopOptions top_options_;
    TailOptions tail_options_;
    QueryOptions query_options_;
    AgentCli agent_;
    CLI::App* top_ = nullptr;
    CLI::App* tail_ = nullptr;
    CLI::App* query_ = nullptr;
};

}  // namespace sonde
