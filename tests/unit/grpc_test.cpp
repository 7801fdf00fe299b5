#include "agent/protocol/grpc.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace sonde {
namespace {

TEST(Grpc, ContentTypes) {
    for (const auto* type :
         {"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "Application/GRPC+json"})
        EXPECT_TRUE(is_grpc_content_type(type)) << type;
    for (const auto* type : {"application/grpc-web", "application/grpc-web+proto", "application/json", "", "grpc"})
        EXPECT_FALSE(is_grpc_content_type(type)) << type;
}

TEST(Grpc, Statuses) {
    EXPECT_EQ(parse_grpc_status("0"), 0);
    EXPECT_EQ(parse_grpc_status("16"), 16);
    for (const auto* value : {"", "17", "-1", "1x", " 1", "99999"}) EXPECT_FALSE(parse_grpc_status(value)) << value;
}

TEST(Grpc, OnlyTheServersFaultsAreErrors) {
    for (const std::int16_t status : std::initializer_list<std::int16_t>{2, 4, 12, 13, 14, 15})
        EXPECT_EQ(grpc_outcome(status), Outcome::error) << status;
    for (const std::int16_t status : std::initializer_list<std::int16_t>{0, 3, 5, 6, 7, 8, 9, 10, 11, 16})
        EXPECT_EQ(grpc_outcome(status), Outcome::ok) << status;
    EXPECT_EQ(grpc_outcome(1), Outcome::aborted);
    EXPECT_EQ(grpc_outcome(-1), Outcome::unobserved);
}

}  // namespace
}  // namespace sonde
