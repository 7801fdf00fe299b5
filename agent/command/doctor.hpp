#pragma once

#include "agent/config/config.hpp"
#include "agent/http/client.hpp"

namespace sonde {

// `sonde doctor`, as the command line says it.
struct DoctorOptions {
    Config config;      // listen: the agent that is asked, or the port that must be free; events_directory: test write
    std::string token;  // of the running agent
    bool json = false;
    bool bench = false;  // measure this machine instead of checking it
};

}  // namespace sonde
