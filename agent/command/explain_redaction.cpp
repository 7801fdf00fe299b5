#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/redact/redactor.hpp"

namespace sonde {
namespace {

// A part of a sample line and what was found in it.
struct Explained {
    std::size_t offset = 0;  // of the part in its line
    std::span<const Finding> findings;
};

// A request line is looked at as a path, a header by its name, everything else, JSON too, as the text of a log.
Explained explain(Redactor& redactor, std::string_view line) {
    const auto first = line.find(' ');
    const auto last = line.rfind(" HTTP/");
    if (first != std::string_view::npos && last != std::string_view::npos && first < last && line[first + 1] == '/')
        return {first + 1, redactor.find_path(line.substr(first + 1, last - first - 1))};
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos && redactor.policy().hidden_header(line.substr(0, colon)))
        return {colon + 2, redactor.find_header(line.substr(0, colon), line.substr(colon + 2))};
    return {0, redactor.find_text(line)};
}

// The line with each secret as its rule's name: whatever the action, nothing of it is printed.
std::string without_secrets(const RedactionPolicy& policy, std::string_view line, const Explained& explained) {
    std::string out;
    std::size_t done = 0;
    for (const auto& [span, rule] : explained.findings) {
        out.append(line.substr(done, explained.offset + span.begin - done));
        out.append("[").append(policy.rule_name(rule)).append("]");
        done = explained.offset + span.end;
    }
    return out.append(line.substr(done));
}

}  // namespace

int explain_redaction_command(const std::string& file, std::shared_ptr<const RedactionPolicy> wanted) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return report(fail("cannot read " + file + ": " + std::strerror(errno),
                           "give a file with sample lines: logs, JSON, headers, request lines"));
    Redactor redactor(std::move(wanted));
    const auto& policy = redactor.policy();
    std::map<std::size_t, std::size_t> totals;
    std::string line;
    std::size_t number = 0, lines_with_secrets = 0;
    while (std::getline(in, line)) {
        ++number;
        if (!line.empty() && line.back() == '\r') line.pop_back();
        const auto explained = explain(redactor, line);
        if (explained.findings.empty()) continue;
        ++lines_with_secrets;
        std::printf("line %zu: %s\n", number, without_secrets(policy, line, explained).c_str());
        for (const auto& [span, rule] : explained.findings) {
            ++totals[rule];
            std::printf("  bytes %zu-%zu: %s, %s\n", explained.offset + span.begin + 1, explained.offset + span.end,
                        std::string(policy.rule_name(rule)).c_str(),
                        std::string(to_string(policy.action(rule))).c_str());
        }
    }
    std::printf("%zu of %zu lines hold something to redact\n", lines_with_secrets, number);
    for (const auto& [rule, count] : totals)
        std::printf("  %-18s %zu\n", std::string(policy.rule_name(rule)).c_str(), count);
    return 0;
}

}  // namespace sonde
