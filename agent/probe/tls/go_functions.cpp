#include "agent/probe/tls/go_functions.hpp"

#include <algorithm>
#include <cstring>

namespace sonde {
namespace {

constexpr std::uint32_t magic_1_18 = 0xfffffff0;
constexpr std::uint32_t magic_1_20 = 0xfffffff1;
constexpr std::uint64_t functions_max = 4'000'000;  // the largest programs have some 500,000

template <typename T>
std::optional<T> load(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return {};
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

// | magic 4 | 0 0 | quantum | pointer size | functions | files | text | names | cu | files | pctab | functab |
//                                            8           16      24     32      40   48      56      64
struct Header {
    std::uint64_t functions, text, names, functab;
};

std::optional<Header> read_header(std::span<const std::byte> table) {
    const auto magic = load<std::uint32_t>(table, 0);
    const auto pointer_size = load<std::uint8_t>(table, 7);
    const auto functions = load<std::uint64_t>(table, 8);
    const auto text = load<std::uint64_t>(table, 24);
    const auto names = load<std::uint64_t>(table, 32);
    const auto functab = load<std::uint64_t>(table, 64);
    if (!functab || (*magic != magic_1_18 && *magic != magic_1_20) || *pointer_size != 8) return {};
    if (*functions > functions_max || *names >= table.size() || *functab >= table.size()) return {};
    return Header{*functions, *text, *names, *functab};
}

std::string_view text_at(std::span<const std::byte> table, std::uint64_t offset) {
    if (offset >= table.size()) return {};
    const auto* start = reinterpret_cast<const char*>(table.data() + offset);
    const auto left = std::min<std::size_t>(table.size() - offset, 128);  // no name that is asked for is longer
    return {start, ::strnlen(start, left)};
}

}  // namespace

std::optional<GoTable> find_go_functions(std::span<const std::byte> pclntab, std::span<const std::string_view> names) {
    const auto header = read_header(pclntab);
    if (!header) return {};
    GoTable found{header->text, std::vector<std::optional<GoFunction>>(names.size())};
    // functab: pairs of (address, offset of the function's record); the record is (address, offset of its name, …)
    const auto functab = pclntab.subspan(header->functab);
    const auto name_table = pclntab.subspan(header->names);
    for (std::uint64_t i = 0; i < header->functions; ++i) {
        const auto address = load<std::uint32_t>(functab, i * 8);
        const auto record = load<std::uint32_t>(functab, i * 8 + 4);
        const auto next = load<std::uint32_t>(functab, i * 8 + 8);
        if (!next) return {};
        const auto name_offset = load<std::uint32_t>(functab, std::uint64_t{*record} + 4);
        if (!name_offset || *next < *address) return {};
        const auto name = std::find(names.begin(), names.end(), text_at(name_table, *name_offset));
        if (name != names.end())
            found.functions[static_cast<std::size_t>(name - names.begin())] = GoFunction{*address, *next - *address};
    }
    return found;
}

}  // namespace sonde
