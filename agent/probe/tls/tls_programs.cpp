#include "agent/probe/tls/tls_programs.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "agent/probe/tls/mapped_files.hpp"
#include "agent/probe/uprobe_multi.hpp"
#include "bpf/shared/config.h"
#include "tls.skel.h"

namespace sonde {
namespace {

struct SkeletonDestroyer {
    void operator()(tls_bpf* skeleton) const { tls_bpf__destroy(skeleton); }
};
struct LinkDestroyer {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
// One uprobe: a link of the kernel's, or where it has none for them, a perf event.
struct UprobeLink {
    UniqueFd link;
    std::unique_ptr<bpf_link, LinkDestroyer> event;
};
using Links = std::vector<UprobeLink>;

// struct tls_key and tls_tie of bpf/maps.bpf.h
struct TlsKey {
    std::uint64_t object;
    std::uint32_t tgid;
    std::uint32_t pad;
};
struct TlsTie {
    TlsKey owner;
    std::uint64_t taken_ns, last_ns;
    std::uint32_t drained, closed, credit, pad;
};

// What a map holds of a process.
struct Kept {
    int map;
    std::uint32_t process;
    std::array<std::byte, sizeof(TlsKey)> key;
};

class LoadedPrograms final : public TlsPrograms {
public:
    Status load(const std::function<void(bpf_object*)>& prepare, const sonde_config& config) {
        skeleton_.reset(tls_bpf__open());
        if (!skeleton_) return fail(std::string("cannot open the TLS programs: ") + std::strerror(errno));
        static_assert(sizeof skeleton_->rodata->sonde_cfg == sizeof config);
        std::memcpy(&skeleton_->rodata->sonde_cfg, &config, sizeof config);
        prepare(skeleton_->obj);
        multi_ = kernel_has_uprobe_multi();
        if (multi_) {
            bpf_program* program = nullptr;
            bpf_object__for_each_program(program, skeleton_->obj)
                bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(uprobe_multi_attach_type));
        }
        if (const int error = tls_bpf__load(skeleton_.get()); error != 0)
            return fail(std::string("the kernel refused the TLS programs: ") + std::strerror(-error));
        return done();
    }

    Result<std::shared_ptr<void>> attach(const std::string& path, const TlsPlan& plan) override {
        auto links = std::make_shared<Links>();
        for (const auto& point : plan.points) {
            auto link = attach_point(path, point);
            if (!link.link && !link.event)
                return fail("cannot attach a uprobe to " + path + ": " + std::strerror(errno),
                            multi_ ? "kernels need CONFIG_UPROBE_EVENTS=y for it"
                                   : "kernels need CONFIG_UPROBE_EVENTS=y for it, and before 6.6 CAP_SYS_ADMIN");
            links->push_back(std::move(link));
        }
        return std::shared_ptr<void>(std::move(links));
    }

    bool needs_admin() const override { return !multi_; }

    void forget_dead() override {
        std::vector<Kept> kept;
        const auto process_of_key = [](const std::byte* key, int) { return as<TlsKey>(key).tgid; };
        collect(bpf_map__fd(skeleton_->maps.tls_sessions), process_of_key, kept);
        collect(bpf_map__fd(skeleton_->maps.go_calls), process_of_key, kept);
        collect(
            bpf_map__fd(skeleton_->maps.tls_ties),
            [](const std::byte* key, int map) {
                TlsTie tie{};
                return bpf_map_lookup_elem(map, key, &tie) == 0 ? tie.owner.tgid : 0;
            },
            kept);
        // after the state was seen, not before: a process that has begun in between is among the living
        const auto pids = running_processes();
        const std::unordered_set<std::uint32_t> alive(pids.begin(), pids.end());
        for (const auto& state : kept)
            if (!alive.contains(state.process)) bpf_map_delete_elem(state.map, state.key.data());
    }

private:
    UprobeLink attach_point(const std::string& path, const ProbePoint& point) const {
        const bool at_return = point.program == TlsProgram::returned;
        auto* program = program_of(point.program);
        if (multi_) return {attach_uprobe_multi(bpf_program__fd(program), path, point.offset, at_return), nullptr};
        LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = at_return);
        UprobeLink link;
        link.event.reset(bpf_program__attach_uprobe_opts(program, -1, path.c_str(), point.offset, &options));
        return link;
    }

    template <typename T>
    static T as(const std::byte* bytes) {
        T value;
        std::memcpy(&value, bytes, sizeof value);
        return value;
    }

    // process_of gives 0 for what is gone already.
    template <typename ProcessOf>
    static void collect(int map, ProcessOf process_of, std::vector<Kept>& kept) {
        std::array<std::byte, sizeof(TlsKey)> key{};
        const void* previous = nullptr;
        while (bpf_map_get_next_key(map, previous, key.data()) == 0) {
            previous = key.data();
            if (const std::uint32_t process = process_of(key.data(), map); process != 0)
                kept.push_back({map, process, key});
        }
    }

    bpf_program* program_of(TlsProgram program) const {
        const auto& programs = skeleton_->progs;
        switch (program) {
            case TlsProgram::read:
                return programs.tls_read;
            case TlsProgram::read_ex:
                return programs.tls_read_ex;
            case TlsProgram::read_inner:
                return programs.tls_read_inner;
            case TlsProgram::write:
                return programs.tls_write;
            case TlsProgram::write_ex:
                return programs.tls_write_ex;
            case TlsProgram::sendfile:
                return programs.tls_sendfile;
            case TlsProgram::handshake:
                return programs.tls_handshake;
            case TlsProgram::shutdown:
                return programs.tls_shutdown;
            case TlsProgram::free:
                return programs.tls_free;
            case TlsProgram::go_read:
                return programs.go_read;
            case TlsProgram::go_write:
                return programs.go_write;
            case TlsProgram::go_handshake:
                return programs.go_handshake;
            case TlsProgram::go_close:
                return programs.go_close;
            case TlsProgram::go_returned:
                return programs.go_return;
            case TlsProgram::go_handshake_returned:
                return programs.go_handshake_return;
            case TlsProgram::returned:
                break;
        }
        return programs.tls_return;
    }

    std::unique_ptr<tls_bpf, SkeletonDestroyer> skeleton_;
    bool multi_ = false;
};

}  // namespace

Result<std::unique_ptr<TlsPrograms>> TlsPrograms::load(const std::function<void(bpf_object*)>& prepare,
                                                       const sonde_config& config) {
    auto programs = std::make_unique<LoadedPrograms>();
    if (auto loaded = programs->load(prepare, config); !loaded) return loaded.error();
    return std::unique_ptr<TlsPrograms>(std::move(programs));
}

}  // namespace sonde
