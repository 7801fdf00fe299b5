#include "agent/resource/proc_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view next_line(std::string_view& text) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

std::string_view next_word(std::string_view& line) {
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(blanks)));
    const auto word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

// Fills `numbers` from the line's words; the number of them that were numbers.
template <std::size_t N>
std::size_t take_numbers(std::string_view line, std::array<std::uint64_t, N>& numbers) {
    std::size_t count = 0;
    for (; count < N; ++count) {
        const auto word = next_word(line);
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), numbers[count]);
        if (word.empty() || error != std::errc{}) break;
    }
    return count;
}

// mountinfo writes blanks and backslashes as \040 and the like.
std::string decode_octal(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
        if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::optional<double> parse_decimal(std::string_view word) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc{}) return {};
    return value;
}

}  // namespace

std::string read_text(const std::string& path, std::size_t max_bytes) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    if (!file) return text;
    std::array<char, 16384> buffer;
    while (text.size() < max_bytes) {
        const auto n = ::read(file.get(), buffer.data(), std::min(buffer.size(), max_bytes - text.size()));
        if (n <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return text;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::array<std::uint64_t, 1> number{};
    const auto line = text.substr(0, text.find('\n'));
    if (take_numbers(line, number) != 1) return {};
    return number[0];
}

std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        auto line = next_line(text);
        if (!line.starts_with(key)) continue;
        line.remove_prefix(key.size());
        if (!line.empty() && line.front() == ':') line.remove_prefix(1);
        if (!line.empty() && blanks.find(line.front()) != std::string_view::npos) return parse_number(line);
    }
    return {};
}

std::optional<CpuTicks> parse_cpu_ticks(std::string_view stat) {
    while (!stat.empty()) {
        auto line = next_line(stat);
        if (!line.starts_with("cpu ")) continue;
        line.remove_prefix(4);
        std::array<std::uint64_t, 8> n{};
        if (take_numbers(line, n) < 4) return {};
        return CpuTicks{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]};
    }
    return {};
}

std::optional<LoadAverage> parse_load_average(std::string_view loadavg) {
    const auto one = parse_decimal(next_word(loadavg));
    const auto five = parse_decimal(next_word(loadavg));
    const auto fifteen = parse_decimal(next_word(loadavg));
    if (!one || !five || !fifteen) return {};
    return LoadAverage{*one, *five, *fifteen};
}

Pressure parse_pressure(std::string_view text) {
    Pressure out;
    while (!text.empty()) {
        auto line = next_line(text);
        const auto kind = next_word(line);
        const auto at = line.find("total=");
        if (at == std::string_view::npos) continue;
        const auto total = parse_number(line.substr(at + 6));
        if (kind == "some") out.some_us = total;
        if (kind == "full") out.full_us = total;
    }
    return out;
}

std::vector<DiskCounts> parse_diskstats(std::string_view text) {
    std::vector<DiskCounts> out;
    while (!text.empty()) {
        auto line = next_line(text);
        next_word(line);  // major
        next_word(line);  // minor
        const auto name = next_word(line);
        std::array<std::uint64_t, 10> n{};
        if (name.empty() || take_numbers(line, n) != n.size()) continue;
        if (name.starts_with("loop") || name.starts_with("ram") || n[0] + n[4] == 0) continue;
        out.push_back({std::string(name), n[0], n[2], n[3], n[4], n[6], n[7], n[8], n[9]});
    }
    return out;
}

std::vector<InterfaceCounts> parse_net_dev(std::string_view text) {
    std::vector<InterfaceCounts> out;
    while (!text.empty()) {
        auto line = next_line(text);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;  // the two lines of headings
        auto name = line.substr(0, colon);
        const auto word = next_word(name);
        std::array<std::uint64_t, 12> n{};
        if (word.empty() || take_numbers(line.substr(colon + 1), n) != n.size()) continue;
        out.push_back({std::string(word), n[0], n[1], n[2], n[3], n[8], n[9], n[10], n[11]});
    }
    return out;
}

std::optional<std::uint64_t> protocol_number(std::string_view text, std::string_view prefix, std::string_view name) {
    while (!text.empty()) {
        auto names = next_line(text);
        auto values = next_line(text);
        auto head = next_word(names);
        if (!head.ends_with(':') || head.substr(0, head.size() - 1) != prefix || next_word(values) != head) continue;
        while (true) {
            const auto key = next_word(names), value = next_word(values);
            if (key.empty() || value.empty()) return {};
            if (key == name) return parse_number(value);
        }
    }
    return {};
}

std::vector<Mount> parse_mounts(std::string_view mountinfo) {
    std::vector<Mount> out;
    while (!mountinfo.empty()) {
        auto line = next_line(mountinfo);
        for (int i = 0; i < 3; ++i) next_word(line);  // ids and device number
        Mount mount;
        mount.root = decode_octal(next_word(line));
        mount.point = decode_octal(next_word(line));
        const auto dash = line.find(" - ");
        if (mount.point.empty() || dash == std::string_view::npos) continue;
        line.remove_prefix(dash + 3);
        mount.type = next_word(line);
        mount.source = decode_octal(next_word(line));
        mount.super_options = next_word(line);
        out.push_back(std::move(mount));
    }
    return out;
}

std::vector<CgroupLine> parse_cgroup_lines(std::string_view text) {
    std::vector<CgroupLine> out;
    while (!text.empty()) {
        const auto line = next_line(text);
        const auto first = line.find(':');
        if (first == std::string_view::npos) continue;
        const auto second = line.find(':', first + 1);
        if (second == std::string_view::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
        out.push_back({std::string(line.substr(first + 1, second - first - 1)), std::string(line.substr(second + 1))});
    }
    return out;
}

}  // namespace sonde
