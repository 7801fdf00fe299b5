#include "agent/probe/tls/mapped_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::string_view deleted = " (deleted)";

template <typename Integer>
bool parse(std::string_view text, Integer& value, int base) {
    const auto done = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return done.ec == std::errc() && done.ptr == text.data() + text.size();
}

std::string_view next_word(std::string_view& line) {
    const auto start = std::min(line.find_first_not_of(' '), line.size());
    const auto end = std::min(line.find(' ', start), line.size());
    const auto word = line.substr(start, end - start);
    line.remove_prefix(end);
    return word;
}

// "7f00-7f01 r-xp 00001000 fe:01 1234   /usr/lib/libssl.so.3"
std::optional<MappedFile> parse_line(std::string_view line, const std::string& process_root) {
    const auto range = next_word(line);
    const auto permissions = next_word(line);
    next_word(line);  // offset
    const auto device = next_word(line);
    const auto inode = next_word(line);
    const auto colon = device.find(':');
    if (permissions.size() < 3 || permissions[2] != 'x' || colon == std::string_view::npos) return {};
    std::uint32_t major = 0, minor = 0;
    MappedFile file;
    if (!parse(device.substr(0, colon), major, 16) || !parse(device.substr(colon + 1), minor, 16)) return {};
    if (!parse(inode, file.inode, 10) || file.inode == 0) return {};
    file.device = std::uint64_t{major} << 32 | minor;
    const auto start = line.find('/');
    if (start == std::string_view::npos) return {};  // [vdso], memfd and the like
    file.name = line.substr(start);
    // a file that was replaced (an upgrade) is reached through the mapping only
    if (file.name.size() > deleted.size() && std::string_view(file.name).ends_with(deleted)) {
        file.name.resize(file.name.size() - deleted.size());
        file.path = process_root + "/map_files/" + std::string(range);
    } else {
        file.path = process_root + "/root" + file.name;
    }
    return file;
}

}  // namespace

std::vector<MappedFile> parse_mapped_files(std::string_view maps, const std::string& process_root) {
    std::vector<MappedFile> files;
    while (!maps.empty()) {
        const auto end = std::min(maps.find('\n'), maps.size());
        auto file = parse_line(maps.substr(0, end), process_root);
        maps.remove_prefix(std::min(end + 1, maps.size()));
        if (!file) continue;
        const bool known = std::any_of(files.begin(), files.end(), [&](const MappedFile& other) {
            return other.device == file->device && other.inode == file->inode;
        });
        if (!known) files.push_back(std::move(*file));
    }
    return files;
}

std::vector<MappedFile> mapped_files(std::uint32_t pid) {
    const auto process_root = "/proc/" + std::to_string(pid);
    const UniqueFd maps(::open((process_root + "/maps").c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 16384> part;
    // the process may end while it is read: what was read by then still holds
    for (ssize_t n = 0; maps && (n = ::read(maps.get(), part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(n));
    return parse_mapped_files(text, process_root);
}

std::vector<std::uint32_t> running_processes() {
    std::vector<std::uint32_t> pids;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
    if (!directory) return pids;
    while (const auto* entry = ::readdir(directory.get())) {
        std::uint32_t pid = 0;
        if (parse(std::string_view(entry->d_name), pid, 10)) pids.push_back(pid);
    }
    return pids;
}

}  // namespace sonde
