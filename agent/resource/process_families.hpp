#pragma once

#include "agent/resource/family_list.hpp"
#include "agent/resource/process_account.hpp"

// Names and help of the series of one process, service or listening socket (docs/metrics.md).
namespace sonde {

inline constexpr std::size_t process_series_max = 20 + 5 + SONDE_TCP_STATES + 1 + 2;
inline constexpr std::size_t service_series_max = 10;
inline constexpr std::size_t listener_series_max = 3;

void add_process_totals(FamilyList& out, const Labels& labels, const UsageTotals& totals);
void add_process_holdings(FamilyList& out, const Labels& labels, const Holdings& now);
void add_service(FamilyList& out, const Labels& labels, const UsageTotals& totals, const Holdings& now,
                 std::uint64_t processes);
void add_listener(FamilyList& out, const Labels& labels, const sonde_listen_sample& sample);

}  // namespace sonde
