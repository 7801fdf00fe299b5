#include <cstdio>

#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/config/reference.hpp"
#include "agent/config/show.hpp"
#include "agent/http/tls.hpp"

namespace sonde {

int report(const std::vector<ConfigFinding>& findings) {
    for (const auto& finding : findings) say(finding.text());
    if (findings.size() > 1)
        std::fprintf(stderr, "sonde: the configuration has %zu errors%s\n", findings.size(),
                     findings.size() >= max_findings ? " or more" : "");
    return 2;
}

int check_config_command(const CheckConfigOptions& options) {
    if (options.schema || options.docs) {
        std::fputs((options.schema ? configuration_json_schema() : configuration_reference()).c_str(), stdout);
        return 0;
    }
    const auto loaded = load_config(options.request);
    if (!loaded.findings.empty()) return report(loaded.findings);
    if (!options.sample_file.empty()) {
        const auto policies = RedactionPolicySet::build(loaded.config.redaction);
        if (!policies) return report(policies.error());
        return explain_redaction_command(options.sample_file, (*policies)->common().front().policy);
    }
    if (options.show) {
        std::fputs(show_config(loaded.config, loaded.origins).c_str(), stdout);
        return 0;
    }
    if (loaded.config.http.tls.is_on())
        if (const auto certificate = TlsCertificate::open(loaded.config.http.tls); !certificate)
            return report(certificate.error());
    std::printf("%s: good, %zu settings differ from the defaults\n",
                options.request.file.empty() ? "configuration" : options.request.file.c_str(),
                differences(Config{}, loaded.config).size());
    return 0;
}

}  // namespace sonde
