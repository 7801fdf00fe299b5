// Precision and recall of each rule on the corpus that tests/corpus/make_redaction_corpus.py makes.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/redact/redactor.hpp"

namespace sonde {
namespace {

struct Line {
    std::string label;   // "-": nothing may be found
    std::string secret;  // or the rule that is tempted
    std::string text;
};

std::vector<Line> read_corpus() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> script(
        ::popen("/usr/bin/python3 " SONDE_SOURCE_DIR "/tests/corpus/make_redaction_corpus.py", "r"), ::pclose);
    std::string all;
    std::array<char, 4096> chunk;
    for (std::size_t n = 0; script && (n = std::fread(chunk.data(), 1, chunk.size(), script.get())) > 0;)
        all.append(chunk.data(), n);
    std::vector<Line> lines;
    for (std::size_t begin = 0; begin < all.size();) {
        const auto end = all.find('\n', begin);
        const auto line = all.substr(begin, end - begin);
        const auto first = line.find('\t'), second = line.find('\t', first + 1);
        lines.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1), line.substr(second + 1)});
        begin = end + 1;
    }
    return lines;
}

struct Score {
    int wanted = 0;  // secrets labelled with the rule
    int found = 0;   // of them, found by it and hidden whole
    int right = 0;   // findings of the rule that lie in a labelled secret
    int wrong = 0;   // findings of the rule that hide anything else
};

class Scores {
public:
    explicit Scores(Redactor& redactor) : redactor_(redactor) {}

    void add(const Line& line) {
        const auto findings = redactor_.find_text(line.text);
        const auto at = line.label == "-" ? std::string::npos : line.text.find(line.secret);
        const Span secret{at, at + line.secret.size()};
        bool by_rule = false;
        auto hidden = secret.begin;
        for (const auto& [span, rule] : findings) {
            const std::string name(redactor_.policy().rule_name(rule));
            const bool right = at != std::string::npos && span.begin >= secret.begin && span.end <= secret.end;
            ++(right ? scores_[name].right : scores_[name].wrong);
            if (!right) std::printf("  hides too much (%s): %s\n", name.c_str(), line.text.c_str());
            by_rule = by_rule || (right && name == line.label);
            if (span.begin <= hidden && span.end > hidden) hidden = span.end;
        }
        if (line.label == "-") return;
        auto& score = scores_[line.label];
        ++score.wanted;
        if (by_rule && hidden >= secret.end) {
            ++score.found;
        } else {
            std::printf("  misses %s: %s\n", line.label.c_str(), line.text.c_str());
        }
    }
    [[nodiscard]] const std::map<std::string, Score>& all() const { return scores_; }

private:
    Redactor& redactor_;
    std::map<std::string, Score> scores_;
};

TEST(RedactionCorpus, RecallAndPrecisionPerRule) {
    const auto lines = read_corpus();
    ASSERT_GE(lines.size(), 2000U);
    auto policy = RedactionPolicy::build({.actions = {{"ipv4", RedactAction::mask}, {"ipv6", RedactAction::mask}}});
    ASSERT_TRUE(policy) << policy.error().message();
    Redactor redactor(*policy);
    Scores scores(redactor);
    for (const auto& line : lines) scores.add(line);
    std::printf("%-18s %8s %8s %10s\n", "rule", "secrets", "recall", "precision");
    for (const auto& [rule, score] : scores.all()) {
        const double recall = score.wanted > 0 ? static_cast<double>(score.found) / score.wanted : 1;
        const double precision = static_cast<double>(score.right) / std::max(1, score.right + score.wrong);
        std::printf("%-18s %8d %8.3f %10.3f\n", rule.c_str(), score.wanted, recall, precision);
        EXPECT_EQ(score.found, score.wanted) << rule;
        EXPECT_GE(precision, 0.98) << rule;
    }
}

}  // namespace
}  // namespace sonde
