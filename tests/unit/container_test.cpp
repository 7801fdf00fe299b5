#include "agent/identity/container.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a2b3c4d_5e6f.slice";

TEST(Container, IdOfEveryEngine) {
    const std::string lines[] = {
        "0::" + pod + "/cri-containerd-" + id + ".scope\n",          // containerd, systemd driver
        "0::/kubepods/burstable/pod1a2b3c4d-5e6f/" + id + "\n",      // cgroupfs driver
        "0::" + pod + "/crio-" + id + ".scope\n",                    // CRI-O
        "0::/system.slice/docker-" + id + ".scope\n",                // Docker, cgroup v2
        "12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id,  // Docker, cgroup v1, no last newline
        "0::/machine.slice/libpod-" + id + ".scope/container\n",     // podman
        "0::/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:" + id + "\n",
    };
    for (const auto& line : lines) EXPECT_EQ(container_id_from_cgroup(line), id) << line;
}

// Lines as they stand in /proc/PID/cgroup under each runtime, cgroup version and driver; ids replaced by one.
TEST(Container, RealExamples) {
    struct Example {
        const char* from;
        std::string line;
    };
    const std::string uid = "f1d2a3b4-5c6d-4e7f-8a9b-0c1d2e3f4a5b";
    const std::string slice_uid = "f1d2a3b4_5c6d_4e7f_8a9b_0c1d2e3f4a5b";
    const std::string besteffort =
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + slice_uid + ".slice";
    const Example examples[] = {
        {"containerd, v2, systemd", "0::" + besteffort + "/cri-containerd-" + id + ".scope"},
        {"containerd, v2, systemd, guaranteed",
         "0::/kubepods.slice/kubepods-pod" + slice_uid + ".slice/cri-containerd-" + id + ".scope"},
        {"containerd, v2, cgroupfs", "0::/kubepods/besteffort/pod" + uid + "/" + id},
        {"containerd, v1, systemd", "11:memory:" + besteffort + "/cri-containerd-" + id + ".scope"},
        {"containerd, v1, cgroupfs", "4:cpu,cpuacct:/kubepods/burstable/pod" + uid + "/" + id},
        {"containerd below its own unit, v1, systemd",
         "9:pids:/system.slice/containerd.service/kubepods-besteffort-pod" + slice_uid + ".slice:cri-containerd:" + id},
        {"CRI-O, v2, systemd", "0::" + besteffort + "/crio-" + id + ".scope"},
        {"CRI-O, v2, systemd, container in a scope", "0::" + besteffort + "/crio-" + id + ".scope/container"},
        {"CRI-O, v1, cgroupfs", "3:cpuset:/kubepods/besteffort/pod" + uid + "/crio-" + id},
        {"Docker under Kubernetes, v1, systemd", "2:devices:" + besteffort + "/docker-" + id + ".scope"},
        {"Docker under Kubernetes, v1, cgroupfs", "8:blkio:/kubepods/besteffort/pod" + uid + "/" + id},
        {"Docker, v2, systemd", "0::/system.slice/docker-" + id + ".scope"},
        {"Docker, v2, cgroupfs", "0::/docker/" + id},
        {"Docker, v1, cgroupfs", "12:freezer:/docker/" + id},
        {"Docker, systemd inside a container", "0::/docker/" + id + "/init.scope"},
        {"podman, v2, systemd, root", "0::/machine.slice/libpod-" + id + ".scope/container"},
        {"podman, v2, systemd, rootless",
         "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container"},
        {"podman, v2, cgroupfs", "0::/libpod_parent/libpod-" + id},
        {"podman, v1, systemd", "1:name=systemd:/machine.slice/libpod-" + id + ".scope"},
        {"podman, v1, cgroupfs", "7:hugetlb:/libpod_parent/libpod-" + id},
        {"podman, quadlet", "0::/system.slice/shop.service/libpod-payload-" + id},
        {"kind: a node that is a container",
         "0::/docker/" + std::string(64, 'd') + "/kubelet/kubepods/besteffort/pod" + uid + "/" + id},
        {"seen from another cgroup namespace",
         "0::/../../kubepods-besteffort-pod" + slice_uid + ".slice/cri-containerd-" + id + ".scope"},
        {"k3s", "0::/kubepods/burstable/pod" + uid + "/" + id},
        {"EKS, v2", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + slice_uid +
                        ".slice/cri-containerd-" + id + ".scope"},
        {"ECS", "0::/ecs/0123456789abcdef0123456789abcdef/" + id},
        {"nerdctl", "0::/system.slice/nerdctl-" + id + ".scope"},
    };
    for (const auto& [from, line] : examples)
        EXPECT_EQ(container_id_from_cgroup(line + "\n"), id) << from << ": " << line;
}

TEST(Container, InnermostOfNestedContainers) {
    const std::string inner(64, 'e');
    EXPECT_EQ(container_id_from_cgroup("0::/docker/" + id + "/docker/" + inner + "\n"), inner);
}

TEST(Container, NoContainer) {
    EXPECT_EQ(container_id_from_cgroup(""), "");
    EXPECT_EQ(container_id_from_cgroup("0::/\n"), "");
    EXPECT_EQ(container_id_from_cgroup("0::/user.slice/user-1000.slice/session-3.scope\n"), "");
    EXPECT_EQ(container_id_from_cgroup("0::/x/" + id.substr(1) + "\n"), "");
    EXPECT_EQ(container_id_from_cgroup("0::/x/" + id + "0\n"), "");
    EXPECT_EQ(container_id_from_cgroup("0::/machine.slice/libpod-conmon-" + id + ".scope\n"), "");
    EXPECT_EQ(container_id_from_cgroup("no slash, no colon"), "");
}

TEST(Unit, LastService) {
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/nginx.service\n"), "nginx");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/system-getty.slice/getty@tty1.service\n"), "getty@tty1");
    EXPECT_EQ(systemd_unit_from_cgroup("1:name=systemd:/system.slice/shop.service/worker\n0::/\n"), "shop");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/notes.service\n"),
              "notes");
}

TEST(Unit, NoService) {
    EXPECT_EQ(systemd_unit_from_cgroup(""), "");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/.service\n"), "");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/init.scope\n"), "");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/user.slice/user-1000.slice/session-3.scope\n"), "");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n"), "");
}

TEST(Unit, EscapesAreDecodedWhenTheyPrint) {
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/my\\x2dshop.service\n"), "my-shop");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/a\\x1bb.service\n"), "a\\x1bb");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/a\\x2.service\n"), "a\\x2");
}

TEST(Unit, EngineOfAContainerIsNotItsUnit) {
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/containerd.service/kubepods/pod1/" + id + "\n"), "");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/docker/" + id + "/system.slice/nginx.service\n"), "nginx");
    EXPECT_EQ(systemd_unit_from_cgroup("0::/system.slice/shop.service/libpod-payload-" + id + "\n"), "shop");
}

}  // namespace
}  // namespace sonde
