// The query of a request to the agent's own port: anybody who reaches it writes it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/http/access.hpp"
#include "agent/http/request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto query = sonde::Query::parse(text)) {
        if (query->all().size() > sonde::Query::max_parameters) __builtin_trap();
        std::size_t decoded = 0;
        for (const auto& [name, value] : query->all()) {
            decoded += name.size() + value.size();
            if (!query->get(name)) __builtin_trap();
        }
        if (decoded > size) __builtin_trap();
    }
    if (sonde::bears_token(text, "correct-horse") && !text.ends_with("correct-horse")) __builtin_trap();
    (void)sonde::is_local_host_header(text);
    (void)sonde::is_loopback(text);
    return 0;
}
