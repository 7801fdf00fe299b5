#include "agent/command/agent_cli.hpp"

#include "agent/config/regular_file.hpp"

namespace sonde {

void AgentCli::add_to(CLI::App& command) {
    command.add_option("--connect", options_.address, "HOST:PORT of the running agent; https://HOST:PORT with TLS")
        ->capture_default_str();
    command.add_option("--certificate", options_.certificate_file,
                       "PEM file: the agent's own certificate; whoever holds its key is asked, with TLS");
    command.add_option("--token-file", token_file_, "File whose first line is the agent's bearer token");
}

Result<ClientOptions> AgentCli::client() const {
    auto out = options_;
    if (token_file_.empty()) return out;
    auto token = read_secret_file(token_file_);
    if (!token) return token.error();
    out.token = std::move(*token);
    return out;
}

}  // namespace sonde
