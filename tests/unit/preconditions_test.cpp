#include "agent/probe/preconditions.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

TEST(Cgroup2Root, IsTheMountOfTheWholeTree) {
    EXPECT_EQ(cgroup2_root_in("30 20 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
                              "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 master:2 - cgroup2 cgroup2 rw\n"
                              "32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
              "/sys/fs/cgroup/unified");
}

TEST(Cgroup2Root, IsNoPartOfTheTree) {
    EXPECT_EQ(cgroup2_root_in("41 31 0:38 /user.slice /mnt rw - cgroup2 cgroup2 rw\n"), "");
    EXPECT_EQ(cgroup2_root_in("41 31 0:38 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu\n"), "");
    EXPECT_EQ(cgroup2_root_in("cut in the midd"), "");
    EXPECT_EQ(cgroup2_root_in(""), "");
}

TEST(Preconditions, HostsRootInAContainer) {
    const std::string own = "900 890 0:27 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    const std::string hosts = "901 890 0:27 /../../.. /host/cgroup ro - cgroup2 cgroup rw\n";
    const std::string part = "902 890 0:27 /../system.slice /part ro - cgroup2 cgroup rw\n";
    EXPECT_EQ(cgroup2_mounts_in(own + part + hosts), (std::vector<std::string>{"/sys/fs/cgroup", "/host/cgroup"}));
    EXPECT_TRUE(cgroup2_mounts_in("903 890 0:27 /..x /a ro - cgroup2 cgroup rw\n").empty());
}

}  // namespace
}  // namespace sonde
