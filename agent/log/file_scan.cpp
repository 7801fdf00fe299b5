#include "agent/log/file_scan.hpp"

#include <dirent.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <tuple>

namespace sonde {
namespace {

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// false: no regular file
bool look(FoundFile& file) {
    struct stat info {};
    if (::stat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    file.id = {info.st_dev, info.st_ino};
    file.size = static_cast<std::uint64_t>(info.st_size);
    file.modified_ns = static_cast<std::uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000 +
                       static_cast<std::uint64_t>(info.st_mtim.tv_nsec);
    return true;
}

std::string resolved(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : path;
}

std::vector<std::string> paths_of(const std::string& pattern) {
    glob_t matches{};
    std::vector<std::string> paths;
    if (::glob(pattern.c_str(), GLOB_NOSORT | GLOB_BRACE, nullptr, &matches) == 0)
        paths.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    ::globfree(&matches);
    return paths;
}

}  // namespace

void FileScan::remember(const std::string& family) {
    for (const auto& files : files_) {
        if (::fnmatch(files.pattern.c_str(), family.c_str(), FNM_PATHNAME) != 0) continue;
        const auto path = resolved(family);
        families_.try_emplace(family, Family{folder_of(path), name_of(path), &files, true});
        return;
    }
}

void FileScan::match_patterns(std::vector<FoundFile>& out, std::set<FileId>& ids) {
    std::map<std::string, const LogFiles*> paths;
    for (const auto& files : files_) {
        for (auto& folder : paths_of(folder_of(files.pattern))) folders_.insert(resolved(folder));
        for (auto& path : paths_of(files.pattern)) paths.emplace(std::move(path), &files);
    }
    // a pattern like *.log* matches rotated files, too: they belong to the family of the file they were
    const auto is_rotated = [&](const std::string& path) {
        const auto base = rotation_base(name_of(path));
        if (base.empty()) return false;
        const auto family = folder_of(path) == "." ? base : folder_of(path) + '/' + base;
        return paths.contains(family) || families_.contains(family);
    };
    for (const auto& [path, files] : paths) {
        if (is_rotated(path)) continue;
        FoundFile file;
        file.path = resolved(path);
        file.family = path;
        file.files = files;
        file.current = true;
        if (!look(file) || !ids.insert(file.id).second) continue;
        auto& family = families_[path];
        family = {folder_of(file.path), name_of(file.path), files, true};
        out.push_back(std::move(file));
    }
}

void FileScan::find_rotated(std::vector<FoundFile>& out, std::set<FileId>& ids) {
    std::map<std::string, std::map<std::string, std::string>> by_folder;  // folder → name → family
    for (const auto& [path, family] : families_) by_folder[family.folder].emplace(family.name, path);
    for (const auto& [folder, names] : by_folder) {
        folders_.insert(folder);
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder.c_str()), ::closedir);
        if (!directory) continue;
        while (const auto* entry = ::readdir(directory.get())) {
            const auto base = rotation_base(entry->d_name);
            const auto family = base.empty() ? names.end() : names.find(base);
            if (family == names.end()) continue;
            auto& known = families_[family->second];
            FoundFile file;
            file.path = folder + '/' + entry->d_name;
            file.family = family->second;
            file.files = known.files;
            if (!look(file) || !ids.insert(file.id).second) continue;
            known.seen = true;
            out.push_back(std::move(file));
        }
    }
}

std::vector<FoundFile> FileScan::scan() {
    std::vector<FoundFile> out;
    std::set<FileId> ids;
    folders_.clear();
    for (auto& [path, family] : families_) family.seen = false;
    match_patterns(out, ids);
    find_rotated(out, ids);
    std::erase_if(families_, [](const auto& entry) { return !entry.second.seen; });
    // files that were rotated within one tick of the kernel's clock have the same time: by their numbers, or dates
    const auto age = [](const FoundFile& file) {
        return std::tuple(file.current, file.modified_ns, ~rotation_number(name_of(file.path)),
                          std::string_view(file.path));
    };
    std::sort(out.begin(), out.end(), [&](const FoundFile& a, const FoundFile& b) { return age(a) < age(b); });
    return out;
}

}  // namespace sonde
