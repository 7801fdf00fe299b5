// The alerts' state file and the body of a silence. What is read as a state is written and read again as the same.
#include <cstdlib>
#include <string_view>

#include "agent/alert/alert_state_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto state = sonde::read_alert_state(text)) {
        const auto written = sonde::write_alert_state(*state);
        const auto again = sonde::read_alert_state(written);
        if (!again || sonde::write_alert_state(*again) != written) std::abort();
    }
    if (auto silence = sonde::parse_alert_silence(text, 1)) {
        sonde::AlertSilences silences;
        if (silences.add(*silence, 1)) {
            sonde::AlertInfo info;
            info.rule = "http_5xx";
            (void)silences.silencing(info, 2);
        }
    }
    return 0;
}
