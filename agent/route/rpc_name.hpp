#pragma once

#include <string_view>

namespace sonde {

// The route of a gRPC call taken apart: "/shop.Cart/Add" → shop.Cart, Add. Both are empty where it does not have that
// form. Views into the route.
struct RpcName {
    std::string_view service;
    std::string_view method;
};
RpcName split_rpc_route(std::string_view route);

}  // namespace sonde
