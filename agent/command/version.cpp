#include <cstdio>

#include "agent/command/commands.hpp"
#include "bpf/shared/event.h"

namespace sonde {

int version_command() {
    std::printf("sonde %s (record format %d)\n", SONDE_VERSION, SONDE_ABI_VERSION);
    return 0;
}

}  // namespace sonde
