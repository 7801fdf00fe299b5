// Any bytes as a configuration: read, checked, shown; what is good and shown is good again and the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/config/document.hpp"
#include "agent/config/reader.hpp"
#include "agent/config/sections.hpp"
#include "agent/config/show.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    const auto& fields = config_schema().fields;
    const auto read = [&](std::string_view yaml, Config& config) {
        std::vector<ConfigFinding> findings;
        ConfigOrigins origins;
        const auto tree = parse_document(yaml, "fuzz", findings);
        read_fields(tree, fields, &config, findings, origins);
        if (findings.size() > max_findings + 2) std::abort();
        return findings.empty();
    };
    Config config, again;
    if (!read({reinterpret_cast<const char*>(data), size}, config)) return 0;
    const auto shown = show_config(config);
    if (!read(shown, again) || !differences(config, again).empty()) std::abort();
    return 0;
}
