#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/command/doctor.hpp"
#include "agent/command/query.hpp"
#include "agent/command/tail.hpp"
#include "agent/command/top.hpp"
#include "agent/config/load.hpp"
#include "agent/http/client.hpp"
#include "agent/redact/policy.hpp"

// The subcommands. Each returns the program's exit code and has said on stderr what went wrong.
namespace sonde {

// request: where config came from; it is followed while the agent runs.
int run_command(const Config& config, const ConfigRequest& request);
int record_command(const Config& config, const std::string& file, double seconds);
int replay_command(const Config& config, const std::string& file);
int doctor_command(const DoctorOptions& options);
// What the policy would redact in a file of sample lines, and by which rule; prints no secret.
int explain_redaction_command(const std::string& file, std::shared_ptr<const RedactionPolicy> policy);

struct CheckConfigOptions {
    ConfigRequest request;
    std::string sample_file;  // explain its redaction; empty: no
    bool show = false;        // the configuration as it would hold
    bool schema = false;      // JSON Schema
    bool docs = false;        // docs/configuration.md
};
int check_config_command(const CheckConfigOptions& options);
// All findings on stderr, one a line; returns the exit code.
int report(const std::vector<ConfigFinding>& findings);
// Live tables of a running agent's endpoints and processes.
int top_command(const TopOptions& options);
// Its transactions as they come.
int tail_command(const TailOptions& options);
// Questions about events files.
int query_command(const QueryOptions& options);
int version_command();

// Silences of a running agent.
struct SilenceOptions {
    ClientOptions agent;
    std::string rule, severity;       // empty: any
    std::vector<std::string> labels;  // NAME=VALUE
    std::string duration = "1h";
    std::string reason, author;
    std::string id;  // of the one to end
};
int silence_add_command(const SilenceOptions& options);
int silence_list_command(const SilenceOptions& options);
int silence_end_command(const SilenceOptions& options);
// Alerts of a running agent, one a line.
int alert_list_command(const ClientOptions& agent);
// The rules of the configuration as Prometheus alerting rules, on stdout.
int alert_rules_command(const Config& config);
// Sends a test through each notifier of the configuration, or through the one that is named.
int alert_test_command(const Config& config, const std::string& notifier);

}  // namespace sonde
