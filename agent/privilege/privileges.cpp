#include "agent/privilege/privileges.hpp"

#include <linux/capability.h>

#include "agent/privilege/capabilities.hpp"

namespace sonde {

void keep_also(PrivilegePlan& plan, unsigned capability, const std::string& why) {
    const auto mask = std::uint64_t{1} << capability;
    if (!has_capability(capability) || (plan.kept & mask) != 0) return;
    plan.kept |= mask;
    plan.notes.push_back("keeps " + capability_names(mask) + ": " + why);
}

PrivilegePlan plan_privileges(const std::vector<std::string>& written, bool chowns) {
    PrivilegePlan plan{kept_capabilities(), {}};
    for (const auto& directory : written)
        if (!directory.empty() && needs_dac_override(directory))
            keep_also(plan, CAP_DAC_OVERRIDE, directory + " is another user's");
    if (chowns) keep_also(plan, CAP_CHOWN, "files get another owner");
    return plan;
}

}  // namespace sonde
