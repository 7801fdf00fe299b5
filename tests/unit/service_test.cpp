#include "agent/identity/service.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

TEST(Service, UnitThenContainerThenProgram) {
    ServiceNames names;
    Process process;
    process.program = "gunicorn";
    EXPECT_EQ(names.name(&process, 8000), "gunicorn:8000");
    EXPECT_EQ(names.name(&process, 0), "gunicorn");
    process.container_id = std::string(60, 'a') + "beef";
    EXPECT_EQ(names.name(&process, 8000), "container:aaaaaaaaaaaa");
    process.container_name = "shop-web-1";
    EXPECT_EQ(names.name(&process, 8000), "container:shop-web-1");
    process.unit = "shop";
    EXPECT_EQ(names.name(&process, 8000), "shop");
    EXPECT_EQ(names.name(&process, 0), "shop");
}

TEST(Service, NotObserved) {
    ServiceNames names;
    EXPECT_EQ(names.name(nullptr, 80), "unknown:80");
    EXPECT_EQ(names.name(nullptr, 0), "unknown");
    const Process nameless;
    EXPECT_EQ(names.name(&nameless, 80), "unknown:80");
}

TEST(Service, NamesAreInterned) {
    ServiceNames names;
    std::vector<std::string_view> views;
    for (std::uint16_t port = 1; port <= 1000; ++port) views.push_back(names.name(nullptr, port));
    for (std::uint16_t port = 1; port <= 1000; ++port)
        EXPECT_EQ(names.name(nullptr, port).data(), views[port - std::size_t{1}].data());
    EXPECT_EQ(views[41], "unknown:42");
}

TEST(Service, AnotherProcessAtTheSameAddressIsAnother) {
    ServiceNames names;
    Process process;
    process.pid = 7;
    process.program = "before";
    EXPECT_EQ(names.name(&process, 80), "before:80");
    process.program = "after";
    EXPECT_EQ(names.name(&process, 80), "after:80");
}

TEST(Service, NumberOfNamesIsBounded) {
    ServiceNames names(2);
    EXPECT_EQ(names.name(nullptr, 1), "unknown:1");
    EXPECT_EQ(names.name(nullptr, 2), "unknown:2");
    EXPECT_EQ(names.name(nullptr, 3), "{overflow}");
    EXPECT_EQ(names.name(nullptr, 1), "unknown:1");
}

}  // namespace
}  // namespace sonde
