#include "agent/probe/log/log_plan.hpp"

#include <array>
#include <span>
#include <string_view>

#include "agent/probe/tls/go_functions.hpp"
#include "agent/probe/tls/prologue.hpp"

namespace sonde {
namespace {

// Bytes looked at where a symbol does not tell its size.
constexpr std::uint64_t prologue_bytes = 64;

constexpr std::array<std::string_view, 1> go_names{"syscall.write"};

// The point is the branch of the stack check: bpf/log.bpf.c reads there whether it is taken.
std::optional<LogProbePoint> stack_check_of_go(const ElfFile& file) {
    auto section = file.section(".gopclntab");
    if (!section) section = file.section(".data.rel.ro.gopclntab");  // position-independent programs
    if (!section) return {};
    const auto table = find_go_functions(file.bytes(section->offset, section->size), go_names);
    if (!table || !table->functions[0]) return {};
    const auto text = file.section(".text");
    const auto start = table->text_start != 0 ? table->text_start : text ? text->address : 0;
    const auto offset = file.offset_of(start + table->functions[0]->address);
    if (!offset) return {};
    const auto code = file.bytes(*offset, table->functions[0]->size);
    const auto at = machine_code::cheap_entry(code, 3, CallingConvention::go);
    if (!machine_code::is_stack_check(std::span(code).subspan(at))) return {};
    return LogProbePoint{SONDE_LOG_CALL_GO, *offset + at};
}

}  // namespace

std::optional<std::vector<LogProbePoint>> plan_log_probes(const ElfFile& file) {
    if (const auto go = stack_check_of_go(file)) return std::vector{*go};
    constexpr std::array<std::string_view, 3> names{"write", "writev", "pwrite64"};
    constexpr std::array<sonde_log_call, 3> calls{SONDE_LOG_CALL_WRITE, SONDE_LOG_CALL_WRITEV, SONDE_LOG_CALL_PWRITE};
    const auto functions = file.functions(names);
    if (!functions[0]) return {};
    std::vector<LogProbePoint> points;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& function = functions[i];
        if (!function) continue;
        const auto code = file.bytes(function->offset, function->size != 0 ? function->size : prologue_bytes);
        points.push_back({calls[i], function->offset + machine_code::cheap_entry(code, 3)});
    }
    return points;
}

bool writes_by_itself(const std::vector<LogProbePoint>& points) {
    return points.size() == 1 && points[0].call == SONDE_LOG_CALL_GO;
}

}  // namespace sonde
