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
