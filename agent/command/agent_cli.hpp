#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "agent/http/client.hpp"

namespace sonde {

// Which running agent a subcommand asks, as the command line says it.
class AgentCli {
public:
    void add_to(CLI::App& command);
    // Once the line is parsed. Errors: the token's file cannot be read.
    Result<ClientOptions> client() const;

private:
    ClientOptions options_;
    std::string token_file_;
};

}  // namespace sonde
