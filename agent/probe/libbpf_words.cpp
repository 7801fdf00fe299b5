#include "agent/probe/libbpf_words.hpp"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdio>

namespace sonde {
namespace {

constexpr std::string_view verifier_prefix = "verifier: ";

std::string& words() {
    static std::string said;
    return said;
}

int remember(enum libbpf_print_level level, const char* format, va_list args) {
    if (level != LIBBPF_WARN) return 0;
    va_list again;
    va_copy(again, args);
    const int size = std::vsnprintf(nullptr, 0, format, args);
    std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, again);
    va_end(again);
    if (text.find("BEGIN PROG LOAD LOG") != std::string::npos) {
        words() = std::string(verifier_prefix) + verifier_reason(text);
    } else if (!words().starts_with(verifier_prefix)) {  // what follows says only that loading failed
        while (!text.empty() && text.back() == '\n') text.pop_back();
        words() = std::move(text);
    }
    return 0;
}

}  // namespace

void listen_to_libbpf() { libbpf_set_print(remember); }

void forget_libbpf_words() { words().clear(); }

const std::string& libbpf_words() { return words(); }

std::string verifier_reason(std::string_view log) {
    std::string_view reason;
    for (std::size_t at = 0; at < log.size();) {
        const auto end = std::min(log.find('\n', at), log.size());
        const auto line = log.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("processed ") || line.starts_with("-- END")) break;
        if (!line.empty() && !line.starts_with("--") && line.find("BEGIN PROG LOAD LOG") == std::string_view::npos)
            reason = line;
    }
    return std::string(reason);
}

}  // namespace sonde
