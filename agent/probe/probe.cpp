#include "agent/probe/probe.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "agent/base/unique_fd.hpp"
#include "agent/privilege/capabilities.hpp"
#include "agent/probe/clock_calibration.hpp"
#include "agent/probe/libbpf_words.hpp"
#include "agent/probe/log/log_programs.hpp"
#include "agent/probe/preconditions.hpp"
#include "agent/probe/tls/tls_programs.hpp"
#include "bpf/shared/config.h"
#include "deferred.skel.h"
#include "flush.skel.h"
#include "packet.skel.h"
#include "packet_plain.skel.h"
#include "socket.skel.h"
#include "task.skel.h"
#include "unix.skel.h"

namespace sonde {
namespace {

constexpr const char* btf_path = "/sys/kernel/btf/vmlinux";

template <auto Destroy>
struct Destroyer {
    void operator()(auto* skeleton) const { Destroy(skeleton); }
};
using PacketSkeleton = std::unique_ptr<packet_bpf, Destroyer<packet_bpf__destroy>>;
using PacketPlainSkeleton = std::unique_ptr<packet_plain_bpf, Destroyer<packet_plain_bpf__destroy>>;

// What both variants of the packet program have.
struct PacketParts {
    bpf_object* object = nullptr;  // all maps that others share
    bpf_map* ring = nullptr;
    bpf_map* loss_counts = nullptr;
    bpf_map* conns = nullptr;
    bpf_map* tls_threads = nullptr;
    bpf_map* scheduler_offset = nullptr;
    bpf_program* ingress = nullptr;
    bpf_program* egress = nullptr;
    sonde_config* config = nullptr;  // written before the load
};
using SocketSkeleton = std::unique_ptr<socket_bpf, Destroyer<socket_bpf__destroy>>;
using DeferredSkeleton = std::unique_ptr<deferred_bpf, Destroyer<deferred_bpf__destroy>>;
using FlushSkeleton = std::unique_ptr<flush_bpf, Destroyer<flush_bpf__destroy>>;
using UnixSkeleton = std::unique_ptr<unix_bpf, Destroyer<unix_bpf__destroy>>;
using TaskSkeleton = std::unique_ptr<task_bpf, Destroyer<task_bpf__destroy>>;
struct LinkDestroyer {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

bool kernel_has_tracepoint(const btf* kernel, const char* name) {
    return btf__find_by_name_kind(kernel, (std::string("btf_trace_") + name).c_str(), BTF_KIND_TYPEDEF) > 0;
}

struct BtfFree {
    void operator()(btf* types) const { btf__free(types); }
};

class AttachedProbe final : public Probe {
public:
    Status start(const ProbeOptions& options) {
        listen_to_libbpf();
        if (auto privilege = check_privilege(); !privilege) return privilege.error();
        if (::access(btf_path, R_OK) != 0)
            return fail(std::string("this kernel has no type information (") + btf_path + " is missing)",
                        "sonde needs a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are from 5.10 on");
        kernel_.reset(btf__load_vmlinux_btf());
        if (!kernel_) return fail(std::string("cannot read ") + btf_path + ": " + std::strerror(errno));
        if (auto packets = start_packets(options); !packets) return packets.error();
        start_sockets();
        start_deferred();
        start_unix();
        start_tasks();
        start_flush();
        start_tls();
        start_logs(options);
        kernel_.reset();  // some 6 MiB that nobody asks any more
        return done();
    }

    Status watch_traffic(const std::function<Status()>& attached) override {
        forget_libbpf_words();
        for (auto* program : {parts_.ingress, parts_.egress}) {
            Link link(bpf_program__attach_cgroup(program, cgroup_.get()));
            if (!link) return fail("cannot attach the packet program to the cgroup v2 root: " + libbpf_words());
            links_.push_back(std::move(link));
        }
        if (attached)
            if (auto good = attached(); !good) return good.error();
        start_tls_watch();
        if (log_programs_) log_watch_ = std::make_unique<LogWatch>(log_programs_->hooks(), log_options_);
        return done();
    }

    bool late_uprobes_need_admin() const override {
        return (tls_programs_ && tls_programs_->needs_admin()) || (log_programs_ && log_programs_->needs_admin());
    }

