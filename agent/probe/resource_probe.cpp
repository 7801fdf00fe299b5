#include "agent/probe/resource_probe.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "agent/base/unique_fd.hpp"
#include "resource.skel.h"

namespace sonde {
namespace {

struct SkeletonDestroyer {
    void operator()(resource_bpf* skeleton) const { resource_bpf__destroy(skeleton); }
};
struct LinkDestroyer {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
struct BtfFree {
    void operator()(btf* types) const { btf__free(types); }
};
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

// Whether the tracepoint's first argument is a pointer. False too where there is no such tracepoint.
bool first_argument_is_pointer(const btf* kernel, const char* tracepoint) {
    const auto id = btf__find_by_name_kind(kernel, (std::string("btf_trace_") + tracepoint).c_str(), BTF_KIND_TYPEDEF);
    if (id <= 0) return false;
    const auto* pointer = btf__type_by_id(kernel, btf__type_by_id(kernel, static_cast<std::uint32_t>(id))->type);
    if (pointer == nullptr || !btf_is_ptr(pointer)) return false;
    const auto* function = btf__type_by_id(kernel, pointer->type);
    // parameter 0 is the tracepoint's own data
    if (function == nullptr || !btf_is_func_proto(function) || btf_vlen(function) < 2) return false;
    const auto* argument = btf__type_by_id(kernel, btf_params(function)[1].type);
    return argument != nullptr && btf_is_ptr(argument);
}

// All that one run of an iterator writes, as records of one type.
template <typename Record>
Status run_iterator(const bpf_link* link, std::vector<Record>& out, std::vector<char>& buffer) {
    out.clear();
    const UniqueFd file(bpf_iter_create(bpf_link__fd(link)));
    if (!file) return fail(std::string("cannot start an iterator of the kernel: ") + std::strerror(errno));
    std::size_t kept = 0;  // of a record that a read cut in two
    while (true) {
        const auto n = ::read(file.get(), buffer.data() + kept, buffer.size() - kept);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return fail(std::string("cannot read an iterator of the kernel: ") + std::strerror(errno));
        if (n == 0) return done();
        const auto size = kept + static_cast<std::size_t>(n);
        const auto records = size / sizeof(Record), taken = records * sizeof(Record);
        const auto before = out.size();
        out.resize(before + records);
        std::memcpy(out.data() + before, buffer.data(), taken);
        kept = size - taken;
        std::memmove(buffer.data(), buffer.data() + taken, kept);
    }
}

class AttachedResourceProbe final : public ResourceProbe {
public:
    explicit AttachedResourceProbe(int scheduler_offset_fd) : scheduler_offset_fd_(scheduler_offset_fd) {}

    Status start() {
        const std::unique_ptr<btf, BtfFree> kernel(btf__load_vmlinux_btf());
        if (!kernel) return fail(std::string("this kernel has no type information: ") + std::strerror(errno));
        cpus_ = libbpf_num_possible_cpus();
        if (cpus_ <= 0) return fail("cannot tell the number of CPUs");
        // from the most to the least that kernels offer: what cannot be had is switched off as a whole
        const bool oom = first_argument_is_pointer(kernel.get(), "mark_victim");
        const bool block = first_argument_is_pointer(kernel.get(), "block_rq_issue");
        if (!load(oom, block, true) && !load(false, block, true) && !load(false, false, true) &&
            !load(false, false, false))
            return fail(std::string("the kernel refused the resource programs: ") + std::strerror(errno));
        tasks_.reset(bpf_program__attach(skeleton_->progs.resource_tasks));
        if (!tasks_) return fail(std::string("cannot attach the iterator over tasks: ") + std::strerror(errno));
        features_.push_back({"process_usage", true, "iter/task", ""});
        attach_hooks();
        buffer_.resize(std::size_t{64} << 10);
        return done();
    }

    const std::vector<Feature>& features() const override { return features_; }

    Status read(ResourceReading& reading) override {
        reading.round = skeleton_->bss->resource_round = skeleton_->bss->resource_round + 1;
        reading.listeners.clear();
        auto status = run_iterator(tasks_.get(), reading.tasks, buffer_);
        if (status && files_) status = run_iterator(files_.get(), reading.listeners, buffer_);
        pop_all(skeleton_->maps.exits, reading.exits);
        pop_all(skeleton_->maps.oom_kills, reading.oom_kills);
        read_extras(reading.extras);
        read_counts(reading);
        return status;
    }

