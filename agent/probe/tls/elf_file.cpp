#include "agent/probe/tls/elf_file.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sonde {
namespace {

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
#endif

}  // namespace

void ElfFile::ElfEnd::operator()(Elf* elf) const { ::elf_end(elf); }

Result<ElfFile> ElfFile::open(const std::string& path) {
    ::elf_version(EV_CURRENT);
    ElfFile file;
    file.fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.fd_) return fail("cannot open " + path + ": " + std::strerror(errno));
    file.elf_.reset(::elf_begin(file.fd_.get(), ELF_C_READ, nullptr));
    GElf_Ehdr header;
    if (!file.elf_ || ::elf_kind(file.elf_.get()) != ELF_K_ELF || ::gelf_getehdr(file.elf_.get(), &header) == nullptr)
        return fail(path + " is no ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != this_machine)
        return fail(path + " is for another architecture");
    std::size_t count = 0;
    if (::elf_getphdrnum(file.elf_.get(), &count) != 0) return fail(path + " has no program headers");
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr segment;
        if (::gelf_getphdr(file.elf_.get(), static_cast<int>(i), &segment) == nullptr) break;
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0)
            file.segments_.push_back({segment.p_vaddr, segment.p_offset, segment.p_filesz});
    }
    return file;
}

std::optional<std::uint64_t> ElfFile::offset_of(std::uint64_t address) const {
    for (const auto& segment : segments_)
        if (address >= segment.address && address - segment.address < segment.size)
            return address - segment.address + segment.offset;
    return {};
}

std::vector<std::byte> ElfFile::bytes(std::uint64_t offset, std::uint64_t size) const {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0 || offset >= static_cast<std::uint64_t>(info.st_size)) return {};
    std::vector<std::byte> found(std::min(size, static_cast<std::uint64_t>(info.st_size) - offset));
    std::size_t have = 0;
    while (have < found.size()) {
        const auto n = ::pread(fd_.get(), &found[have], found.size() - have, static_cast<off_t>(offset + have));
        if (n <= 0) break;
        have += static_cast<std::size_t>(n);
    }
    found.resize(have);
    return found;
}

std::optional<CodeRange> ElfFile::section(std::string_view name) const {
    std::size_t names = 0;
    if (::elf_getshdrstrndx(elf_.get(), &names) != 0) return {};
    for (Elf_Scn* at = nullptr; (at = ::elf_nextscn(elf_.get(), at)) != nullptr;) {
        GElf_Shdr header;
        if (::gelf_getshdr(at, &header) == nullptr) continue;
        const char* text = ::elf_strptr(elf_.get(), names, header.sh_name);
        if (text != nullptr && name == text && header.sh_type != SHT_NOBITS)
            return CodeRange{header.sh_offset, header.sh_addr, header.sh_size};
    }
    return {};
}

bool ElfFile::search(unsigned section_type, std::span<const std::string_view> names,
                     std::vector<std::optional<CodeRange>>& found) const {
    bool any = false;
    for (Elf_Scn* at = nullptr; (at = ::elf_nextscn(elf_.get(), at)) != nullptr;) {
        GElf_Shdr header;
        if (::gelf_getshdr(at, &header) == nullptr || header.sh_type != section_type || header.sh_entsize == 0)
            continue;
        Elf_Data* data = ::elf_getdata(at, nullptr);
        if (data == nullptr) continue;
        const auto count = data->d_size / header.sh_entsize;
        for (std::size_t i = 0; i < count; ++i) {
            GElf_Sym symbol;
            if (::gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
            if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value == 0) continue;
            const char* text = ::elf_strptr(elf_.get(), header.sh_link, symbol.st_name);
            if (text == nullptr) continue;
            const auto name = std::find(names.begin(), names.end(), std::string_view(text));
            if (name == names.end()) continue;
            const auto offset = offset_of(symbol.st_value);
            if (!offset) continue;
            found[static_cast<std::size_t>(name - names.begin())] = CodeRange{*offset, symbol.st_value, symbol.st_size};
            any = true;
        }
    }
    return any;
}

std::vector<std::optional<CodeRange>> ElfFile::functions(std::span<const std::string_view> names) const {
    std::vector<std::optional<CodeRange>> found(names.size());
    if (!search(SHT_DYNSYM, names, found)) search(SHT_SYMTAB, names, found);
    return found;
}

}  // namespace sonde
