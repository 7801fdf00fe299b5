#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/metric/histogram.hpp"
#include "agent/model/event.hpp"

namespace sonde {

struct TlsConnectionLimits {
    std::size_t connections = 32768;  // open ones that are remembered
    std::size_t label_sets = 1000;    // what is over that counts as server_name="{overflow}"
};

// Counts TLS connections by what their ClientHello says, also those whose plaintext nobody can read:
//
//   sonde_tls_connections_total{server_name, version, alpn, side, readable}
//   sonde_tls_connection_duration_seconds{same}   from the ClientHello to the end of the socket
//
// version and alpn are the highest and the list that the client offers. A connection is counted when its plaintext is
// seen, as readable, or when it ends without any. Names come from clients: their number is bounded.
// Events belong to the pipeline thread, Collect() to any.
class TlsConnections final : public prometheus::Collectable {
public:
    explicit TlsConnections(TlsConnectionLimits limits = {});

    void on(const TlsHello& event);
    // Something that the connection carries was read.
    void on_plaintext(std::uint64_t cookie);
    void on(const ConnClose& event);

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
    // Number of connections that were forgotten before they ended because too many were open.
    [[nodiscard]] std::uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

private:
    struct Names {
        std::string server_name, version, alpn;
        bool client = false;
        auto operator<=>(const Names&) const = default;
    };
    // By `readable`.
    struct Series {
        std::uint64_t count[2]{};
        DurationHistogram duration[2];
    };
    struct Open {
        Series* series;
        std::uint64_t began_ns;
        bool readable = false;
    };

    Series& series_of(Names names);

    const TlsConnectionLimits limits_;
    std::unordered_map<std::uint64_t, Open> open_;  // by cookie
    mutable std::mutex mutex_;                      // series_: once per connection, not per request
    std::map<Names, Series> series_;
    std::atomic<std::uint64_t> forgotten_{0};
};

}  // namespace sonde
