#include "agent/probe/tls/tls_library.hpp"

#include <algorithm>
#include <array>

#include "agent/probe/tls/go_functions.hpp"
#include "agent/probe/tls/prologue.hpp"

namespace sonde {
namespace {

using Functions = std::vector<std::optional<CodeRange>>;

// Bytes looked at where a symbol does not tell its size.
constexpr std::uint64_t prologue_bytes = 256;

std::vector<std::byte> code_of(const ElfFile& file, const CodeRange& function) {
    return file.bytes(function.offset, function.size != 0 ? function.size : prologue_bytes);
}

class Planner {
public:
    Planner(const ElfFile& file, std::vector<ProbePoint>& points) : file_(file), points_(points) {}

    // Entry and return at the function's first instruction: a return probe cannot be anywhere else.
    void call(const std::optional<CodeRange>& function, TlsProgram program) {
        if (function) call_at(function->offset, program);
    }
    void call_at(std::uint64_t offset, TlsProgram program) {
        points_.push_back({TlsProgram::returned, offset});
        points_.push_back({program, offset});
    }
    void entry(const std::optional<CodeRange>& function, TlsProgram program, unsigned arguments) {
        if (function)
            points_.push_back(
                {program, function->offset + machine_code::cheap_entry(code_of(file_, *function), arguments)});
    }
    // SSL_read and SSL_read_ex of a shared libssl start with an instruction that must be single-stepped, and both call
    // one inner function that starts with a push. Where SSL_read_ex hands its arguments through untouched, that
    // function has its signature, and a probe there costs a tenth. The same holds for SSL_write.
    void pair(const std::optional<CodeRange>& plain, TlsProgram plain_program, const std::optional<CodeRange>& extended,
              TlsProgram extended_program, TlsProgram inner_program) {
        if (const auto inner = shared_callee(plain, extended)) {
            call_at(*inner, inner_program);
            return;
        }
        call(plain, plain_program);
        call(extended, extended_program);
    }

private:
    [[nodiscard]] std::optional<std::uint64_t> shared_callee(const std::optional<CodeRange>& plain,
                                                             const std::optional<CodeRange>& extended) const {
        if (!plain || !extended || machine_code::starts_cheaply(code_of(file_, *plain))) return {};
        const auto from_plain = machine_code::first_callee(code_of(file_, *plain));
        const auto from_extended = machine_code::forwarded_callee(code_of(file_, *extended));
        if (!from_plain || !from_extended) return {};
        const auto address = plain->address + static_cast<std::uint64_t>(*from_plain);
        if (address != extended->address + static_cast<std::uint64_t>(*from_extended)) return {};
        const auto offset = file_.offset_of(address);
        if (!offset || !machine_code::starts_cheaply(file_.bytes(*offset, prologue_bytes))) return {};
        return offset;
    }

    const ElfFile& file_;
    std::vector<ProbePoint>& points_;
};

constexpr std::array<std::string_view, 14> names{
    "SSL_read",           "SSL_read_ex",         "SSL_write",  "SSL_write_ex",     "SSL_sendfile",
    "SSL_do_handshake",   "SSL_shutdown",        "SSL_free",   "gnutls_handshake", "gnutls_record_recv",
    "gnutls_record_send", "gnutls_record_send2", "gnutls_bye", "gnutls_deinit"};

// The functions of one file by name.
class Found {
public:
    explicit Found(const ElfFile& file) : functions_(file.functions(names)) {}
    const std::optional<CodeRange>& operator[](std::string_view name) const {
        return functions_[static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
    }

private:
    Functions functions_;
};

std::optional<TlsPlan> plan_openssl(const ElfFile& file, const Found& found) {
    if (!found["SSL_read"] || !found["SSL_write"]) return {};
    TlsPlan plan{TlsKind::openssl, {}};
    Planner planner(file, plan.points);
    planner.call(found["SSL_do_handshake"], TlsProgram::handshake);
    planner.pair(found["SSL_read"], TlsProgram::read, found["SSL_read_ex"], TlsProgram::read_ex,
                 TlsProgram::read_inner);
    planner.pair(found["SSL_write"], TlsProgram::write, found["SSL_write_ex"], TlsProgram::write_ex,
                 TlsProgram::write_ex);
    planner.call(found["SSL_sendfile"], TlsProgram::sendfile);
    planner.entry(found["SSL_shutdown"], TlsProgram::shutdown, 1);
    planner.entry(found["SSL_free"], TlsProgram::free, 1);
    return plan;
}

std::optional<TlsPlan> plan_gnutls(const ElfFile& file, const Found& found) {
    if (!found["gnutls_record_recv"] || !found["gnutls_record_send"]) return {};
    TlsPlan plan{TlsKind::gnutls, {}};
    Planner planner(file, plan.points);
    planner.call(found["gnutls_handshake"], TlsProgram::handshake);
    planner.call(found["gnutls_record_recv"], TlsProgram::read);
    // from 3.6.3 gnutls_record_send jumps to the other; a call seen twice is counted once (bpf/tls.bpf.c)
    planner.call(found[found["gnutls_record_send2"] ? "gnutls_record_send2" : "gnutls_record_send"], TlsProgram::write);
    planner.entry(found["gnutls_bye"], TlsProgram::shutdown, 1);
    planner.entry(found["gnutls_deinit"], TlsProgram::free, 1);
    return plan;
}

constexpr std::array<std::string_view, 5> go_names{"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write",
                                                   "crypto/tls.(*Conn).Close", "crypto/tls.(*Conn).serverHandshake",
                                                   "crypto/tls.(*Conn).clientHandshake"};

// A Go function with what the file holds of it.
class GoPlanner {
public:
    GoPlanner(const ElfFile& file, std::uint64_t text_start, std::vector<ProbePoint>& points)
        : file_(file), text_start_(text_start), points_(points) {}

