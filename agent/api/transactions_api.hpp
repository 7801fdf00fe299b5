#pragma once

#include "agent/history/history.hpp"
#include "agent/http/server.hpp"

namespace sonde {

// /api/v1/transactions: what is kept, filtered, newest or slowest first; or after a cursor, oldest first.
Response transactions_answer(const History& history, const Request& request);
// /api/v1/transactions/{id}
Response transaction_answer(const History& history, const Request& request);

}  // namespace sonde
