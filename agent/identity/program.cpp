#include "agent/identity/program.hpp"

#include <algorithm>
#include <array>

namespace sonde {
namespace {

std::string_view base_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view without_extension(std::string_view name) {
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

// "python3.11" and "node20" are pythons and nodes.
bool is_interpreter(std::string_view name) {
    constexpr std::array<std::string_view, 8> interpreters{"python", "pypy", "node", "nodejs",
                                                           "ruby",   "perl", "php",  "bash"};
    const auto letters = name.substr(0, name.find_first_of("0123456789.-"));
    return std::find(interpreters.begin(), interpreters.end(), letters) != interpreters.end() || letters == "sh";
}

std::string script_name(std::string_view executable, const std::vector<std::string_view>& arguments) {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto argument = arguments[i];
        if (argument == "-m" && i + 1 < arguments.size()) return std::string(arguments[i + 1]);
        if (argument == "-c" || argument == "-e" || argument == "-") break;  // a program without a name
        if (argument == "-W" || argument == "-X" || argument == "-r" || argument == "--require") {
            ++i;  // these take a value
            continue;
        }
        if (argument.empty() || argument.front() == '-') continue;
        if (const auto name = without_extension(base_name(argument)); !name.empty()) return std::string(name);
    }
    return std::string(executable);
}

std::string java_name(const std::vector<std::string_view>& arguments) {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto argument = arguments[i];
        if (argument == "-jar" && i + 1 < arguments.size())
            return std::string(without_extension(base_name(arguments[i + 1])));
        if (argument == "-cp" || argument == "-classpath" || argument == "--class-path" || argument == "-p") {
            ++i;
            continue;
        }
        if (argument.empty() || argument.front() == '-') continue;
        if (argument.ends_with(".java")) return std::string(without_extension(base_name(argument)));
        const auto dot = argument.rfind('.');
        return std::string(dot == std::string_view::npos ? argument : argument.substr(dot + 1));
    }
    return "java";
}

}  // namespace

std::string program_name(std::string_view exe, const std::vector<std::string_view>& arguments) {
    auto executable = base_name(exe);
    // "/usr/bin/x (deleted)": an upgrade replaced the file under the running process
    if (const auto deleted = executable.find(" (deleted)"); deleted != std::string_view::npos)
        executable = executable.substr(0, deleted);
    if (executable.empty()) return arguments.empty() ? std::string{} : std::string(base_name(arguments[0]));
    if (executable == "java") return java_name(arguments);
    if (is_interpreter(executable)) return script_name(executable, arguments);
    return std::string(executable);
}

}  // namespace sonde
