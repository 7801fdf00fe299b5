#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sonde {

// A function of a Go program: address relative to the start of its text (runtime.text).
struct GoFunction {
    std::uint64_t address = 0;
    std::uint64_t size = 0;  // bytes, up to the next function: padding included
};

// The table that Go's runtime walks stacks with, present in stripped programs too.
struct GoTable {
    std::uint64_t text_start = 0;                      // virtual address of runtime.text; 0: the linker left it open
    std::vector<std::optional<GoFunction>> functions;  // one per name asked for
};

// pclntab: the section .gopclntab, in the format of Go 1.18 and 1.19 (magic 0xfffffff0) or 1.20 and later (0xfffffff1):
// src/runtime/symtab.go, type pcHeader and src/cmd/link/internal/ld/pcln.go. Nothing where it is another format or
// contradicts itself. Functions that the linker dropped are absent. Pure; any thread.
std::optional<GoTable> find_go_functions(std::span<const std::byte> pclntab, std::span<const std::string_view> names);

}  // namespace sonde
