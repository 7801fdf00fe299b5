#include "agent/route/rpc_name.hpp"

namespace sonde {

RpcName split_rpc_route(std::string_view route) {
    if (route.empty() || route[0] != '/') return {};
    const auto slash = route.rfind('/');
    if (slash == 0 || slash + 1 == route.size()) return {};
    return {route.substr(1, slash - 1), route.substr(slash + 1)};
}

}  // namespace sonde