    // False: its code could not be read to the end, so some return would be missed.
    bool call(const std::optional<GoFunction>& function, TlsProgram entered, TlsProgram returned) {
        if (!function) return false;
        const auto offset = file_.offset_of(text_start_ + function->address);
        if (!offset) return false;
        const auto exits = machine_code::returns(file_.bytes(*offset, function->size));
        if (!exits || exits->empty()) return false;
        for (const auto exit : *exits) points_.push_back({returned, *offset + exit});
        return entry(function, entered, 2);
    }
    // On the branch to the code that grows the stack: taken, the function begins anew.
    bool stack_check(const std::optional<GoFunction>& function, TlsProgram entered) {
        if (!entry(function, entered, 3)) return false;
        return machine_code::is_stack_check(file_.bytes(points_.back().offset, stack_check_bytes));
    }
    bool entry(const std::optional<GoFunction>& function, TlsProgram entered, unsigned arguments) {
        const auto offset = function ? file_.offset_of(text_start_ + function->address) : std::nullopt;
        if (!offset) return false;
        const auto code = file_.bytes(*offset, function->size);
        points_.push_back({entered, *offset + machine_code::cheap_entry(code, arguments, CallingConvention::go)});
        return true;
    }

private:
    static constexpr std::uint64_t stack_check_bytes = 4;
    const ElfFile& file_;
    const std::uint64_t text_start_;
    std::vector<ProbePoint>& points_;
};

std::optional<TlsPlan> plan_go(const ElfFile& file) {
    auto section = file.section(".gopclntab");
    if (!section) section = file.section(".data.rel.ro.gopclntab");  // position-independent programs
    if (!section) return {};
    const auto table = find_go_functions(file.bytes(section->offset, section->size), go_names);
    if (!table) return {};
    // position-independent: the address is filled in when the program starts; without C in it, text begins there
    const auto text = file.section(".text");
    const auto start = table->text_start != 0 ? table->text_start : text ? text->address : 0;
    TlsPlan plan{TlsKind::go, {}};
    GoPlanner planner(file, start, plan.points);
    const auto& functions = table->functions;
    planner.call(functions[3], TlsProgram::go_handshake, TlsProgram::go_handshake_returned);
    planner.call(functions[4], TlsProgram::go_handshake, TlsProgram::go_handshake_returned);
    if (!planner.call(functions[0], TlsProgram::go_read, TlsProgram::go_returned)) return {};
    if (!planner.stack_check(functions[1], TlsProgram::go_write)) return {};
    planner.entry(functions[2], TlsProgram::go_close, 1);
    return plan;
}

}  // namespace

std::optional<TlsPlan> plan_probes(const ElfFile& file) {
    const Found found(file);
    if (auto plan = plan_openssl(file, found)) return plan;
    if (auto plan = plan_gnutls(file, found)) return plan;
    return plan_go(file);
}

}  // namespace sonde
