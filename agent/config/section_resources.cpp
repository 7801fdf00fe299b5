#include "agent/config/sections.hpp"

namespace sonde {

void describe_resources(Section<Config>& config) {
    config.group("resources", "What processes, containers and the machine use.", [](auto& s) {
        s.duration("interval", &Config::resource_interval_s, std::chrono::seconds(1), "Between two readings.")
            .range("100ms", "1h");
        s.boolean("waits", &Config::sample_waits,
                  "Look 20 times a second what the threads that serve requests wait for (waits.md).");
        s.texts("processes", &Config::processes,
                "Command names (as in /proc/PID/comm) whose processes get series of their own in any case.")
            .at_most(256)
            .check([](const std::string& name) -> std::string {
                constexpr std::size_t longest = 15;  // TASK_COMM_LEN without its NUL
                if (name.empty() || name.size() > longest)
                    return "a command name has 1 to 15 bytes, found '" + name + "'";
                return {};
            });
    });
}

}  // namespace sonde
