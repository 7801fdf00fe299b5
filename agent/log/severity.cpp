#include "agent/log/severity.hpp"

#include <array>

#include "agent/log/text_cursor.hpp"

namespace sonde {
namespace {

constexpr std::size_t word_max = 13;

struct Word {
    std::string_view text;
    Severity severity;
};

// by length first, then first letter: at most a few comparisons for each word asked
constexpr std::array words{Word{"t", Severity::trace},         Word{"d", Severity::debug},
                           Word{"i", Severity::info},          Word{"n", Severity::info},
                           Word{"w", Severity::warn},          Word{"e", Severity::error},
                           Word{"f", Severity::fatal},         Word{"c", Severity::fatal},
                           Word{"err", Severity::error},       Word{"dbg", Severity::debug},
                           Word{"inf", Severity::info},        Word{"wrn", Severity::warn},
                           Word{"trc", Severity::trace},       Word{"ftl", Severity::fatal},
                           Word{"dbug", Severity::debug},      Word{"eror", Severity::error},
                           Word{"info", Severity::info},       Word{"warn", Severity::warn},
                           Word{"crit", Severity::fatal},      Word{"fine", Severity::debug},
                           Word{"trace", Severity::trace},     Word{"debug", Severity::debug},
                           Word{"error", Severity::error},     Word{"fatal", Severity::fatal},
                           Word{"panic", Severity::fatal},     Word{"alert", Severity::fatal},
                           Word{"emerg", Severity::fatal},     Word{"finer", Severity::trace},
                           Word{"notice", Severity::info},     Word{"severe", Severity::error},
                           Word{"finest", Severity::trace},    Word{"dpanic", Severity::fatal},
                           Word{"config", Severity::debug},    Word{"warning", Severity::warn},
                           Word{"success", Severity::info},    Word{"verbose", Severity::debug},
                           Word{"critical", Severity::fatal},  Word{"emergency", Severity::fatal},
                           Word{"exception", Severity::error}, Word{"informational", Severity::info}};

}  // namespace

Severity severity_from_word(std::string_view word) {
    if (word.empty() || word.size() > word_max) return Severity::unknown;
    std::array<char, word_max> lower;
    for (std::size_t i = 0; i < word.size(); ++i) lower[i] = to_lower(word[i]);
    const std::string_view asked(lower.data(), word.size());
    for (const auto& known : words)
        if (known.text.size() == asked.size() && known.text.front() == asked.front() && known.text == asked)
            return known.severity;
    return Severity::unknown;
}

Severity severity_from_pino(int level) {
    if (level < 10 || level > 99) return Severity::unknown;
    constexpr std::array<Severity, 6> levels{Severity::trace, Severity::debug, Severity::info,
                                             Severity::warn,  Severity::error, Severity::fatal};
    return levels[static_cast<std::size_t>(level >= 60 ? 5 : level / 10 - 1)];
}

Severity severity_from_python(int level) {
    if (level < 1 || level > 99) return Severity::unknown;
    constexpr std::array<Severity, 6> levels{Severity::trace, Severity::debug, Severity::info,
                                             Severity::warn,  Severity::error, Severity::fatal};
    return levels[static_cast<std::size_t>(level >= 50 ? 5 : level / 10)];
}

Severity severity_from_otel(int number) {
    if (number < 1 || number > 24) return Severity::unknown;
    return static_cast<Severity>((number - 1) / 4 + 1);
}

}  // namespace sonde
