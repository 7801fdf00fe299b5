#pragma once

#include <string>

#include "agent/command/doctor.hpp"
#include "agent/command/query.hpp"
#include "agent/command/tail.hpp"
#include "agent/command/top.hpp"
#include "agent/config/config.hpp"

// The subcommands. Each returns the program's exit code and has said on stderr what went wrong.
namespace sonde {

int run_command(const Config& config);
int record_command(const Config& config, const std::string& file, double seconds);
int replay_command(const Config& config, const std::string& file);
int doctor_command(const DoctorOptions& options);
// What would be redacted in a file of sample lines, and by which rule; prints no secret.
int explain_redaction_command(const std::string& file);
// Live tables of a running agent's endpoints and processes.
int top_command(const TopOptions& options);
// Its transactions as they come.
int tail_command(const TailOptions& options);
// Questions about events files.
int query_command(const QueryOptions& options);
int version_command();

}  // namespace sonde
