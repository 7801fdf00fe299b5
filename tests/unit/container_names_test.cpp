#include "agent/identity/container_names.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

const std::string id(64, 'a');
const std::string other_id(64, 'b');
const std::string host = "1/root";  // below /proc

std::string monitor(const std::string& container, const std::string& name) {
    std::string line;
    for (const auto& argument : {std::string("/usr/bin/conmon"), std::string("--api-version"), std::string("1"),
                                 std::string("-c"), container, std::string("-u"), container, std::string("-r"),
                                 std::string("/usr/bin/runc"), std::string("-n"), name, std::string("--exit-dir")})
        (line += argument) += '\0';
    return line;
}

TEST(ContainerNames, OfAMonitorsCommandLine) {
    EXPECT_EQ(container_name_of_monitor(monitor(id, "shop.web_1"), id), "shop.web_1");
    EXPECT_EQ(container_name_of_monitor(monitor(other_id, "shop"), id), "");
    EXPECT_EQ(container_name_of_monitor(monitor(id, "../etc"), id), "");
    EXPECT_EQ(container_name_of_monitor(monitor(id, "a\x1b[2J"), id), "");
    EXPECT_EQ(container_name_of_monitor(monitor(id, std::string(129, 'x')), id), "");
    EXPECT_EQ(container_name_of_monitor("", id), "");
    using namespace std::string_literals;
    EXPECT_EQ(container_name_of_monitor("nginx\0-c\0"s + id + "\0-n\0shop\0"s, id), "");
    EXPECT_EQ(container_name_of_monitor("conmon\0-c"s, id), "");
}

TEST(ContainerNames, OfDockersFile) {
    EXPECT_EQ(container_name_of_docker(R"({"ID":"x","Name":"/shop_db-1","Config":{"Env":["A=b"]}})"), "shop_db-1");
    EXPECT_EQ(container_name_of_docker(R"({"Name":"shop"})"), "");
    EXPECT_EQ(container_name_of_docker(R"({"Name":"/a b"})"), "");
    EXPECT_EQ(container_name_of_docker(R"({"Name":7})"), "");
    EXPECT_EQ(container_name_of_docker(R"([])"), "");
    EXPECT_EQ(container_name_of_docker(R"({"Name":"/shop")"), "");
    EXPECT_EQ(container_name_of_docker(""), "");
}

TEST(ContainerNames, DockersFileByTheMounts) {
    const auto mounts = "109 93 0:57 / /proc rw - proc proc rw\n110 93 254:0 /srv/docker/containers/" + id +
                        "/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n";
    EXPECT_EQ(docker_file_of_mounts(mounts, id), "/srv/docker/containers/" + id + "/config.v2.json");
    EXPECT_EQ(docker_file_of_mounts(mounts, other_id), "");
    EXPECT_EQ(docker_file_of_mounts("1 2 3\n\n1", id), "");
    // the mount's place within the container says nothing
    EXPECT_EQ(docker_file_of_mounts("1 2 3:4 /x /containers/" + id + "/y rw - ext4 /dev/vda rw\n", id), "");
}

// A /proc of processes: 10 (a monitor, or an engine) ─► 20 (in the container) ─► 30 (its worker).
class ContainerNamesTest : public ::testing::Test {
protected:
    void put(const std::string& path, std::string_view text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path, std::ios::binary) << text;
    }
    void process(int pid, int parent, const std::string& cgroup, std::string_view command_line) const {
        const auto directory = std::to_string(pid);
        put(directory + "/stat", directory + " (a) b) S " + std::to_string(parent) + " 0 0");
        put(directory + "/cgroup", "0::" + cgroup + "\n");
        put(directory + "/cmdline", command_line);
        put(directory + "/mountinfo",
            "110 93 254:0 /srv/docker/containers/" + id + "/hosts /etc/hosts rw - ext4 x rw\n");
    }
    void container(std::string_view engine) const {
        process(10, 1, "/machine.slice", engine);
        process(20, 10, "/machine.slice/libpod-" + id + ".scope", "nginx");
        process(30, 20, "/machine.slice/libpod-" + id + ".scope", "nginx");
    }

    TemporaryDirectory directory_;
    fs::path root_ = directory_.path();
};

TEST_F(ContainerNamesTest, MonitorIsAnAncestor) {
    container(monitor(id, "shop"));
    ContainerNames names(root_);
    EXPECT_EQ(names.find(30, id), "shop");
    container(monitor(id, "renamed"));
    EXPECT_EQ(names.find(20, id), "shop");  // looked for once
}

TEST_F(ContainerNamesTest, WhoRunsInTheContainerDoesNotNameIt) {
    container("dockerd");
    process(20, 10, "/machine.slice/libpod-" + id + ".scope", monitor(id, "forged"));
    EXPECT_EQ(ContainerNames(root_).find(30, id), "");
}

TEST_F(ContainerNamesTest, DockersFileBelowTheFirstProcesssRoot) {
    container("containerd-shim");
    put(host + "/srv/docker/containers/" + id + "/config.v2.json", R"({"Name":"/db"})");
    EXPECT_EQ(ContainerNames(root_).find(30, id), "db");
}

TEST_F(ContainerNamesTest, DockersFileAtItsUsualPlace) {
    container("containerd-shim");
    put(host + "/var/lib/docker/containers/" + id + "/config.v2.json", R"({"Name":"/db"})");
    EXPECT_EQ(ContainerNames(root_).find(30, id), "db");
}

TEST_F(ContainerNamesTest, NothingButARegularFileIsRead) {
    container("containerd-shim");
    const auto place = root_ / (host + "/srv/docker/containers/" + id);
    fs::create_directories(place);
    ASSERT_EQ(::mkfifo((place / "config.v2.json").c_str(), 0600), 0);
    EXPECT_EQ(ContainerNames(root_).find(30, id), "");  // at once: nobody writes into it
    fs::remove(place / "config.v2.json");
    put("secret.json", R"({"Name":"/secret"})");
    fs::create_symlink(root_ / "secret.json", place / "config.v2.json");
    EXPECT_EQ(ContainerNames(root_).find(30, id), "");
}

TEST_F(ContainerNamesTest, AProcessThatIsGoneProvesNothing) {
    ContainerNames names(root_);
    EXPECT_EQ(names.find(30, id), "");
    container(monitor(id, "shop"));
    EXPECT_EQ(names.find(30, id), "shop");
}

TEST_F(ContainerNamesTest, ACircleOfParentsEnds) {
    process(20, 30, "/", "a");
    process(30, 20, "/", "b");
    EXPECT_EQ(ContainerNames(root_).find(30, id), "");
}

}  // namespace
}  // namespace sonde
