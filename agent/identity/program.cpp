#include "agent/identity/program.hpp"

#include <algorithm>
#include <array>

namespace sonde {
namespace {

using Arguments = std::vector<std::string_view>;

constexpr std::size_t name_max_bytes = 64;
constexpr std::string_view deleted_suffix = " (deleted)";

std::string_view base_name(std::string_view path) {
    while (path.ends_with('/')) path.remove_suffix(1);
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view without_extension(std::string_view name) {
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& names) {
    return std::find(names.begin(), names.end(), text) != names.end();
}

// "python3.11" is a python, "node20" a node; "node_exporter" and "php-fpm8.2" are themselves.
std::string_view interpreter(std::string_view executable) {
    constexpr std::array<std::string_view, 10> interpreters{"python", "pypy", "node", "nodejs", "ruby",
                                                            "perl",   "php",  "bash", "sh",     "dash"};
    const auto letters = executable.substr(0, executable.find_last_not_of("0123456789.") + 1);
    return is_one_of(letters, interpreters) ? letters : std::string_view{};
}

// Servers that fork workers write a title over their arguments: "gunicorn: worker [shop]", "puma 6.4 (tcp://…)".
std::string_view title(std::string_view first_argument) {
    if (first_argument.starts_with('/') || first_argument.find(' ') == std::string_view::npos) return {};
    if (first_argument.starts_with('[')) first_argument.remove_prefix(1);
    return first_argument.substr(0, first_argument.find_first_of(" :]"));
}

bool takes_value(std::string_view language, std::string_view option) {
    constexpr std::array<std::string_view, 5> anywhere{"-W", "-X", "-r", "--require", "--import"};
    constexpr std::array<std::string_view, 3> php{"-S", "-t", "-d"};
    constexpr std::array<std::string_view, 4> shell{"-o", "+o", "-O", "--rcfile"};
    const bool is_shell = language == "bash" || language == "sh" || language == "dash";
    return is_one_of(option, anywhere) || (language == "php" && is_one_of(option, php)) ||
           (is_shell && is_one_of(option, shell));
}

std::string_view script_name(std::string_view language, std::string_view executable, const Arguments& arguments) {
    const bool python = language == "python" || language == "pypy";
    if (!arguments.empty())
        if (const auto name = title(arguments[0]); !name.empty()) return name;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto argument = arguments[i];
        const bool last = i + 1 == arguments.size();
        if (python && argument == "-m") return last ? executable : arguments[i + 1];
        if (python && argument.starts_with("-m")) return argument.substr(2);
        if (argument == "-c" || argument == "-e" || argument == "-p" || argument == "-") break;  // it has no name
        if (takes_value(language, argument)) {
            ++i;
            continue;
        }
        if (argument.empty() || argument.front() == '-') continue;
        if (const auto name = without_extension(base_name(argument)); !name.empty()) return name;
    }
    return executable;
}

std::string_view java_name(const Arguments& arguments) {
    constexpr std::array<std::string_view, 9> with_value{"-cp",         "-classpath",    "--class-path",
                                                         "-p",          "--module-path", "--add-modules",
                                                         "--add-opens", "--add-exports", "--enable-native-access"};
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto argument = arguments[i];
        const bool last = i + 1 == arguments.size();
        if (argument == "-jar") return last ? "java" : without_extension(base_name(arguments[i + 1]));
        if (is_one_of(argument, with_value)) {
            ++i;
            continue;
        }
        if (argument == "-m" || argument == "--module") continue;  // the next one is MODULE/CLASS
        if (argument.empty() || argument.front() == '-' || argument.front() == '@') continue;
        if (argument.ends_with(".java")) return without_extension(base_name(argument));
        const auto name = base_name(argument);
        return name.substr(name.rfind('.') + 1);  // npos + 1 is 0
    }
    return "java";
}

}  // namespace

std::string printable_name(std::string_view name) {
    std::string out(name.substr(0, name_max_bytes));
    for (auto& c : out)
        if (c < 0x20 || c > 0x7e) c = '?';
    return out;
}

std::string program_name(std::string_view exe, const std::vector<std::string_view>& arguments) {
    // "/usr/bin/x (deleted)": an upgrade replaced the file under the running process
    if (exe.ends_with(deleted_suffix)) exe.remove_suffix(deleted_suffix.size());
    auto executable = base_name(exe);
    // not ours to read: what the process says of itself
    if (executable.empty() && !arguments.empty()) executable = base_name(arguments[0]);
    std::string_view name = executable;
    if (executable == "java") {
        name = java_name(arguments);
    } else if (const auto language = interpreter(executable); !language.empty()) {
        name = script_name(language, executable, arguments);
    }
    return printable_name(name.empty() ? executable : name);
}

}  // namespace sonde
