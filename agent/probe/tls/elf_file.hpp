#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.hpp"
#include "agent/base/unique_fd.hpp"

struct Elf;

namespace sonde {

// Where code stands in its file: what a uprobe is attached to.
struct CodeRange {
    std::uint64_t offset = 0;   // in the file
    std::uint64_t address = 0;  // virtual, before relocation
    std::uint64_t size = 0;     // bytes; 0: the file does not tell
};

// An ELF file of this machine's architecture. Only what is asked for is read, and read it is, never mapped: in a
// mapping the kernel shows the breakpoints of whoever else has uprobes on the file. Files are other people's: every
// offset is checked. Not thread-safe.
class ElfFile {
public:
    // Fails where it cannot be opened, is no ELF file of 64 bits or is of another architecture.
    static Result<ElfFile> open(const std::string& path);

    // For each name its function, from the dynamic symbols or, where all of them are missing there, from .symtab.
    [[nodiscard]] std::vector<std::optional<CodeRange>> functions(std::span<const std::string_view> names) const;
    // Bytes of the file at an offset, at most `size`, fewer at its end.
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t offset, std::uint64_t size) const;
    [[nodiscard]] std::optional<CodeRange> section(std::string_view name) const;
    // The place in the file of a virtual address; nothing where no segment of the file holds it.
    [[nodiscard]] std::optional<std::uint64_t> offset_of(std::uint64_t address) const;

private:
    struct ElfEnd {
        void operator()(Elf* elf) const;
    };
    struct Segment {
        std::uint64_t address;
        std::uint64_t offset;
        std::uint64_t size;
    };

    ElfFile() = default;
    bool search(unsigned section_type, std::span<const std::string_view> names,
                std::vector<std::optional<CodeRange>>& found) const;

    UniqueFd fd_;
    std::unique_ptr<Elf, ElfEnd> elf_;  // before fd_ goes
    std::vector<Segment> segments_;
};

}  // namespace sonde