    TlsWatch* tls() const override { return tls_watch_.get(); }
    LogWatch* logs() const override { return log_watch_.get(); }

    const std::vector<Feature>& features() const override { return features_; }
    int ring_fd() const override { return bpf_map__fd(parts_.ring); }
    std::uint32_t ring_bytes() const override { return bpf_map__max_entries(parts_.ring); }

    void keep_clock() override {
        const auto now = std::chrono::steady_clock::now();
        if (!clock_ || now < next_calibration_) return;
        next_calibration_ = now + std::chrono::milliseconds(clock_calibration_interval_ms);
        // what fails now did not fail at the start: the last offset stands, off by microseconds a second
        static_cast<void>(clock_->calibrate());
    }

    int scheduler_offset_fd() const override { return bpf_map__fd(parts_.scheduler_offset); }

    LossMatrix kernel_losses() const override {
        LossMatrix matrix;
        const int cpus = libbpf_num_possible_cpus();
        if (cpus <= 0) return matrix;
        std::vector<sonde_loss_counts> counts(static_cast<std::size_t>(cpus));
        for (std::uint32_t type = 0; type < SONDE_REC_TYPES; ++type) {
            if (bpf_map_lookup_elem(bpf_map__fd(parts_.loss_counts), &type, counts.data()) != 0) continue;
            auto& row = matrix.rows[type];
            for (const auto& cpu : counts) {
                row.seen += cpu.seen;
                for (std::size_t reason = 0; reason < SONDE_LOSS_REASONS; ++reason)
                    row.lost[reason] += cpu.lost[reason];
            }
        }
        return matrix;
    }

    void flush_progress(std::uint64_t before_ns) const override {
        if (!flush_link_) return;
        flush_->bss->flush_before_ns = before_ns;
        const UniqueFd run(bpf_iter_create(bpf_link__fd(flush_link_.get())));
        char nothing[64];
        while (run && ::read(run.get(), nothing, sizeof nothing) > 0) {
        }
    }

private:
    // The packet hooks are what everything else hangs on: without them there is nothing to see.
    template <typename Skeleton>
    static PacketParts parts_of(Skeleton& skeleton) {
        return {skeleton.obj,
                skeleton.maps.ring,
                skeleton.maps.loss_counts,
                skeleton.maps.conns,
                skeleton.maps.tls_threads,
                skeleton.maps.scheduler_offset,
                skeleton.progs.packet_ingress,
                skeleton.progs.packet_egress,
                &skeleton.rodata->sonde_cfg};
    }

    template <typename Pointer, typename Open, typename Load>
    Status load_packets(Pointer& skeleton, const ProbeOptions& options, Open open, Load load) {
        forget_libbpf_words();
        skeleton.reset(open());
        if (!skeleton) return fail("cannot open the packet program: " + libbpf_words());
        parts_ = parts_of(*skeleton);
        parts_.config->capture_bytes = options.capture_bytes;
        parts_.config->log_bytes = options.log_bytes;
        parts_.config->wake_bytes = options.ring_bytes / 4;
        parts_.config->self_tgid = static_cast<std::uint32_t>(::getpid());
        parts_.config->queue_clock =
            libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_get_current_task_btf, nullptr) == 1;
        bpf_map__set_max_entries(parts_.ring, options.ring_bytes);
        // from 5.11; before that the programs that use it are refused, these are not
        if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, nullptr) != 1)
            bpf_map__set_autocreate(parts_.tls_threads, false);
        if (load(skeleton.get()) == 0) return done();
        skeleton.reset();
        return fail("the kernel refused it: " + libbpf_words());
    }

