#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sinks/file/rotation.hpp"

// A name that is taken for a rotated file's is exactly the one that a rotation gives: what is deleted is ours.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view name(reinterpret_cast<const char*>(data), size);
    const auto file = sonde::parse_rotated_name("transactions", name);
    if (!file) return 0;
    auto expected = sonde::rotated_name("transactions", file->stamp_ms);
    expected += sonde::suffix_of(file->compression);
    if (file->partial) expected += ".tmp";
    if (expected != name || file->name != name) std::abort();
    return 0;
}
