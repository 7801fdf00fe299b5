#include "agent/probe/log/log_programs.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

#include "agent/probe/uprobe_multi.hpp"
#include "log.skel.h"

namespace sonde {
namespace {

struct SkeletonDestroyer {
    void operator()(log_bpf* skeleton) const { log_bpf__destroy(skeleton); }
};

class LoadedLogPrograms final : public LogPrograms {
public:
    Status load(const std::function<void(bpf_object*)>& prepare, const sonde_config& config) {
        skeleton_.reset(log_bpf__open());
        if (!skeleton_) return fail(std::string("cannot open the log programs: ") + std::strerror(errno));
        static_assert(sizeof skeleton_->rodata->sonde_cfg == sizeof config);
        std::memcpy(&skeleton_->rodata->sonde_cfg, &config, sizeof config);
        prepare(skeleton_->obj);
        multi_ = kernel_has_uprobe_multi();
        if (multi_) {
            bpf_program* program = nullptr;
            bpf_object__for_each_program(program, skeleton_->obj)
                bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(uprobe_multi_attach_type));
        }
        if (const int error = log_bpf__load(skeleton_.get()); error != 0)
            return fail(std::string("the kernel refused the log programs: ") + std::strerror(-error));
        return done();
    }

    LogWatchHooks hooks() override {
        return {
            .attach = [this](std::uint32_t pid, const std::string& path,
                             LogProbePoint point) { return attach(pid, path, point); },
            .admit =
                [this](std::uint32_t pid) {
                    const sonde_log_watch fresh{};
                    return bpf_map_update_elem(watched(), &pid, &fresh, BPF_ANY) == 0;
                },
            .dismiss = [this](std::uint32_t pid) { bpf_map_delete_elem(watched(), &pid); },
            .counts =
                [this](std::uint32_t pid) {
                    sonde_log_watch counts{};
                    bpf_map_lookup_elem(watched(), &pid, &counts);
                    return counts;
                },
        };
    }

    [[nodiscard]] bool needs_admin() const override { return !multi_; }

private:
    [[nodiscard]] int watched() const { return bpf_map__fd(skeleton_->maps.log_watched); }

    Result<std::shared_ptr<void>> attach(std::uint32_t pid, const std::string& path, LogProbePoint point) {
        auto* program = program_of(point.call);
        if (multi_) {
            auto link = attach_uprobe_multi(bpf_program__fd(program), path, point.offset, false, pid);
            if (!link) return fail("cannot attach a uprobe to " + path + ": " + std::strerror(errno));
            return std::shared_ptr<void>(std::make_shared<UniqueFd>(std::move(link)));
        }
        LIBBPF_OPTS(bpf_uprobe_opts, options);
        auto* link =
            bpf_program__attach_uprobe_opts(program, static_cast<pid_t>(pid), path.c_str(), point.offset, &options);
        if (link == nullptr) return fail("cannot attach a uprobe to " + path + ": " + std::strerror(errno));
        return std::shared_ptr<void>(link, [](bpf_link* gone) { bpf_link__destroy(gone); });
    }

    bpf_program* program_of(sonde_log_call call) const {
        const auto& programs = skeleton_->progs;
        switch (call) {
            case SONDE_LOG_CALL_WRITEV:
                return programs.log_writev;
            case SONDE_LOG_CALL_PWRITE:
                return programs.log_pwrite;
            case SONDE_LOG_CALL_GO:
                return programs.log_write_go;
            default:
                return programs.log_write;
        }
    }

    std::unique_ptr<log_bpf, SkeletonDestroyer> skeleton_;
    bool multi_ = false;  // attached as BPF links, not by perf events
};

}  // namespace

Result<std::unique_ptr<LogPrograms>> LogPrograms::load(const std::function<void(bpf_object*)>& prepare,
                                                       const sonde_config& config) {
    auto programs = std::make_unique<LoadedLogPrograms>();
    if (auto loaded = programs->load(prepare, config); !loaded) return loaded.error();
    return std::unique_ptr<LogPrograms>(std::move(programs));
}

}  // namespace sonde