    Status start_packets(const ProbeOptions& options) {
        const auto root = cgroup2_root();
        if (root.empty())
            return fail(
                "cgroup v2 is not mounted",
                "mount it with: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2; in a container, mount the "
                "host's /sys/fs/cgroup");
        cgroup_ = UniqueFd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!cgroup_) return fail("cannot open the cgroup v2 root " + root + ": " + std::strerror(errno));
        const bool has_loops = libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_loop, nullptr) == 1;
        auto followed = has_loops ? load_packets(packet_, options, packet_bpf__open, packet_bpf__load)
                                  : Status(fail("the kernel has no bpf_loop"));
        if (!followed && !load_packets(packet_plain_, options, packet_plain_bpf__open, packet_plain_bpf__load))
            return fail("the kernel refused the packet program: " + libbpf_words(),
                        "sonde doctor tells what this kernel allows");
        features_.push_back({"packets", true, "cgroup_skb on " + root, "nothing is seen"});
        features_.push_back({"bodies_followed", packet_ != nullptr, packet_ ? "bpf_loop" : followed.error().what,
                             "the exact end of chunked bodies, heads longer than the capture"});
        start_http2(packet_ ? std::string() : followed.error().what);
        return done();
    }

    // The packet programs jump to those of HTTP/2, which come with the loops.
    void start_http2(const std::string& without_loops) {
        const auto jump = [](bpf_map* map, bpf_program* program) {
            const std::uint32_t key = 0;
            const int fd = bpf_program__fd(program);
            return bpf_map_update_elem(bpf_map__fd(map), &key, &fd, BPF_ANY) == 0;
        };
        Feature feature{"http2", packet_ != nullptr, "bpf_loop", "HTTP/2 and gRPC"};
        if (!packet_) {
            feature.detail = without_loops;
        } else if (!jump(packet_->maps.http2_ingress_jump, packet_->progs.http2_ingress) ||
                   !jump(packet_->maps.http2_egress_jump, packet_->progs.http2_egress)) {
            feature.enabled = false;
            feature.detail = std::string("cannot jump to the program: ") + std::strerror(errno);
        }
        features_.push_back(std::move(feature));
    }

    // Every map that both declare (bpf/maps.bpf.h); variables are each object's own and have other names.
    void share_maps(bpf_object* object) {
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) {
            const auto* shared = bpf_object__find_map_by_name(parts_.object, bpf_map__name(map));
            if (shared == nullptr) continue;
            // one that the kernel cannot have is missed only by the programs that use it
            if (bpf_map__fd(shared) >= 0)
                bpf_map__reuse_fd(map, bpf_map__fd(shared));
            else
                bpf_map__set_autocreate(map, false);
        }
    }

    template <typename Skeleton>
    void share_maps(Skeleton& skeleton) {
        share_maps(skeleton.obj);
        skeleton.rodata->sonde_cfg = *parts_.config;
    }

    // Attaches one program; the feature says by what, or why not.
    void attach_feature(Feature feature, bpf_program* program) {
        Link link(bpf_program__attach(program));
        feature.enabled = link != nullptr;
        if (link)
            links_.push_back(std::move(link));
        else
            feature.detail = "cannot attach: " + libbpf_words();
        features_.push_back(std::move(feature));
    }

    void start_sockets() {
        const std::string without_reads = "queue, cpu, runqueue and blocked time; the process of server requests";
        const std::string without_close = "the end of close-delimited responses by reset, aborted requests";
        forget_libbpf_words();
        socket_.reset(socket_bpf__open());
        const bool recv_length = kernel_has_tracepoint(kernel_.get(), "sock_recv_length");
        if (socket_) {
            share_maps(*socket_);
            bpf_program__set_autoload(socket_->progs.socket_recv_length, recv_length);
            bpf_program__set_autoload(socket_->progs.socket_rcv_space_adjust, !recv_length);
        }
        if (!socket_ || socket_bpf__load(socket_.get()) != 0) {
            socket_.reset();
            features_.push_back({"socket_reads", false, "the kernel refused it: " + libbpf_words(), without_reads});
            features_.push_back({"connection_ends", false, "the kernel refused it: " + libbpf_words(), without_close});
            return;
        }
        if (recv_length)
            attach_feature({"socket_reads", true, "tp_btf/sock_recv_length", without_reads},
                           socket_->progs.socket_recv_length);
        else
            attach_feature({"socket_reads", true, "tp_btf/tcp_rcv_space_adjust (before 6.3)", without_reads},
                           socket_->progs.socket_rcv_space_adjust);
        attach_feature({"connection_ends", true, "tp_btf/inet_sock_set_state", without_close},
                       socket_->progs.socket_set_state);
    }

    void start_deferred() {
        Feature feature{"http2_deferred", false, "", "HTTP/2 requests that came with a connection's handshake"};
        if (!packet_) {
            feature.detail = "HTTP/2 is not followed";
            features_.push_back(std::move(feature));
            return;
        }
        forget_libbpf_words();
        deferred_.reset(deferred_bpf__open());
        if (deferred_) share_maps(*deferred_);
        if (!deferred_ || deferred_bpf__load(deferred_.get()) != 0) {
            feature.detail = "the kernel refused it: " + libbpf_words();
            deferred_.reset();
            features_.push_back(std::move(feature));
            return;
        }
        feature.detail = "tp_btf/inet_sock_set_state and bpf_loop";
        attach_feature(std::move(feature), deferred_->progs.deferred_http2);
    }

    void start_unix() {
        Feature feature{"unix_sockets", false, "", "HTTP over Unix sockets"};
        if (!kernel_has_tracepoint(kernel_.get(), "sock_send_length")) {
            feature.detail = "not observable before Linux 6.3: there is no tp_btf/sock_send_length";
            features_.push_back(std::move(feature));
            return;
        }
        forget_libbpf_words();
        unix_.reset(unix_bpf__open());
        if (unix_) share_maps(*unix_);
        if (!unix_ || unix_bpf__load(unix_.get()) != 0) {
            feature.detail = "the kernel refused it: " + libbpf_words();
            unix_.reset();
            features_.push_back(std::move(feature));
            return;
        }
        feature.detail = "tp_btf/sock_send_length, tp_btf/sock_recv_length and the caller's buffers";
        Link receives(bpf_program__attach(unix_->progs.unix_recv_length));
        if (receives)
            attach_feature(std::move(feature), unix_->progs.unix_send_length);
        else
            features_.push_back({feature.name, false, "cannot attach: " + libbpf_words(), feature.without});
        if (receives) links_.push_back(std::move(receives));
    }

    void start_tasks() {
        const std::string without_clock = "cpu, runqueue and blocked time";
        const std::string without_life = "names of processes that end within milliseconds";
        forget_libbpf_words();
        task_.reset(task_bpf__open());
        if (task_) share_maps(*task_);
        if (!task_ || task_bpf__load(task_.get()) != 0) {
            task_.reset();
            features_.push_back({"thread_clocks", false, "the kernel refused it: " + libbpf_words(), without_clock});
            features_.push_back({"process_life", false, "the kernel refused it: " + libbpf_words(), without_life});
            return;
        }
        start_clock(without_clock);
        attach_feature({"process_life", true, "tp_btf/sched_process_exec and exit", without_life},
                       task_->progs.task_exec);
        Link exit(bpf_program__attach(task_->progs.task_exit));
        if (exit) links_.push_back(std::move(exit));
    }

    // Last: from here on progress waits, so that whatever refuses above changes nothing for it.
    void start_flush() {
        Feature feature{"progress_waits", false, "", "a record fewer per response: costs CPU, loses nothing"};
        forget_libbpf_words();
        flush_.reset(flush_bpf__open());
        if (flush_) share_maps(*flush_);
        if (!flush_ || flush_bpf__load(flush_.get()) != 0) {
            feature.detail = "the kernel refused it: " + libbpf_words();
            flush_.reset();
        } else {
            bpf_iter_link_info info{};
            info.map.map_fd = static_cast<std::uint32_t>(bpf_map__fd(parts_.conns));
            LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof info);
            flush_link_.reset(bpf_program__attach_iter(flush_->progs.flush_progress, &options));
            if (flush_link_) {
                (packet_ ? packet_->bss->flush_runs : packet_plain_->bss->flush_runs) = 1;
                feature.enabled = true;
                feature.detail = "iter/bpf_sk_storage_map";
            } else {
                feature.detail = "cannot attach: " + libbpf_words();
            }
        }
        features_.push_back(std::move(feature));
    }

    // The run queue's clock costs nobody anything; the hook costs every context switch.
    void start_clock(const std::string& without) {
        if (parts_.config->queue_clock != 0 && scheduler_clock_is_stable()) {
            clock_ = std::make_unique<ClockCalibration>(bpf_program__fd(task_->progs.task_clock_offset),
                                                        bpf_map__fd(task_->maps.scheduler_offset),
                                                        &task_->bss->measured_offset_ns);
            if (clock_->calibrate()) {
                features_.push_back({"thread_clocks", true, "the run queue's clock", without});
                return;
            }
            clock_.reset();
        }
        attach_feature({"thread_clocks", true, "tp_btf/sched_switch", without}, task_->progs.task_switch);
    }

    void start_tls() {
        forget_libbpf_words();
        Feature feature{"tls_plaintext", true, "uprobes", "what TLS connections carry"};
        auto programs = TlsPrograms::load([this](bpf_object* object) { share_maps(object); }, *parts_.config);
        if (programs && (*programs)->needs_admin() && !has_capability(CAP_SYS_ADMIN)) {
            feature.enabled = false;
            feature.detail = "before Linux 6.6 attaching uprobes takes CAP_SYS_ADMIN";
        } else if (programs) {
            feature.detail = (*programs)->needs_admin() ? "uprobes (perf events)" : "uprobes (BPF links)";
            tls_programs_ = std::move(*programs);
        } else {
            feature.enabled = false;
            feature.detail = programs.error().message() + ": " + libbpf_words();
        }
        features_.push_back(std::move(feature));
    }

    void start_logs(const ProbeOptions& options) {
        Feature feature{"log_writes", false, "uprobes on write, writev and pwrite64 of processes that serve HTTP",
                        "log lines with the thread that wrote them"};
        log_options_ = options.logs;
        log_options_.self_pid = static_cast<std::uint32_t>(::getpid());
        if (!log_options_.enabled) {
            feature.detail = "switched off";
            features_.push_back(std::move(feature));
            return;
        }
        forget_libbpf_words();
        auto programs = LogPrograms::load([this](bpf_object* object) { share_maps(object); }, *parts_.config);
        feature.enabled = programs && (!(*programs)->needs_admin() || has_capability(CAP_SYS_ADMIN));
        if (feature.enabled)
            log_programs_ = std::move(*programs);
        else
            feature.detail = programs ? std::string("before Linux 6.6 attaching uprobes takes CAP_SYS_ADMIN")
                                      : programs.error().message() + ": " + libbpf_words();
        features_.push_back(std::move(feature));
    }

    // Attaches on a thread of its own: meanwhile records are taken in already.
    void start_tls_watch() {
        if (!tls_programs_) return;
        tls_watch_ = std::make_unique<TlsWatch>(TlsWatchHooks{
            [this](const std::string& path, const TlsPlan& plan) { return tls_programs_->attach(path, plan); },
            [this] { tls_programs_->forget_dead(); },
        });
    }

    std::unique_ptr<btf, BtfFree> kernel_;
    UniqueFd cgroup_;        // the root of cgroup v2
    PacketSkeleton packet_;  // or, where the kernel has no loops,
    PacketPlainSkeleton packet_plain_;
    PacketParts parts_;
    SocketSkeleton socket_;
    DeferredSkeleton deferred_;
    UnixSkeleton unix_;
    TaskSkeleton task_;
    FlushSkeleton flush_;
    Link flush_link_;
    std::unique_ptr<ClockCalibration> clock_;  // null: the hook in the scheduler tells the time
    std::chrono::steady_clock::time_point next_calibration_;
    std::vector<Link> links_;  // after the skeletons: detached before they are unloaded
    std::vector<Feature> features_;
    std::unique_ptr<TlsPrograms> tls_programs_;
    std::unique_ptr<TlsWatch> tls_watch_;  // uses the programs
    LogWatchOptions log_options_;
    std::unique_ptr<LogPrograms> log_programs_;
    std::unique_ptr<LogWatch> log_watch_;  // uses the programs
};

}  // namespace

Result<std::unique_ptr<Probe>> Probe::prepare(const ProbeOptions& options) {
    auto probe = std::make_unique<AttachedProbe>();
    if (auto started = probe->start(options); !started) return started.error();
    return std::unique_ptr<Probe>(std::move(probe));
}

}  // namespace sonde