    void forget(std::span<const std::uint32_t> tgids) override {
        for (const auto tgid : tgids) bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.processes), &tgid);
    }

private:
    bool load(bool oom, bool block, bool files) {
        skeleton_.reset(resource_bpf__open());
        if (!skeleton_) return false;
        bpf_map__reuse_fd(skeleton_->maps.scheduler_offset, scheduler_offset_fd_);
        auto& programs = skeleton_->progs;
        bpf_program__set_autoload(programs.resource_oom, oom);
        for (auto* program :
             {programs.resource_block_insert, programs.resource_block_issue, programs.resource_block_complete})
            bpf_program__set_autoload(program, block);
        for (auto* program : {programs.resource_files, programs.resource_socket_state, programs.resource_socket_end})
            bpf_program__set_autoload(program, files);
        if (resource_bpf__load(skeleton_.get()) == 0) return true;
        skeleton_.reset();
        return false;
    }

    // Attaches all or none of the programs that make a feature.
    bool attach_feature(Feature feature, std::initializer_list<bpf_program*> programs) {
        std::vector<Link> links;
        for (auto* program : programs) {
            Link link(bpf_program__autoload(program) ? bpf_program__attach(program) : nullptr);
            if (!link) {
                feature.enabled = false;
                feature.detail = "this kernel does not allow it";
                features_.push_back(std::move(feature));
                return false;
            }
            links.push_back(std::move(link));
        }
        for (auto& link : links) links_.push_back(std::move(link));
        features_.push_back(std::move(feature));
        return true;
    }

    void attach_hooks() {
        auto& programs = skeleton_->progs;
        attach_feature({"process_ends", true, "tp_btf/sched_process_exit", "usage of processes shorter than a round"},
                       {programs.resource_exit, programs.resource_fork, programs.resource_exec});
        const Feature sockets{"process_sockets", true, "iter/task_file and tp_btf/inet_sock_set_state",
                              "network use, descriptors, sockets and listen queues of processes"};
        if (attach_feature(sockets, {programs.resource_socket_state, programs.resource_socket_end}))
            files_.reset(bpf_program__attach(programs.resource_files));
        attach_feature(
            {"block_latency", true, "tp_btf/block_rq_insert, issue and complete",
             "number and latency of block operations of processes"},
            {programs.resource_block_insert, programs.resource_block_issue, programs.resource_block_complete});
        attach_feature({"oom_victims", true, "tp_btf/mark_victim", "memory of the OOM killer's victims"},
                       {programs.resource_oom});
    }

    template <typename Record>
    static void pop_all(const bpf_map* map, std::vector<Record>& out) {
        out.clear();
        Record record;
        while (bpf_map_lookup_and_delete_elem(bpf_map__fd(map), nullptr, &record) == 0) out.push_back(record);
    }

    void read_extras(std::vector<std::pair<std::uint32_t, sonde_process_extra>>& out) {
        out.clear();
        std::uint32_t key = 0;
        sonde_process_extra value;
        const int map = bpf_map__fd(skeleton_->maps.processes);
        for (int more = bpf_map_get_next_key(map, nullptr, &key); more == 0;
             more = bpf_map_get_next_key(map, &key, &key))
            if (bpf_map_lookup_elem(map, &key, &value) == 0) out.emplace_back(key, value);
    }

    void read_counts(ResourceReading& reading) {
        std::vector<std::uint64_t> counts(static_cast<std::size_t>(cpus_));
        for (std::uint32_t key = 0; key < SONDE_COUNTS; ++key) {
            if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.resource_counts), &key, counts.data()) != 0) continue;
            reading.counts[key] = 0;
            for (const auto count : counts) reading.counts[key] += count;
        }
        std::vector<sonde_usage> lost(static_cast<std::size_t>(cpus_));
        const std::uint32_t key = 0;
        if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.lost_usage), &key, lost.data()) != 0) return;
        reading.lost_usage = {};
        for (const auto& cpu : lost) {
            auto* sum = reinterpret_cast<std::uint64_t*>(&reading.lost_usage);
            const auto* more = reinterpret_cast<const std::uint64_t*>(&cpu);
            for (std::size_t i = 0; i < sizeof(sonde_usage) / sizeof(std::uint64_t); ++i) sum[i] += more[i];
        }
    }

    const int scheduler_offset_fd_;
    std::unique_ptr<resource_bpf, SkeletonDestroyer> skeleton_;
    int cpus_ = 0;
    Link tasks_, files_;
    std::vector<Link> links_;
    std::vector<Feature> features_;
    std::vector<char> buffer_;
};

}  // namespace

Result<std::unique_ptr<ResourceProbe>> ResourceProbe::attach(int scheduler_offset_fd) {
    auto probe = std::make_unique<AttachedResourceProbe>(scheduler_offset_fd);
    if (auto started = probe->start(); !started) return started.error();
    ::malloc_trim(0);  // libbpf reads the kernel's types for each object: megabytes that are free by now
    return std::unique_ptr<ResourceProbe>(std::move(probe));
}

}  // namespace sonde
