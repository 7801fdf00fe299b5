#include "agent/config/sections.hpp"
#include "agent/config/unit.hpp"

namespace sonde {
namespace {

std::string wrong_ring(const std::string& text) {
    const auto bytes = parse_size(text).value_or(0);
    if ((bytes & (bytes - 1)) != 0) return "expected a power of two (4KiB, 8MiB, …), found '" + text + "'";
    return {};
}

}  // namespace

void describe_capture(Section<Config>& config) {
    config.group("capture", "What the kernel sends of each message.", [](auto& s) {
        s.size("head", &Config::capture_bytes, "Payload bytes of each request and response head; a longer head is cut.")
            .range("64B", "4KiB");
    });
    config.group("ring", "The ring between kernel and agent.", [](auto& s) {
        s.size("size", &Config::ring_kib, "A power of two. What does not fit is lost, and counted.", 1024)
            .range("4KiB", "1GiB")
            .check(wrong_ring);
    });
}

}  // namespace sonde
