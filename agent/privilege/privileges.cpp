#include "agent/privilege/privileges.hpp"

#include <linux/capability.h>

#include "agent/privilege/capabilities.hpp"

namespace sonde {

PrivilegePlan plan_privileges(const std::vector<std::string>& written, bool chowns) {
    PrivilegePlan plan{kept_capabilities(), {}};
    const auto have = effective_capabilities();
    const auto keep = [&](unsigned number, const std::string& why) {
        const auto mask = std::uint64_t{1} << number;
        if ((have & mask) == 0 || (plan.kept & mask) != 0) return;
        plan.kept |= mask;
        plan.notes.push_back("keeps " + capability_names(mask) + ": " + why);
    };
    for (const auto& directory : written)
        if (!directory.empty() && needs_dac_override(directory))
            keep(CAP_DAC_OVERRIDE, directory + " is another user's");
    if (chowns) keep(CAP_CHOWN, "files get another owner");
    return plan;
}

}  // namespace sonde
