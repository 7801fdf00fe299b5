#include "agent/redact/word_sets.hpp"

#include <bitset>
#include <utility>

namespace sonde {
namespace {

// Frequency of bytes in log lines, per mille and roughly.
constexpr std::array<float, 256> make_frequencies() {
    std::array<float, 256> all{};
    for (std::size_t c = 0x20; c < 0x7f; ++c) all[c] = 3;
    for (std::size_t c = 'A'; c <= 'Z'; ++c) all[c] = 4;
    for (std::size_t c = '0'; c <= '9'; ++c) all[c] = 20;
    for (const unsigned char c : {'b', 'f', 'g', 'h', 'k', 'p', 'u', 'v', 'w', 'x', 'y'}) all[c] = 10;
    for (const unsigned char c : {'c', 'd', 'l', 'm'}) all[c] = 20;
    for (const unsigned char c : {'a', 'i', 'n', 'o', 'r', 's', 't'}) all[c] = 40;
    all['e'] = 55;
    all[' '] = 80;
    for (const unsigned char c : {'"', '-', '/', ':', '.', '='}) all[c] = 20;
    return all;
}
constexpr auto frequencies = make_frequencies();

// What a set lets through at one position: a low and a high half-byte, each on its own.
struct Position {
    std::bitset<16> low, high;
    Position operator|(const Position& other) const { return {low | other.low, high | other.high}; }
};
using Pattern = std::array<Position, word_table_bytes>;

void enter(Position& position, unsigned char c) {
    position.low.set(c & 15U);
    position.high.set(c >> 4U);
}

Pattern pattern_of(const Word& word) {
    Pattern pattern;
    for (std::size_t k = 0; k < pattern.size(); ++k) {
        if (k >= word.size) {
            pattern[k].low.set();
            pattern[k].high.set();
            continue;
        }
        const auto c = static_cast<unsigned char>(word.bytes >> 8 * k);
        enter(pattern[k], c);
        if ((word.fold >> 8 * k & 0x20U) != 0) enter(pattern[k], c & 0xdfU);
    }
    return pattern;
}

Pattern operator|(const Pattern& a, const Pattern& b) {
    Pattern both;
    for (std::size_t k = 0; k < both.size(); ++k) both[k] = a[k] | b[k];
    return both;
}

// How often it lets something through.
float cost(const Pattern& pattern) {
    float product = 1;
    for (const auto& position : pattern) {
        float sum = 0.1F;
        for (std::size_t high = 0; high < 16; ++high)
            for (std::size_t low = 0; position.high[high] && low < 16; ++low)
                if (position.low[low]) sum += frequencies[high << 4U | low];
        product *= sum / 1000;
    }
    return product;
}

struct Group {
    std::vector<Word> words;
    Pattern pattern;
    float cost = 0;
    std::vector<float> cost_with;  // by index of a later group: of both together, less the costs of each
};

void weigh(std::vector<Group>& groups, std::size_t i, std::size_t j) {
    groups[i].cost_with[j] = cost(groups[i].pattern | groups[j].pattern) - groups[i].cost - groups[j].cost;
}

void merge_cheapest(std::vector<Group>& groups) {
    std::pair best{std::size_t{0}, std::size_t{1}};
    for (std::size_t i = 0; i < groups.size(); ++i)
        for (auto j = i + 1; j < groups.size(); ++j)
            if (groups[i].cost_with[j] < groups[best.first].cost_with[best.second]) best = {i, j};
    const auto [into, from] = best;
    auto& group = groups[into];
    group.words.insert(group.words.end(), groups[from].words.begin(), groups[from].words.end());
    group.pattern = group.pattern | groups[from].pattern;
    group.cost = cost(group.pattern);
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(from));
    for (std::size_t i = 0; i < from; ++i)
        groups[i].cost_with.erase(groups[i].cost_with.begin() + static_cast<std::ptrdiff_t>(from));
    for (auto i = from; i < groups.size(); ++i) groups[i].cost_with.erase(groups[i].cost_with.begin());
    for (std::size_t i = 0; i < into; ++i) weigh(groups, i, into);
    for (auto j = into + 1; j < groups.size(); ++j) weigh(groups, into, j);
}

}  // namespace

WordSets make_word_sets(const std::vector<Word>& words) {
    std::vector<Group> groups;
    for (const auto& word : words) {
        const auto pattern = pattern_of(word);
        groups.push_back({{word}, pattern, cost(pattern), std::vector<float>(words.size())});
    }
    for (std::size_t i = 0; i < groups.size(); ++i)
        for (auto j = i + 1; j < groups.size(); ++j) weigh(groups, i, j);
    WordSets result;
    while (groups.size() > result.sets.size()) merge_cheapest(groups);
    for (std::size_t set = 0; set < groups.size(); ++set) {
        const auto one = static_cast<std::uint8_t>(1U << set);
        for (std::size_t k = 0; k < word_table_bytes; ++k)
            for (std::size_t half = 0; half < 16; ++half) {
                if (groups[set].pattern[k].low[half]) result.tables.low[k][half] |= one;
                if (groups[set].pattern[k].high[half]) result.tables.high[k][half] |= one;
            }
        result.sets[set] = std::move(groups[set].words);
    }
    for (const auto& word : words) {
        const char start[3] = {static_cast<char>(word.bytes), static_cast<char>(word.bytes >> 8),
                               static_cast<char>(word.bytes >> 16)};
        const auto hash = word_start_hash(start);
        result.tables.starts[hash / 64] |= std::uint64_t{1} << hash % 64;
    }
    return result;
}

}  // namespace sonde
