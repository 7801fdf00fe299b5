#include "agent/resource/runtime.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/resource/proc_files.hpp"

namespace sonde {
namespace {

constexpr std::size_t sections_max = 512;
constexpr std::size_t names_max_bytes = 16384;
constexpr std::size_t build_info_max_bytes = 256;  // magic, version; the modules that follow are of no interest

std::string_view base_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "3.11" of "3.11.so.1.0"
std::string leading_version(std::string_view text) {
    auto end = text.find_first_not_of("0123456789.");
    auto version = text.substr(0, end);
    while (version.ends_with('.')) version.remove_suffix(1);
    return std::string(version);
}

struct Known {
    std::string_view prefix;
    std::string_view runtime;
};

bool read_at(int file, void* to, std::size_t size, std::uint64_t offset) {
    return ::pread(file, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

// The beginning of the ELF section of that name; empty: none. 64-bit files of the machine's byte order.
std::vector<unsigned char> section_of(int file, std::string_view wanted) {
    Elf64_Ehdr header;
    if (!read_at(file, &header, sizeof header, 0) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr))
        return {};
    if (header.e_shnum > sections_max || header.e_shstrndx >= header.e_shnum) return {};
    std::vector<Elf64_Shdr> sections(header.e_shnum);
    if (!read_at(file, sections.data(), sections.size() * sizeof(Elf64_Shdr), header.e_shoff)) return {};
    const auto& strings = sections[header.e_shstrndx];
    std::string names(std::min<std::size_t>(strings.sh_size, names_max_bytes), '\0');
    if (!read_at(file, names.data(), names.size(), strings.sh_offset)) return {};
    for (const auto& section : sections) {
        if (section.sh_name >= names.size() || section.sh_type == SHT_NOBITS) continue;
        if (std::string_view(names.c_str() + section.sh_name) != wanted) continue;
        std::vector<unsigned char> bytes(std::min<std::size_t>(section.sh_size, build_info_max_bytes));
        if (!read_at(file, bytes.data(), bytes.size(), section.sh_offset)) return {};
        return bytes;
    }
    return {};
}

// JAVA_VERSION="17.0.9" in the file "release" beside bin/java
std::string java_version(std::string_view exe, const std::string& root) {
    const auto bin = exe.rfind("/bin/");
    if (bin == std::string_view::npos) return {};
    const auto text = read_text(root + std::string(exe.substr(0, bin)) + "/release", 4096);
    constexpr std::string_view key = "JAVA_VERSION=\"";
    const auto at = text.find(key);
    if (at == std::string::npos) return {};
    return text.substr(at + key.size(), text.find('"', at + key.size()) - at - key.size());
}

}  // namespace

Runtime runtime_from_executable(std::string_view exe) {
    // longest first where one begins another
    static constexpr std::array<Known, 21> known{
        {{"python", "python"},    {"pypy", "pypy"},     {"nodejs", "node"},     {"node", "node"},
         {"java", "java"},        {"ruby", "ruby"},     {"php-fpm", "php"},     {"php", "php"},
         {"perl", "perl"},        {"dotnet", "dotnet"}, {"beam.smp", "erlang"}, {"nginx", "nginx"},
         {"apache2", "apache"},   {"httpd", "apache"},  {"haproxy", "haproxy"}, {"lighttpd", "lighttpd"},
         {"varnishd", "varnish"}, {"envoy", "envoy"},   {"deno", "deno"},       {"bun", "bun"},
         {"lua", "lua"}}};
    if (exe.ends_with(" (deleted)")) exe.remove_suffix(10);
    const auto name = base_name(exe);
    for (const auto& [prefix, runtime] : known) {
        if (!name.starts_with(prefix)) continue;
        const auto rest = name.substr(prefix.size());
        // nothing but a version may follow: "node_exporter" is no node
        if (rest.find_first_not_of("0123456789.") == std::string_view::npos)
            return {std::string(runtime), leading_version(rest)};
    }
    return {};
}

Runtime runtime_from_maps(std::string_view maps) {
    static constexpr std::array<Known, 6> known{{{"/libpython", "python"},
                                                 {"/libjvm.so", "java"},
                                                 {"/libcoreclr.so", "dotnet"},
                                                 {"/libnode.so", "node"},
                                                 {"/libruby-", "ruby"},
                                                 {"/libperl.so", "perl"}}};
    for (const auto& [prefix, runtime] : known)
        if (const auto at = maps.find(prefix); at != std::string_view::npos)
            return {std::string(runtime),
                    prefix.ends_with(".so") ? std::string{} : leading_version(maps.substr(at + prefix.size()))};
    return {};
}

std::string go_version(std::span<const unsigned char> bytes) {
    // "\xff Go buildinf:", pointer size, flags; with flag 2 a length as varint at 32, and the version
    constexpr std::string_view magic = "\xff Go buildinf:";
    constexpr std::size_t at = 32;
    if (bytes.size() <= at || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0 || (bytes[15] & 2) == 0)
        return {};
    const std::size_t length = bytes[at];
    if (length == 0 || length >= 0x80 || bytes.size() < at + 1 + length) return {};
    const auto* text = reinterpret_cast<const char*>(bytes.data()) + at + 1;
    std::string version(text, length);
    const auto printable = [](char c) { return c >= 0x20 && c <= 0x7e; };
    return std::all_of(version.begin(), version.end(), printable) ? version : std::string{};
}

Runtime detect_runtime(std::uint32_t pid, std::string_view exe, const std::string& proc_root) {
    const auto directory = proc_root + "/" + std::to_string(pid);
    auto runtime = runtime_from_executable(exe);
    if (runtime.name == "java" && runtime.version.empty()) runtime.version = java_version(exe, directory + "/root");
    if (!runtime.name.empty()) return runtime;
    if (const UniqueFd file(::open((directory + "/exe").c_str(), O_RDONLY | O_CLOEXEC)); file)
        if (auto version = go_version(section_of(file.get(), ".go.buildinfo")); !version.empty())
            return {"go", std::move(version)};
    return runtime_from_maps(read_text(directory + "/maps", std::size_t{96} << 10));
}

}  // namespace sonde
