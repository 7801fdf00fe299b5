#include "agent/config/nearest.hpp"

#include <algorithm>
#include <vector>

namespace sonde {
namespace {

// Longer words are no slips of a finger, and the table below is their product.
constexpr std::size_t longest_word = 64;

std::string folded(std::string_view word) {
    std::string out(word);
    for (auto& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
        if (c == '-') c = '_';
    }
    return out;
}

// Optimal string alignment: Levenshtein's distance with swaps of neighbours.
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> table(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) table[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) table[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
            auto& cell = table[i][j];
            cell = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + changed});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cell = std::min(cell, table[i - 2][j - 2] + 1);
        }
    return table[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
    if (word.size() > longest_word) return {};
    const auto wanted = folded(word);
    std::string best;
    std::size_t fewest = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        if (candidate.size() > longest_word) continue;
        const auto distance = edits(wanted, folded(candidate));
        if (distance < fewest) {
            fewest = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace sonde
