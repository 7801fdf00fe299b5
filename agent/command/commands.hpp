#pragma once

#include <string>

#include "agent/config/config.hpp"

// The subcommands. Each returns the program's exit code and has said on stderr what went wrong.
namespace sonde {

int run_command(const Config& config);
int record_command(const Config& config, const std::string& file, double seconds);
int replay_command(const Config& config, const std::string& file);
int doctor_command(const Config& config);
int version_command();

}  // namespace sonde
